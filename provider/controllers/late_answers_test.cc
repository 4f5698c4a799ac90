// Attachments whose server changes, or that are given up, while the API server still has something to answer.
#include "kube/testing/held_kube_api.h"
#include "provider/controllers/testing/attachments_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::SizeIs;

class LateAnswersTest : public AttachmentsTest {
 protected:
  LateAnswersTest() { Restart(); }

  void Restart() {
    engine_.reset();
    auto api = std::make_unique<kube::HeldKubeApi>(server_.ApiAs("provider"));
    held_ = api.get();
    StartWith(std::move(api));
  }
  void Trust(const std::string& authorities) {
    Patch(kube::kIotServers, "north", "iot", {{"spec", {{"tls", {{"caBundle", authorities}}}}}});
  }
  /// One edit is two changes of what an attachment needs: the authorities are as in the spec, the addresses
  /// as in the status. After the second its login is not yet read.
  void ChangeServerTwice() {
    held_->answers = [](const kube::KubeCall& call) {
      return call.verb == kube::Verb::kGet && call.ref.name == "login";
    };
    Patch(kube::kIotServers, "north", "iot",
          {{"spec", {{"tls", {{"caBundle", "two"}}}, {"url", FakeIotServer::Address().users}}}});
    Advance(seconds(5));
    EXPECT_EQ(held_->held("login"), 4U) << "each change has it read for the attachment, and for its user";
  }
  void ExpectAttachedInTheEnd() {
    held_->answers = nullptr;
    held_->Release("login");
    Advance();
    ExpectAttached();
    EXPECT_EQ(ExportValue("ca.crt"), "two");
  }

  kube::HeldKubeApi* held_ = nullptr;
};

TEST_F(LateAnswersTest, AServerChangesTwiceWhileTheKeyIsRead) {
  held_->answers = [](const kube::KubeCall& call) {
    return call.verb == kube::Verb::kGet && call.ref.name == "press-export";
  };
  MakeGateway({{"attachTo", "iot"}});
  Advance(seconds(5));
  ASSERT_EQ(held_->held("press-export"), 1U);
  ChangeServerTwice();
  held_->Release("press-export");
  ExpectAttachedInTheEnd();
}

TEST_F(LateAnswersTest, AServerChangesTwiceWhileTheKeyIsWritten) {
  // What is looked for before the key is written.
  held_->answers = [](const kube::KubeCall& call) {
    return call.verb == kube::Verb::kGet && call.ref.name == "press-export-hosts";
  };
  MakeGateway({{"attachTo", "iot"}});
  Advance(seconds(5));
  ASSERT_EQ(held_->held("press-export-hosts"), 1U);
  ChangeServerTwice();
  held_->Release("press-export-hosts");
  Advance(seconds(5));
  EXPECT_EQ(Get(kube::kSecrets, "north", "press-export"), Json()) << "nothing is done for the former opening";
  ExpectAttachedInTheEnd();
}

TEST_F(LateAnswersTest, AWriteThatArrivesLateDoesNotOverwriteWhatIsNewer) {
  // Back to what the Secret says already, and on to what it does not say.
  Trust("one");
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  for (const std::string next : {"one", "three"}) {
    SCOPED_TRACE(next);
    held_->requests = [](const kube::KubeCall& call) {
      return call.verb == kube::Verb::kPatch && call.ref.name == "press-export";
    };
    Trust("two");
    Advance(seconds(5));
    ASSERT_EQ(held_->held("press-export"), 1U);
    held_->requests = nullptr;
    Trust(next);
    Advance(seconds(30));
    held_->Release("press-export");
    Advance();
    ExpectAttached();
    EXPECT_EQ(ExportValue("ca.crt"), next);
  }
}

TEST_F(LateAnswersTest, WhatIsGivenUpIsForgottenOnce) {
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  Delete(kube::kSecrets, "north", "login");
  Restart();
  held_->requests = [](const kube::KubeCall& call) {
    return call.verb == kube::Verb::kPatch && call.ref.name == "press" &&
           kube::Find(*call.body, {"status", "attachments"}) != nullptr;
  };
  Delete(kube::kIotGateways, "north", "press");
  GiveUp();
  for (int change = 0; change < 10; ++change) {
    Advance(minutes(1));
    Patch(kube::kIotGateways, "north", "press",
          {{"metadata", {{"annotations", {{"change", std::to_string(change)}}}}}});
  }
  EXPECT_EQ(held_->held("press"), 1U) << "one write at a time";
  held_->requests = nullptr;
  held_->Release("press");
  Advance(minutes(2));
  EXPECT_EQ(Gateway(), Json());
}

}  // namespace
}  // namespace slicelet::provider
