#pragma once

#include <functional>
#include <string>
#include <utility>

#include "common/base/encoding.h"
#include "provider/controllers/attachments.h"
#include "provider/controllers/testing/controllers_fixture.h"

namespace slicelet::provider {

/// A slice with a server of others, and one gateway.
class AttachmentsTest : public ControllersTest {
 protected:
  AttachmentsTest() {
    MakeSlice();
    Advance(std::chrono::seconds(10));
    MakeLogin();
    MakeExternalServer("iot");
  }

  void AttachTo(const Json& server) {
    Patch(kube::kIotGateways, "north", "press", {{"spec", {{"attachTo", server}}}});
  }
  void GiveUp() {
    Patch(kube::kIotGateways, "north", "press", {{"metadata", {{"annotations", {{kGiveUp, "true"}}}}}});
  }
  Json Gateway() { return Get(kube::kIotGateways, "north", "press"); }
  std::string State() { return kube::TextAt(Gateway(), {"status", "attachment", "state"}); }
  std::string Attached() { return Condition(Gateway(), "Attached"); }
  std::string ExportValue(const std::string& name) {
    const Json secret = Get(kube::kSecrets, "north", "press-export");
    return Base64Decode(kube::TextAt(secret, {"data", name})).value_or("");
  }
  std::string ExporterRuns() {
    for (const Json& pod : Pods("north")) {
      for (const Json& container : pod["spec"]["containers"]) {
        if (container["name"] == kExporter) return container["image"];
      }
    }
    return "";
  }

  void ExpectAttached(const std::string& server = "iot") {
    EXPECT_EQ(State(), "Attached") << Attached();
    EXPECT_THAT(Attached(), testing::HasSubstr("True Attached: "));
    ASSERT_THAT(iot_.things(), testing::SizeIs(1));
    ASSERT_THAT(iot_.channels(), testing::SizeIs(1));
    EXPECT_THAT(iot_.connections(), testing::SizeIs(1));
    const auto& [id, thing] = *iot_.things().begin();
    const std::string channel = iot_.channels().begin()->first;
    EXPECT_EQ(thing.name, "iotgateway-press.gw-1." + server + "." + kube::UidOf(Gateway()));
    EXPECT_EQ(ExportValue("SENML_SERVER"), "tcp://iot:1883");
    EXPECT_EQ(ExportValue("SENML_USERNAME"), id);
    EXPECT_EQ(ExportValue("SENML_PASSWORD"), thing.key);
    EXPECT_EQ(ExportValue("SENML_TOPIC"), "channels/" + channel + "/messages");
    const Json records = Gateway()["status"]["attachments"];
    ASSERT_EQ(records.size(), 1U) << records;
    EXPECT_EQ(records["gw-1." + server]["identity"], id);
    EXPECT_FALSE(records.dump().find(thing.key) != std::string::npos) << "a key in the status";
    ASSERT_THAT(Pods("north"), testing::SizeIs(1));
    EXPECT_EQ(ExporterRuns(), ExporterImage(Gateway(), true));
  }
  void ExpectNothingAtTheServer() {
    EXPECT_THAT(iot_.things(), testing::IsEmpty());
    EXPECT_THAT(iot_.channels(), testing::IsEmpty());
    EXPECT_THAT(iot_.connections(), testing::IsEmpty());
  }
  void ExpectDetached() {
    ExpectNothingAtTheServer();
    EXPECT_EQ(Gateway()["status"].value("attachments", Json::object()), Json::object());
    EXPECT_EQ(Get(kube::kSecrets, "north", "press-export"), Json());
    EXPECT_EQ(State(), "");
    EXPECT_EQ(ExporterRuns(), ExporterImage(Gateway(), false));
  }
  /// The controllers die during `life`, and a new process goes on. `write`: after that write to the API
  /// server; `lost`: before the answer has come. `request`: with that request to the IoT server. 0 for never.
  void LiveThroughACrash(int write, bool lost, int request, FakeIotServer::Fault fault,
                         const std::function<void()>& life) {
    CrashAfter(write, lost);
    if (request != 0) iot_.SetFault(request, fault);
    life();
    server_.faults().after = nullptr;
  }
  /// A little longer than until it is so, for what is written after that.
  void Until(const std::function<bool()>& so) {
    for (int after = 0, all = 0; after < 3 && all < 120; ++all) {
      if (TakeDeath() || iot_.crashed()) {
        iot_.ClearCrash();
        Crash();
      }
      AdvanceASecond();
      after = so() ? after + 1 : 0;
    }
  }
  void ExpectGone() {
    ExpectNothingAtTheServer();
    EXPECT_EQ(Gateway(), Json());
    EXPECT_THAT(Pods("north"), testing::IsEmpty());
    EXPECT_EQ(Get(kube::kSecrets, "north", "press-export"), Json());
  }
};

}  // namespace slicelet::provider
