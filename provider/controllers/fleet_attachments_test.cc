// The attachments of a gateway that runs on a fleet node's hosts.
#include "provider/controllers/testing/attachments_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class FleetAttachmentsTest : public AttachmentsTest {
 protected:
  FleetAttachmentsTest() {
    CreateWith(kube::kNodes, "", FakeFleet::kNode, {{"metadata", {{"labels", {{kHubLabel, "plant-7"}}}}}});
    fleet_.targeted = {"gw-1", "gw-2"};
  }

  void MakeFleetGateway(const Json& more = Json::object()) {
    Json spec = {{"attachTo", "iot"}, {"target", {{"host", nullptr}, {"node", FakeFleet::kNode}}}};
    spec.merge_patch(more);
    MakeGateway(spec);
  }
  void MoveTo(const Json& target) {
    Patch(kube::kIotGateways, "north", "press", {{"spec", {{"target", target}}}});
  }
  /// "gw-1.iot=Attached gw-2.iot=Attached"
  std::string Records() {
    std::string text;
    const Json gateway = Gateway();
    const Json* found = kube::Find(gateway, {"status", "attachments"});
    const Json records = found == nullptr ? Json::object() : *found;
    for (const auto& [key, record] : records.items()) {
      text += (text.empty() ? "" : " ") + key + "=" + kube::TextAt(record, {"state"});
    }
    return text;
  }
  std::string Told(const std::string& key) {
    const Json secret = Get(kube::kSecrets, "north", "press-export-hosts");
    return Base64Decode(kube::TextAt(secret, {"data", key})).value_or("");
  }
  /// Each of them has a thing, a channel and a key of its own, and nobody else has anything.
  void ExpectAttachedOn(const std::set<std::string>& hosts, const std::string& server = "iot") {
    EXPECT_EQ(State(), "Attached") << Attached();
    const std::string count = std::to_string(hosts.size());
    EXPECT_EQ(Gateway()["status"]["attachment"]["hosts"], count + "/" + count);
    ASSERT_THAT(iot_.things(), SizeIs(hosts.size()));
    ASSERT_THAT(iot_.channels(), SizeIs(hosts.size()));
    EXPECT_THAT(iot_.connections(), SizeIs(hosts.size()));
    std::string records;
    std::set<std::string> identities;
    for (const std::string& host : hosts) {
      records += (records.empty() ? "" : " ") + host + "." + server + "=Attached";
      const std::string id = Told(host + ".SENML_USERNAME");
      ASSERT_EQ(iot_.things().count(id), 1U) << host;
      identities.insert(id);
      const auto& thing = iot_.things().at(id);
      EXPECT_EQ(thing.name, "iotgateway-press." + host + "." + server + "." + kube::UidOf(Gateway()));
      EXPECT_EQ(Told(host + ".SENML_PASSWORD"), thing.key);
      EXPECT_EQ(Told(host + ".SENML_CLIENT_ID"), id);
      const Json record = Gateway()["status"]["attachments"][host + "." + server];
      EXPECT_EQ(Told(host + ".SENML_TOPIC"), "channels/" + kube::TextAt(record, {"channel"}) + "/messages");
    }
    EXPECT_THAT(identities, SizeIs(hosts.size()));
    EXPECT_EQ(Records(), records);
    EXPECT_EQ(Get(kube::kSecrets, "north", "press-export-hosts")["data"].size(), hosts.size() * 5);
    EXPECT_EQ(Get(kube::kSecrets, "north", "press-export"), Json());
    EXPECT_EQ(ExporterRuns(), ExporterImage(Gateway(), true));
  }
  void ExpectNothingLeft() {
    ExpectNothingAtTheServer();
    EXPECT_EQ(Records(), "");
    EXPECT_EQ(Get(kube::kSecrets, "north", "press-export-hosts"), Json());
    EXPECT_EQ(Get(kube::kSecrets, "north", "press-export"), Json());
  }
};

TEST_F(FleetAttachmentsTest, EveryHostHasAnIdentityOfItsOwn) {
  MakeFleetGateway();
  Advance();
  ExpectAttachedOn({"gw-1", "gw-2"});
  EXPECT_THAT(Attached(), HasSubstr("True Attached: readings of 2 hosts go to IotServer iot"));
  const Json pod = Pods("north").front();
  EXPECT_EQ(pod["metadata"]["annotations"]["slicelet.io/per-host-secrets"], "press-export-hosts");
  EXPECT_EQ(pod["spec"]["volumes"].dump().find("press-export\""), std::string::npos);
  AttachTo(nullptr);
  Advance();
  ExpectNothingLeft();
  EXPECT_EQ(State(), "");
  EXPECT_EQ(fleet_.Running(ExporterImage(Gateway(), false)), "gw-1 gw-2");
  EXPECT_EQ(kube::UidOf(Pods("north").front()), kube::UidOf(pod));
}

