#include "provider/controllers/testing/attachments_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(AttachmentsTest, AttachingAndDetachingLeaveThePodInPlace) {
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  ExpectAttached();
  EXPECT_EQ(Gateway()["status"]["ready"], "7/7");
  EXPECT_EQ(Get(kube::kIotServers, "north", "iot")["status"]["gateways"], 1);
  const std::string pod = kube::UidOf(Pods("north").front());
  AttachTo(nullptr);
  Advance();
  ExpectDetached();
  AttachTo("iot");
  Advance();
  ExpectAttached();
  EXPECT_EQ(kube::UidOf(Pods("north").front()), pod);
}

TEST_F(AttachmentsTest, ADeletedGatewayGoesOnceNothingIsLeft) {
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  hosts_away_ = true;
  Delete(kube::kIotGateways, "north", "press");
  Advance(minutes(10));
  EXPECT_THAT(iot_.things(), SizeIs(1)) << "its pod may still send";
  hosts_away_ = false;
  Advance();
  ExpectGone();
}

TEST_F(AttachmentsTest, AServerThatIsAwayIsATombstoneUntilItIsBack) {
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  iot_.SetAway(true);
  Delete(kube::kIotGateways, "north", "press");
  Advance(minutes(10));
  EXPECT_EQ(State(), "Orphaned");
  EXPECT_EQ(Steps(Gateway()), "Credentials=Done Settings=Done Devices=Done Attachment=Running Pod=Undone");
  EXPECT_THAT(Condition(Gateway()),
              HasSubstr("IotServer iot does not take back what it holds of this gateway: "));
  EXPECT_THAT(Pods("north"), IsEmpty()) << "the pod does not wait";
  Crash();
  Advance(minutes(2));
  EXPECT_EQ(State(), "Orphaned");
  iot_.SetAway(false);
  Advance(minutes(6));
  ExpectGone();
}

TEST_F(AttachmentsTest, AServerThatIsGoneForGoodIsGivenUp) {
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  iot_.SetAway(true);
  Delete(kube::kIotGateways, "north", "press");
  Advance();
  GiveUp();
  Advance(minutes(6));
  EXPECT_EQ(Gateway(), Json());
  EXPECT_THAT(iot_.things(), SizeIs(1)) << "nobody could ask it";
}

TEST_F(AttachmentsTest, AGatewayThatIsGivenUpIsStillTakenBackByAServerThatIsThere) {
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  hosts_away_ = true;
  Delete(kube::kIotGateways, "north", "press");
  GiveUp();
  Advance();
  EXPECT_EQ(Gateway(), Json());
  ExpectNothingAtTheServer();
}

TEST_F(AttachmentsTest, AServerWhoseObjectWasRemovedByForceBlocksNothingForEver) {
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  Delete(kube::kIotServers, "north", "iot");
  Patch(kube::kIotServers, "north", "iot", {{"metadata", {{"annotations", {{kGiveUp, "true"}}}}}});
  Advance();
  EXPECT_EQ(Get(kube::kIotServers, "north", "iot"), Json());
  Crash();
  Delete(kube::kIotGateways, "north", "press");
  Advance();
  EXPECT_EQ(State(), "Orphaned");
  EXPECT_THAT(Attached(), HasSubstr("False ServerNotFound: "));
  GiveUp();
  Advance();
  EXPECT_EQ(Gateway(), Json());
}

TEST_F(AttachmentsTest, AnotherServerComesAfterTheFormerOne) {
  MakeExternalServer("iot2");
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  AttachTo("iot2");
  Advance();
  ExpectAttached("iot2");
  // The former one is away: that is no reason to wait.
  iot_.SetAway(true);
  AttachTo("iot");
  Advance(minutes(2));
  EXPECT_EQ(Gateway()["status"]["attachments"]["gw-1.iot2"]["state"], "Orphaned");
  iot_.SetAway(false);
  Advance(minutes(6));
  ExpectAttached();
}

TEST_F(AttachmentsTest, WhatCanNotBeAttachedElsewhereLeavesNoKeyBehind) {
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  AttachTo("nowhere");
  Advance();
  ExpectNothingAtTheServer();
  EXPECT_EQ(Get(kube::kSecrets, "north", "press-export"), Json());
  EXPECT_THAT(Attached(), HasSubstr("False ServerNotFound: "));
}

TEST_F(AttachmentsTest, NothingNewIsMadeForASliceThatIsBeingDeleted) {
  MakeGateway({{"attachTo", nullptr}});
  Advance();
  Delete(kube::kIotSlices, "slicelet", "north");
  Advance();
  AttachTo("iot");
  Advance();
  ExpectNothingAtTheServer();
  EXPECT_EQ(Get(kube::kSecrets, "north", "press-export"), Json());
  EXPECT_THAT(Attached(), HasSubstr("False SliceTerminating: "));
}

