#include "provider/controllers/exporter.h"

#include "provider/controllers/testing/attachments_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using testing::HasSubstr;
using testing::SizeIs;

using ExporterTest = AttachmentsTest;

/// A template with an exporter.
Json CustomWith(const Json& exporter, const Json& more = Json::object()) {
  Json container = {{"name", "senml-export"}, {"image", "own/export:7"}};
  container.merge_patch(exporter);
  Json custom = {
      {"attachTo", "iot"},
      {"profile", "custom"},
      {"template",
       {{"spec",
         {{"containers", Json::array({Json({{"name", "a"}, {"image", "b"}}), std::move(container)})}}}}}};
  custom.merge_patch(more);
  return custom;
}

TEST_F(ExporterTest, TheExporterOfATemplateIsToldWhereToSend) {
  MakeGateway(CustomWith({{"env", Json::array({Json({{"name", "MESSAGEBUS_HOST"}, {"value", "bus"}})})}}));
  Advance();
  ExpectAttached();
  EXPECT_EQ(ExporterRuns(), "own/export:7");
  const Json pod = Pods("north").front();
  const Json& exporter = pod["spec"]["containers"][1];
  EXPECT_EQ(
      exporter["env"].dump(),
      R"([{"name":"MESSAGEBUS_HOST","value":"bus"},{"name":"SENML_SETTINGS","value":"/etc/senml-export"}])");
  EXPECT_EQ(exporter["readinessProbe"]["httpGet"]["path"], "/readyz");
  EXPECT_EQ(exporter["volumeMounts"][1]["mountPath"], "/var/lib/senml-export");
  EXPECT_FALSE(pod["spec"]["containers"][0].contains("env")) << "what else is in it is its own";
  AttachTo(nullptr);
  Advance();
  ExpectDetached();
  EXPECT_EQ(ExporterRuns(), "own/export:7-idle");
  EXPECT_EQ(kube::UidOf(Pods("north").front()), kube::UidOf(pod));
}

TEST_F(ExporterTest, ATemplateKeepsItsStoreAndItsProbes) {
  const Json mount = {{"name", "mine"}, {"mountPath", "/var/lib/senml-export"}};
  MakeGateway(
      CustomWith({{"volumeMounts", Json::array({mount})}, {"readinessProbe", {{"periodSeconds", 9}}}}));
  Advance();
  const Json exporter = Pods("north").front()["spec"]["containers"][1];
  EXPECT_EQ(exporter["volumeMounts"].size(), 2U);
  EXPECT_EQ(exporter["readinessProbe"]["periodSeconds"], 9);
  EXPECT_FALSE(exporter["readinessProbe"].contains("httpGet"));
}

TEST_F(ExporterTest, AnExporterThatIsToldByItsTemplateIsNotAttached) {
  const Json server = {{"name", "SENML_SERVER"}, {"value", "tcp://x:1"}};
  MakeGateway(CustomWith({{"env", Json::array({server})}}));
  MakeGateway(CustomWith({{"envFrom", Json::array()}}), "from");
  MakeGateway(CustomWith({{"env", Json::array({server})}}, {{"attachTo", nullptr}}), "alone");
  Advance();
  EXPECT_THAT(Attached(),
              HasSubstr("False AttachNeedsExporter: spec.template.spec.containers[senml-export].env: "
                        "SENML_SERVER is what the attachment tells it"));
  EXPECT_THAT(Condition(Get(kube::kIotGateways, "north", "from"), "Attached"),
              HasSubstr("spec.template.spec.containers[senml-export].envFrom: "));
  ExpectNothingAtTheServer();
  for (const Json& pod : Pods("north")) {
    EXPECT_EQ(pod["spec"]["containers"][1]["image"], "own/export:7") << "it runs as it is";
    EXPECT_FALSE(pod["spec"]["containers"][1].contains("volumeMounts"));
  }
}

TEST_F(ExporterTest, AGatewayThatNeverAskedHasNoExporter) {
  MakeGateway();
  Advance();
  EXPECT_EQ(ExporterRuns(), "");
  EXPECT_EQ(Gateway()["status"]["ready"], "6/6");
  EXPECT_EQ(Attached(), "none");
  const std::string pod = kube::UidOf(Pods("north").front());
  AttachTo("iot");
  Advance();
  ExpectAttached();
  EXPECT_NE(kube::UidOf(Pods("north").front()), pod) << "a pod's containers can not change";
}

TEST_F(ExporterTest, TheExporterStopsBeforeAnythingIsTakenBack) {
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  hosts_away_ = true;
  AttachTo(nullptr);
  Advance(minutes(10));
  EXPECT_EQ(State(), "Detaching");
  EXPECT_THAT(Attached(), HasSubstr("False ExporterRuns: "));
  EXPECT_THAT(iot_.things(), SizeIs(1));
  hosts_away_ = false;
  Advance();
  ExpectDetached();
}

TEST_F(ExporterTest, AnExporterThatCanNotPublishDegradesTheAttachmentAlone) {
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  exporter_publishes_ = false;
  Advance();
  EXPECT_EQ(State(), "Degraded");
  EXPECT_THAT(Attached(), HasSubstr("False ExporterNotPublishing: the exporter on gw-1 can not publish: "));
  EXPECT_EQ(Gateway()["status"]["phase"], "Ready");
  exporter_publishes_ = true;
  Advance();
  ExpectAttached();
}

}  // namespace
}  // namespace slicelet::provider