TEST_F(FleetAttachmentsTest, AHostThatJoinsIsAttachedAndOneThatLeavesIsDetached) {
  MakeFleetGateway();
  Advance();
  const std::string first = Told("gw-1.SENML_PASSWORD");
  fleet_.targeted = {"gw-1", "gw-3"};
  Advance();
  ExpectAttachedOn({"gw-1", "gw-3"});
  EXPECT_EQ(Told("gw-1.SENML_PASSWORD"), first);
  fleet_.targeted = {};
  Advance();
  ExpectNothingLeft();
  EXPECT_EQ(State(), "Attaching");
  EXPECT_THAT(Attached(), HasSubstr("False NoHost: "));
  fleet_.targeted = {"gw-2"};
  Advance();
  ExpectAttachedOn({"gw-2"});
}

TEST_F(FleetAttachmentsTest, AHostThatIsAwayStaysAndOneThatLeavesWhileAwayWaits) {
  MakeFleetGateway();
  Advance();
  fleet_.away = {"gw-2"};
  Advance(minutes(30));
  ExpectAttachedOn({"gw-1", "gw-2"});
  fleet_.targeted = {"gw-1"};
  Advance(minutes(30));
  EXPECT_EQ(State(), "Attached");
  EXPECT_THAT(Attached(),
              HasSubstr("readings of 1 host go to IotServer iot; 1 host left, gw-2 is Detaching"));
  EXPECT_THAT(iot_.things(), SizeIs(2)) << "it may still send";
  Crash();
  Advance();
  EXPECT_THAT(iot_.things(), SizeIs(2));
  fleet_.away = {};
  Advance();
  ExpectAttachedOn({"gw-1"});
}

TEST_F(FleetAttachmentsTest, AServerThatIsAwayIsATombstoneOfTheHostThatLeft) {
  MakeFleetGateway();
  Advance();
  iot_.SetAway(true);
  fleet_.targeted = {"gw-1"};
  Advance(minutes(2));
  EXPECT_THAT(Records(), HasSubstr("gw-2.iot=Orphaned"));
  fleet_.targeted = {"gw-1", "gw-3"};
  Crash();
  Advance(minutes(2));
  EXPECT_THAT(Records(), HasSubstr("gw-2.iot=Orphaned gw-3.iot=Attaching"));
  iot_.SetAway(false);
  Advance(minutes(10));
  ExpectAttachedOn({"gw-1", "gw-3"});
}

TEST_F(FleetAttachmentsTest, NothingIsDetachedBeforeTheHubKnowsItsHosts) {
  MakeFleetGateway();
  Advance();
  const auto version = server_.cluster().version();
  fleet_.known = false;
  Crash();
  Advance(minutes(5));
  ExpectAttachedOn({"gw-1", "gw-2"});
  fleet_.known = true;
  Advance(minutes(30));
  ExpectAttachedOn({"gw-1", "gw-2"});
  EXPECT_EQ(server_.cluster().version(), version) << "nothing is written anew";
}

TEST_F(FleetAttachmentsTest, APodThatIsMadeAnewKeepsTheIdentities) {
  MakeFleetGateway();
  Advance();
  const std::string pod = kube::UidOf(Pods("north").front());
  const auto before = iot_.things().begin()->first;
  Patch(kube::kIotGateways, "north", "press", {{"spec", {{"deviceService", "mqtt"}}}});
  Advance();
  EXPECT_NE(kube::UidOf(Pods("north").front()), pod);
  ExpectAttachedOn({"gw-1", "gw-2"});
  EXPECT_EQ(iot_.things().begin()->first, before);
  Patch(kube::kIotGateways, "north", "press", {{"spec", {{"suspended", true}}}});
  Advance(minutes(10));
  EXPECT_EQ(Records(), "gw-1.iot=Attached gw-2.iot=Attached");
  EXPECT_EQ(State(), "Attached");
}

TEST_F(FleetAttachmentsTest, AnotherServerComesAfterAllHostsHaveLeftTheFormerOne) {
  MakeExternalServer("iot2");
  MakeFleetGateway();
  Advance();
  fleet_.away = {"gw-2"};
  AttachTo("iot2");
  Advance(minutes(5));
  EXPECT_EQ(State(), "Detaching");
  EXPECT_THAT(Attached(), HasSubstr("False ExporterRuns: 1 host yet to leave; gw-2: "));
  EXPECT_EQ(Records(), "gw-2.iot=Attached");
  EXPECT_EQ(fleet_.Running(ExporterImage(Gateway(), false)), "gw-1");
  fleet_.away = {};
  Advance();
  ExpectAttachedOn({"gw-1", "gw-2"}, "iot2");
}