TEST_F(AttachmentsTest, TheServersAuthoritiesGoWithTheKeyAndChangeWithTheServer) {
  const auto trust = [this](const Json& tls) {
    Patch(kube::kIotServers, "north", "iot", {{"spec", {{"tls", tls}}}});
  };
  trust({{"caBundle", "one"}});
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  ExpectAttached();
  EXPECT_EQ(ExportValue("ca.crt"), "one");
  EXPECT_EQ(ExportValue("SENML_CA_FILE"), "/etc/senml-export/ca.crt");
  EXPECT_EQ(iot_.trusted(), "one");
  const auto thing = iot_.things().begin()->first;
  trust({{"caBundle", "two"}});
  Advance();
  ExpectAttached();
  EXPECT_EQ(ExportValue("ca.crt"), "two");
  EXPECT_EQ(iot_.trusted(), "two");
  trust(nullptr);
  Advance();
  ExpectAttached();
  EXPECT_EQ(Get(kube::kSecrets, "north", "press-export")["data"].size(), 5U);
  EXPECT_EQ(iot_.trusted(), "");
  EXPECT_EQ(iot_.things().begin()->first, thing);
}

TEST_F(AttachmentsTest, AnotherHostHasAnIdentityOfItsOwn) {
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  const std::string former = iot_.things().begin()->first;
  Patch(kube::kIotGateways, "north", "press", {{"spec", {{"target", {{"host", "gw-2"}}}}}});
  Advance(minutes(2));
  EXPECT_EQ(State(), "Attached");
  ASSERT_THAT(iot_.things(), SizeIs(1));
  EXPECT_NE(iot_.things().begin()->first, former);
  EXPECT_THAT(iot_.channels(), SizeIs(1));
  EXPECT_EQ(Gateway()["status"]["attachment"]["host"], "gw-2");
}

TEST_F(AttachmentsTest, AnOutageOfAuthIsNotWrongCredentials) {
  iot_.SetAuthDown(true);
  MakeGateway({{"attachTo", "iot"}});
  for (int i = 0; i < 30; ++i) {
    Advance(seconds(10));
    EXPECT_THAT(Attached(), testing::Not(HasSubstr("CredentialsRejected")));
  }
  EXPECT_EQ(State(), "Attaching");
  EXPECT_THAT(Attached(), HasSubstr("False ServerUnreachable: "));
  EXPECT_EQ(Gateway()["status"]["phase"], "Ready") << "the gateway runs without its server";
  iot_.SetAuthDown(false);
  Advance(minutes(5));
  ExpectAttached();
  iot_.SetAuthDown(true);
  iot_.ForgetTokens();
  Advance(minutes(15));
  EXPECT_THAT(Attached(), testing::Not(HasSubstr("CredentialsRejected")));
  iot_.SetAuthDown(false);
  Advance(minutes(10));
  ExpectAttached();
}

TEST_F(AttachmentsTest, WrongCredentialsAreSaidAndMended) {
  iot_.SetPassword("changed-0");
  MakeGateway({{"attachTo", "iot"}});
  Advance(minutes(2));
  EXPECT_THAT(Attached(), HasSubstr("False CredentialsRejected: "));
  Patch(kube::kSecrets, "north", "login", {{"data", {{"password", Base64Encode("changed-0")}}}});
  Advance(minutes(3));
  ExpectAttached();
  Delete(kube::kSecrets, "north", "login");
  Crash();
  Advance();
  EXPECT_THAT(Attached(), HasSubstr("False CredentialsNotFound: IotServer iot: there is no Secret login"));
}

TEST_F(AttachmentsTest, ASuspendedGatewayKeepsItsIdentity) {
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  const auto things = iot_.things().begin()->first;
  Patch(kube::kIotGateways, "north", "press", {{"spec", {{"suspended", true}}}});
  Advance(minutes(10));
  EXPECT_EQ(State(), "Attached");
  EXPECT_THAT(Pods("north"), IsEmpty());
  Patch(kube::kIotGateways, "north", "press", {{"spec", {{"suspended", false}}}});
  Advance();
  ExpectAttached();
  EXPECT_EQ(iot_.things().begin()->first, things);
}

TEST_F(AttachmentsTest, NothingIsWrittenNorAskedAnewAfterARestart) {
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  const auto version = server_.cluster().version();
  const auto things = iot_.things().begin()->first;
  Advance(minutes(30));
  Crash();
  Advance(minutes(30));
  EXPECT_EQ(server_.cluster().version(), version);
  EXPECT_EQ(iot_.things().begin()->first, things);
  ExpectAttached();
}

TEST_F(AttachmentsTest, AnApiServerThatForgotTheAttachmentLeaksNothing) {
  MakeGateway({{"attachTo", "iot"}, {"suspended", true}});
  iot_.SetAway(true);
  Advance();
  const auto before = server_.cluster().TakeSnapshot();
  iot_.SetAway(false);
  Patch(kube::kIotGateways, "north", "press", {{"spec", {{"suspended", false}}}});
  Advance(minutes(5));
  ExpectAttached();
  const auto things = iot_.things().begin()->first;
  server_.Restore(before);
  Advance(minutes(2));
  EXPECT_EQ(State(), "Attached");
  ASSERT_THAT(iot_.things(), SizeIs(1));
  EXPECT_EQ(iot_.things().begin()->first, things) << "what has its name is its own";
  EXPECT_EQ(ExportValue("SENML_USERNAME"), things);
  Delete(kube::kIotGateways, "north", "press");
  Advance();
  ExpectGone();
}

