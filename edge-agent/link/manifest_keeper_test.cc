#include "edge-agent/link/manifest_keeper.h"

#include <gtest/gtest.h>

#include "edge-agent/link/testing/hub_session_fixture.h"

namespace slicelet::agent {
namespace {

using std::chrono::seconds;
using ManifestKeeperTest = HubSessionFixture;

TEST_F(ManifestKeeperTest, AcknowledgesAManifestOnlyWhenItIsDurable) {
  ConnectAndWelcome();
  AnswerBirth();
  store_.SetStalled(true);
  Say(Signed(Manifest(1, 1, {"a"})));
  EXPECT_EQ(Count(v1::HostMessage::kAccepted), 0);
  EXPECT_TRUE(runner_->applied.empty());
  // But what it names is asked for meanwhile.
  EXPECT_EQ(Count(v1::HostMessage::kFetch), 1);
  store_.SetStalled(false);
  Run();
  ASSERT_EQ(Count(v1::HostMessage::kAccepted), 1);
  EXPECT_EQ(runner_->applied.size(), 1u);
  EXPECT_TRUE(store_.manifest());
  EXPECT_FALSE(store_.settings().amnesiac());
}

TEST_F(ManifestKeeperTest, AnAmnesiacHostTakesOnlyAManifestWithItsNonce) {
  ConnectAndWelcome();
  Say(Signed(Manifest(9, 9)));
  ASSERT_NE(Last(v1::HostMessage::kRejected), nullptr);
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::STALE_GENERATION);
  AnswerBirth();
  Say(Signed(Manifest(9, 9)));
  EXPECT_EQ(session_->accepted(), (Generation{9, 9}));
}

TEST_F(ManifestKeeperTest, AHostIsAmnesiacUntilAManifestIsDurable) {
  // The process ends before anything of the new store's was written.
  store_.SetDiskFull(true);
  ConnectAndWelcome();
  EXPECT_TRUE(Last(v1::HostMessage::kBirth)->birth().amnesiac());
  Crash();
  StartAgent();
  Run(seconds(3));
  ASSERT_NE(Last(v1::HostMessage::kBirth), nullptr);
  EXPECT_TRUE(Last(v1::HostMessage::kBirth)->birth().amnesiac());

  // The manifest did not fit, what was written after it did.
  Say(Welcome());
  AnswerBirth();
  const std::string former = nonce_;
  Say(Signed(Manifest(9, 9)));
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::STORE_FULL);
  store_.SetDiskFull(false);
  auto settings = store_.settings();
  settings.set_amnesiac(false);
  AgentStore::Batch batch;
  batch.settings = settings;
  store_.Commit(std::move(batch), [](const absl::Status&) {});
  Run();
  Crash();
  StartAgent();
  Run(seconds(3));
  ASSERT_NE(Last(v1::HostMessage::kBirth), nullptr);
  EXPECT_TRUE(Last(v1::HostMessage::kBirth)->birth().amnesiac());
  EXPECT_FALSE(Last(v1::HostMessage::kBirth)->birth().nonce().empty());
  EXPECT_NE(Last(v1::HostMessage::kBirth)->birth().nonce(), former)
      << "what answered that loss answers no other";
}

TEST_F(ManifestKeeperTest, RefusesWhatWasMadeForAnotherStoreHoweverItIsNumbered) {
  Settle();
  nonce_ = "of the former store";
  Say(Signed(Manifest(9, 9)));
  const auto& rejected = Last(v1::HostMessage::kRejected)->rejected();
  EXPECT_EQ(rejected.code(), v1::Rejected::STALE_GENERATION);
  EXPECT_TRUE(rejected.has_held()) << "so that the hub knows what the host counts from";
  EXPECT_EQ(session_->accepted(), (Generation{1, 1}));
  AnswerBirth();
  Say(Signed(Manifest(1, 2)));
  EXPECT_EQ(session_->accepted(), (Generation{1, 2}));
}

TEST_F(ManifestKeeperTest, RefusesAnOlderGenerationAndProvesWhatItHolds) {
  Settle();
  Say(Signed(Manifest(2, 5)));
  Say(Signed(Manifest(2, 4)));
  const auto* rejected = Last(v1::HostMessage::kRejected);
  ASSERT_NE(rejected, nullptr);
  EXPECT_EQ(rejected->rejected().code(), v1::Rejected::STALE_GENERATION);
  EXPECT_EQ(rejected->rejected().held().manifest(), store_.manifest()->manifest());
  EXPECT_EQ(session_->accepted(), (Generation{2, 5}));
}

TEST_F(ManifestKeeperTest, ARefusalProvesNothingWhileANewerManifestIsBeingWritten) {
  Settle({"a"});
  store_.SetStalled(true);
  Say(Signed(Manifest(1, 2)));
  // From a hub without a store: it would build on 1.1, and name again what 1.2 ends.
  Say(Signed(Manifest(1, 1, {"b"})));
  const auto* rejected = Last(v1::HostMessage::kRejected);
  ASSERT_NE(rejected, nullptr);
  EXPECT_EQ(rejected->rejected().code(), v1::Rejected::STALE_GENERATION);
  EXPECT_FALSE(rejected->rejected().has_held());
  store_.SetStalled(false);
  Run();
  Say(Signed(Manifest(1, 1, {"b"})));
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().held().manifest(), store_.manifest()->manifest());
  EXPECT_EQ(session_->accepted(), (Generation{1, 2}));
}