TEST_F(FleetAttachmentsTest, AHostThatNeverComesBackIsGivenUp) {
  MakeFleetGateway();
  Advance();
  fleet_.away = {"gw-2"};
  Delete(kube::kIotGateways, "north", "press");
  Advance(minutes(10));
  EXPECT_THAT(Pods("north"), IsEmpty());
  EXPECT_THAT(Records(), testing::StartsWith("gw-2.iot=")) << "the host may run it, though no pod says so";
  EXPECT_THAT(iot_.things(), SizeIs(1));
  GiveUp();
  Advance();
  EXPECT_EQ(Gateway(), Json());
  ExpectNothingAtTheServer();
}

TEST_F(FleetAttachmentsTest, OneHostThatCanNotPublishIsNamed) {
  MakeFleetGateway();
  Advance();
  exporter_publishes_ = false;
  fleet_.away = {"gw-1"};
  Advance();
  EXPECT_EQ(State(), "Degraded");
  EXPECT_THAT(Attached(), HasSubstr("False ExporterNotPublishing: 1/2 hosts are attached; gw-2 is Degraded: "
                                    "the exporter on gw-2 can not publish: "));
  EXPECT_EQ(Gateway()["status"]["attachment"]["hosts"], "1/2");
  EXPECT_EQ(Gateway()["status"]["phase"], "Ready");
}

TEST_F(FleetAttachmentsTest, FromOneHostToAFleetAndBackNoKeyIsLeftWhereItIsNotRead) {
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  ExpectAttached();
  const auto first = iot_.things().begin()->first;
  MoveTo({{"host", nullptr}, {"node", FakeFleet::kNode}});
  Advance();
  ExpectAttachedOn({"gw-1", "gw-2"});
  EXPECT_EQ(Told("gw-1.SENML_USERNAME"), first);
  MoveTo({{"host", "gw-1"}, {"node", nullptr}});
  Advance();
  ExpectAttached();
  EXPECT_EQ(ExportValue("SENML_USERNAME"), first);
  EXPECT_EQ(Get(kube::kSecrets, "north", "press-export-hosts"), Json());
}

TEST_F(FleetAttachmentsTest, ManyHostsAreAttachedAFewAtATime) {
  fleet_.targeted.clear();
  for (int i = 0; i < 20; ++i) fleet_.targeted.insert("h" + std::to_string(i));
  iot_.SetAway(true);
  MakeFleetGateway();
  Advance();
  EXPECT_THAT(Gateway()["status"]["attachments"], SizeIs(Attachments::kMaxBusy));
  EXPECT_THAT(Attached(), HasSubstr("False ServerUnreachable: 0/20 hosts are attached; h"));
  iot_.SetAway(false);
  Advance(minutes(5));
  ExpectAttachedOn(fleet_.targeted);
  Delete(kube::kIotGateways, "north", "press");
  Advance(minutes(2));
  EXPECT_EQ(Gateway(), Json());
  ExpectNothingLeft();
}

/// The life of a fleet's attachments, with a crash of the provider somewhere.
class FleetAttachmentCrashTest : public FleetAttachmentsTest {
 protected:
  int Live(int write, bool lost, int request, FakeIotServer::Fault fault) {
    const int calls = iot_.calls();
    LiveThroughACrash(write, lost, request, fault, [&] {
      fleet_.targeted = {"gw-1"};
      MakeFleetGateway();
      Until([&] { return Records() == "gw-1.iot=Attached" && State() == "Attached"; });
      ExpectAttachedOn({"gw-1"});
      fleet_.targeted = {"gw-2", "gw-3"};
      Until([&] { return Records() == "gw-2.iot=Attached gw-3.iot=Attached" && State() == "Attached"; });
      ExpectAttachedOn({"gw-2", "gw-3"});
      Delete(kube::kIotGateways, "north", "press");
      Until([&] { return Gateway().is_null(); });
      ExpectNothingLeft();
      EXPECT_EQ(Gateway(), Json());
    });
    return iot_.calls() - calls;
  }
};

TEST_F(FleetAttachmentCrashTest, AfterEveryWriteAndEveryRequestNothingLeaks) {
  const int requests = Live(0, false, 0, FakeIotServer::Fault::kNone);
  const int writes = writes_;
  EXPECT_GT(writes, 30);
  EXPECT_GT(requests, 30);
  CrashAfterEachWrite(writes + 2,
                      [this](int at, bool lost) { Live(at, lost, 0, FakeIotServer::Fault::kNone); });
  for (int at = 1; at <= requests && !HasFailure(); at += kCrashStride) {
    for (const auto fault : {FakeIotServer::Fault::kCrash, FakeIotServer::Fault::kLost}) {
      SCOPED_TRACE("request " + std::to_string(at) + ", fault " + std::to_string(static_cast<int>(fault)));
      Live(0, false, at, fault);
    }
  }
}

}  // namespace
}  // namespace slicelet::provider