TEST_F(AttachmentsTest, ASecretThatSomebodyRemovedOrChangedIsWrittenAnew) {
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  const auto things = iot_.things().begin()->first;
  Delete(kube::kSecrets, "north", "press-export");
  Advance(minutes(15));
  ExpectAttached();
  Patch(kube::kSecrets, "north", "press-export", {{"data", {{"SENML_PASSWORD", Base64Encode("typo")}}}});
  Advance(minutes(15));
  ExpectAttached();
  EXPECT_EQ(iot_.things().begin()->first, things);
}

TEST_F(AttachmentsTest, WhatCanNotBeAttachedSaysWhy) {
  MakeGateway(
      {{"attachTo", "iot"},
       {"profile", "custom"},
       {"template", {{"spec", {{"containers", Json::array({Json({{"name", "a"}, {"image", "b"}})})}}}}}},
      "custom");
  MakeGateway({{"attachTo", "none"}}, "none");
  Create(kube::kIotServers, "north", "bare",
         {{"slice", "north"}, {"profile", "external"}, {"url", "http://b"}});
  MakeGateway({{"attachTo", "bare"}}, "bare");
  Advance();
  const auto says = [&](const char* name) {
    return Condition(Get(kube::kIotGateways, "north", name), "Attached");
  };
  EXPECT_THAT(says("custom"), HasSubstr("False AttachNeedsExporter: spec.template.spec.containers: "));
  EXPECT_THAT(says("none"), HasSubstr("False ServerNotFound: "));
  EXPECT_THAT(says("bare"),
              HasSubstr("False CredentialsNotFound: IotServer bare has no spec.credentialsSecret"));
  ExpectNothingAtTheServer();
  for (const char* name : {"custom", "none", "bare"}) Delete(kube::kIotGateways, "north", name);
  Advance();
  EXPECT_THAT(server_.cluster().All(kube::kIotGateways), IsEmpty());
}

TEST_F(AttachmentsTest, ASecretOfSomebodyElseIsLeftAlone) {
  CreateWith(kube::kSecrets, "north", "press-export", {{"stringData", {{"mine", "1"}}}});
  MakeGateway({{"attachTo", "iot"}});
  Advance(minutes(2));
  EXPECT_THAT(Attached(), HasSubstr("Secret press-export is there and is not this gateway's"));
  Delete(kube::kIotGateways, "north", "press");
  Advance(minutes(6));
  EXPECT_EQ(Gateway(), Json());
  ExpectNothingAtTheServer();
  EXPECT_EQ(ExportValue("mine"), "1");
}

/// The whole life of an attachment, with a crash of the provider somewhere.
class AttachmentCrashTest : public AttachmentsTest {
 protected:
  struct Counts {
    int writes = 0, requests = 0;
  };
  Counts Live(int write, bool lost, int request, FakeIotServer::Fault fault) {
    const int calls = iot_.calls();
    LiveThroughACrash(write, lost, request, fault, [&] {
      MakeGateway({{"attachTo", "iot"}});
      Until([&] { return State() == "Attached"; });
      ExpectAttached();
      AttachTo(nullptr);
      Until([&] { return State().empty() && iot_.things().empty(); });
      ExpectDetached();
      AttachTo("iot");
      Until([&] { return State() == "Attached"; });
      ExpectAttached();
      Delete(kube::kIotGateways, "north", "press");
      Until([&] { return Gateway().is_null(); });
      ExpectGone();
    });
    return {writes_, iot_.calls() - calls};
  }
};

TEST_F(AttachmentCrashTest, AfterEveryWriteAndEveryRequestNothingLeaks) {
  const Counts counts = Live(0, false, 0, FakeIotServer::Fault::kNone);
  EXPECT_GT(counts.writes, 20);
  EXPECT_GT(counts.requests, 25);
  CrashAfterEachWrite(counts.writes + 2,
                      [this](int at, bool lost) { Live(at, lost, 0, FakeIotServer::Fault::kNone); });
  for (int at = 1; at <= counts.requests && !HasFailure(); at += kCrashStride) {
    for (const auto fault : {FakeIotServer::Fault::kCrash, FakeIotServer::Fault::kCrashBefore,
                             FakeIotServer::Fault::kLost, FakeIotServer::Fault::kError}) {
      SCOPED_TRACE("request " + std::to_string(at) + ", fault " + std::to_string(static_cast<int>(fault)));
      Live(0, false, at, fault);
    }
  }
}

}  // namespace
}  // namespace slicelet::provider