TEST_F(ManifestKeeperTest, RefusesTheSameGenerationWithOtherContent) {
  Settle();
  Say(Signed(Manifest(1, 1, {"other"})));
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::STALE_GENERATION);
}

TEST_F(ManifestKeeperTest, AcceptsAgainWhatItHolds) {
  ConnectAndWelcome();
  AnswerBirth();
  Say(Signed(Manifest(1, 1)));
  Say(Signed(Manifest(1, 1)));
  EXPECT_EQ(Count(v1::HostMessage::kAccepted), 2);
  EXPECT_EQ(runner_->applied.size(), 1u);
}

TEST_F(ManifestKeeperTest, RefusesForgedForeignAndBrokenManifests) {
  Settle();
  auto tampered = Signed(Manifest(3, 1));
  tampered.mutable_desired()->mutable_manifest()->mutable_manifest()->append("x");
  Say(tampered);
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::BAD_SIGNATURE);
  auto unknown = Signed(Manifest(3, 1));
  unknown.mutable_desired()->mutable_manifest()->set_key_id("0123456789abcdef");
  Say(unknown);
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::UNKNOWN_KEY);
  auto foreign = Manifest(3, 1);
  foreign.set_host_id("gw-2");
  Say(Signed(foreign));
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::WRONG_HOST);
  Say(Signed(Manifest(3, 1, {"../../etc"})));
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::MALFORMED);
  for (const char* ns : {"../../srv/x", "..", "a/b", "Ns"}) {
    auto elsewhere = Manifest(3, 1, {"a"});
    elsewhere.mutable_deployments(0)->set_namespace_(ns);
    Say(Signed(elsewhere));
    EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::MALFORMED) << ns;
    EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().message(),
              "deployment a: namespace: \"" + std::string(ns) + "\" is no DNS label");
  }
  for (const char* name : {"../x", ".", "..", "a/b", "a_b"}) {
    auto elsewhere = Manifest(3, 1, {"a"});
    elsewhere.mutable_deployments(0)->set_name(name);
    Say(Signed(elsewhere));
    EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().message(),
              "deployment a: name: \"" + std::string(name) + "\" is no DNS subdomain");
  }
  auto large = Manifest(3, 1);
  large.mutable_deployments()->Add()->set_name(std::string(3 << 20, 'x'));
  Say(Signed(large));
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::TOO_LARGE);
  EXPECT_EQ(session_->accepted(), (Generation{1, 1}));
}

TEST_F(ManifestKeeperTest, TheOldManifestRunsOnWhenTheDiskIsFull) {
  Settle({"a"});
  store_.SetDiskFull(true);
  Say(Signed(Manifest(1, 2)));
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::STORE_FULL);
  EXPECT_EQ(runner_->applied.size(), 1u);
  store_.SetDiskFull(false);
  Say(Signed(Manifest(1, 2)));
  EXPECT_EQ(session_->accepted(), (Generation{1, 2}));
}

TEST_F(ManifestKeeperTest, AnAcceptedGenerationSurvivesACrash) {
  Settle();
  Say(Signed(Manifest(4, 2)));
  Crash();
  StartAgent();
  Run(seconds(3));
  EXPECT_EQ(session_->accepted(), (Generation{4, 2}));
  ASSERT_NE(Last(v1::HostMessage::kBirth), nullptr);
  EXPECT_EQ(Last(v1::HostMessage::kBirth)->birth().accepted().number(), 2u);
  EXPECT_FALSE(Last(v1::HostMessage::kBirth)->birth().amnesiac());
  EXPECT_EQ(session(), 2u);
  // The keys that verify it were kept too.
  Say(Welcome());
  Say(Signed(Manifest(4, 1)));
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::STALE_GENERATION);
}

TEST_F(ManifestKeeperTest, ARotatedKeyDoesNotMakeTheHostForgetWhatItHolds) {
  Settle({"a"});
  signer_ = MakeSignerFromSeed(std::string(32, 'n'));
  auto welcome = Welcome();
  *welcome.mutable_welcome()->mutable_manifest_keys(0) =
      CertifyKey(*root_, "hub", signer_->public_key(), "manifest", 2);
  // Twice: the keys are read back and written again in between.
  for (int boot = 0; boot < 2; ++boot) {
    Crash();
    StartAgent();
    Run(seconds(3));
    EXPECT_EQ(session_->accepted(), (Generation{1, 1}));
    ASSERT_NE(Last(v1::HostMessage::kBirth), nullptr);
    EXPECT_FALSE(Last(v1::HostMessage::kBirth)->birth().amnesiac());
    Say(welcome);
    Run(seconds(1));
  }
  Say(Signed(Manifest(1, 2, {"a"})));
  EXPECT_EQ(session_->accepted(), (Generation{1, 2}));
}

}  // namespace
}  // namespace slicelet::agent
