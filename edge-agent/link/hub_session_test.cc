#include "edge-agent/link/hub_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "common/base/encoding.h"
#include "common/base/testing/fake_clock.h"
#include "common/crypto/signing.h"
#include "common/loop/testing/sim_loop.h"
#include "common/stream/testing/local_pipe.h"
#include "edge-agent/link/blob_fetcher.h"
#include "edge-agent/store/testing/memory_agent_store.h"

namespace slicelet::agent {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// Remembers what it was told, and reports what the test says.
class FakeRunner : public ManifestRunner {
 public:
  void Apply(const v1::Manifest& manifest) override { applied.push_back(manifest); }
  [[nodiscard]] std::vector<Digest> MissingBlobs() const override { return {}; }
  void OnBlobsStored() override { ++blobs_stored; }
  void OnCredentialStored(const v1::StoredCredential& credential) override {
    credentials.push_back(credential);
  }
  [[nodiscard]] std::vector<std::pair<PodUid, std::string>> MissingCredentials() const override {
    return missing_credentials;
  }
  [[nodiscard]] std::vector<v1::WorkloadStatus> Statuses() const override {
    std::vector<v1::WorkloadStatus> all;
    all.reserve(statuses.size());
    for (const auto& [uid, status] : statuses) all.push_back(status);
    return all;
  }
  [[nodiscard]] const v1::WorkloadStatus* FindStatus(const PodUid& uid) const override {
    const auto it = statuses.find(uid);
    return it == statuses.end() ? nullptr : &it->second;
  }
  [[nodiscard]] const std::optional<std::set<PodUid>>& Unexplained() const override { return unexplained; }
  void OnStatusChanged(std::function<void(const std::vector<PodUid>&, bool)> callback) override {
    changed = std::move(callback);
  }
  [[nodiscard]] std::vector<Digest> LiveBlobs() const override { return live; }

  void Change(const std::string& uid, v1::Phase phase, bool urgent = false) {
    statuses[PodUid(uid)].set_uid(uid);
    statuses[PodUid(uid)].set_phase(phase);
    changed({PodUid(uid)}, urgent);
  }

  std::vector<v1::Manifest> applied;
  int blobs_stored = 0;
  std::vector<v1::StoredCredential> credentials;
  std::vector<std::pair<PodUid, std::string>> missing_credentials;
  std::map<PodUid, v1::WorkloadStatus> statuses;
  std::optional<std::set<PodUid>> unexplained;
  std::function<void(const std::vector<PodUid>&, bool)> changed;
  std::vector<Digest> live;
};

/// A hub that records what it hears and says only what the test tells it to.
class HubSessionTest : public testing::Test {
 protected:
  using Link = LocalLink<v1::HostMessage, v1::HubMessage>;
  using HubPipe = MessagePipe<v1::HubMessage, v1::HostMessage>;

  void SetUp() override {
    acceptor_ = link_.MakeAcceptor();
    acceptor_->Start([this](std::unique_ptr<HubPipe> pipe, const std::string&) {
      pipe_ = std::move(pipe);
      return HubPipe::Handler{[this](const v1::HostMessage& m) { heard_.push_back(m); },
                              [this](const absl::Status&) { closed_ = true; }};
    });
  }

  void StartAgent() {
    session_.reset();
    runner_ = std::make_unique<FakeRunner>();
    connector_ = link_.MakeConnector("gw-1");
    session_ = std::make_unique<HubSession>(
        HubSession::Options{.hub_id = "hub",
                            .host = HostId("gw-1"),
                            .agent_version = "1",
                            .boot_id = "boot",
                            .tags = {},
                            .facts = {},
                            .root_public_key = root_->public_key()},
        HubSession::Dependencies{
            .loop = loop_,
            .clock = clock_,
            .random = random_,
            .store = store_,
            .hub = *connector_,
            .runner = *runner_,
            .opener = *opener_,
            .dial_tunnel =
                [this] {
                  auto [host, hub] = MakeLocalFrameStreams(loop_);
                  tunnel_ = std::move(hub);
                  return std::move(host);
                },
            .serve_stream =
                [this](const v1::StreamHead& head, std::shared_ptr<FrameStream> stream) {
                  served_.push_back(head);
                  served_streams_.push_back(std::move(stream));
                },
            .read_log_tail = [](const v1::LogTailWanted& wanted) -> absl::StatusOr<v1::LogTail> {
              if (wanted.uid() != "u1") return absl::NotFoundError("no such pod");
              v1::LogTail tail;
              tail.set_lines("a line\n");
              return tail;
            }});
    session_->Start();
  }
  void Crash() {
    session_.reset();
    store_.Crash();
    heard_.clear();
  }

  void Run(Duration time = milliseconds(200)) { loop_.Advance(time); }

  void Say(v1::HubMessage message) {
    message.set_session(session());
    pipe_->Send(std::move(message));
    Run();
  }
  v1::HubMessage Welcome() {
    v1::HubMessage message;
    auto* welcome = message.mutable_welcome();
    welcome->set_hub_id("hub");
    welcome->set_incarnation("i1");
    welcome->set_heartbeat_ms(60'000);
    welcome->set_status_batch_ms(50);
    welcome->set_hub_time(ToUnixNanos(clock_.Now()));
    *welcome->add_manifest_keys() = CertifyKey(*root_, "hub", signer_->public_key(), "manifest", 1);
    return message;
  }
  void ConnectAndWelcome() {
    StartAgent();
    Run();
    Say(Welcome());
    ASSERT_TRUE(session_->connected());
  }

  v1::Manifest Manifest(std::uint64_t epoch, std::uint64_t number,
                        const std::vector<std::string>& uids = {}) {
    v1::Manifest manifest;
    manifest.set_host_id("gw-1");
    manifest.set_hub_id("hub");
    manifest.mutable_generation()->set_epoch(epoch);
    manifest.mutable_generation()->set_number(number);
    manifest.set_nonce(nonce_);
    for (const auto& uid : uids) {
      auto* deployment = manifest.add_deployments();
      deployment->set_uid(uid);
      deployment->set_name(uid);
      deployment->set_digest(Sha256("workload " + uid).value());
    }
    return manifest;
  }
  v1::HubMessage Signed(const v1::Manifest& manifest) {
    v1::HubMessage message;
    auto* signed_manifest = message.mutable_desired()->mutable_manifest();
    signed_manifest->set_manifest(manifest.SerializeAsString());
    signed_manifest->set_key_id(signer_->key_id());
    signed_manifest->set_signature(signer_->Sign(SignaturePurpose::kManifest, signed_manifest->manifest()));
    return message;
  }
  /// Connected, and holding generation 1.1.
  void Settle(const std::vector<std::string>& uids = {}) {
    ConnectAndWelcome();
    nonce_ = Last(v1::HostMessage::kBirth)->birth().nonce();
    Say(Signed(Manifest(1, 1, uids)));
    nonce_.clear();
    ASSERT_EQ(session_->accepted(), (Generation{1, 1}));
  }
  void SendBlob(const std::string& content, std::uint64_t from, std::uint64_t to,
                const std::string& digest_of) {
    v1::HubMessage message;
    auto* blob = message.mutable_blob();
    blob->set_digest(Sha256(digest_of).value());
    blob->set_offset(from);
    blob->set_total(content.size());
    blob->set_data(content.substr(from, to - from));
    Say(message);
  }

  [[nodiscard]] std::uint64_t session() const { return heard_.empty() ? 0 : heard_.back().session(); }
  [[nodiscard]] const v1::HostMessage* Last(v1::HostMessage::MessageCase what) const {
    const auto it =
        std::find_if(heard_.rbegin(), heard_.rend(), [&](const auto& m) { return m.message_case() == what; });
    return it == heard_.rend() ? nullptr : &*it;
  }
  [[nodiscard]] int Count(v1::HostMessage::MessageCase what) const {
    return static_cast<int>(
        std::count_if(heard_.begin(), heard_.end(), [&](const auto& m) { return m.message_case() == what; }));
  }

  SimLoop loop_;
  FakeClock clock_{loop_};
  SeededRandom random_{7};
  Link link_{loop_, random_};
  MemoryAgentStore store_{loop_};
  std::unique_ptr<Signer> root_ = MakeSignerFromSeed(std::string(32, 'r'));
  std::unique_ptr<Signer> signer_ = MakeSignerFromSeed(std::string(32, 'm'));
  std::unique_ptr<Opener> opener_ = *MakeOpener(GenerateSealingKeyPem());
  std::string nonce_;
  std::unique_ptr<Acceptor<v1::HubMessage, v1::HostMessage>> acceptor_;
  std::unique_ptr<HubPipe> pipe_;
  std::vector<v1::HostMessage> heard_;
  bool closed_ = false;
  std::unique_ptr<FrameStream> tunnel_;
  std::vector<v1::StreamHead> served_;
  std::vector<std::shared_ptr<FrameStream>> served_streams_;
  std::unique_ptr<HubSession::HubConnector> connector_;
  std::unique_ptr<FakeRunner> runner_;
  std::unique_ptr<HubSession> session_;
};

TEST_F(HubSessionTest, SaysBirthOnlyWhenTheSessionCounterIsDurable) {
  store_.SetStalled(true);
  StartAgent();
  Run(seconds(2));
  EXPECT_EQ(Count(v1::HostMessage::kBirth), 0);
  store_.SetStalled(false);
  Run();
  ASSERT_EQ(Count(v1::HostMessage::kBirth), 1);
  EXPECT_EQ(session(), 1u);
  EXPECT_EQ(store_.settings().session(), 1u);
  EXPECT_TRUE(Last(v1::HostMessage::kBirth)->birth().amnesiac());
  EXPECT_EQ(Last(v1::HostMessage::kBirth)->birth().nonce().size(), 16u);
}

TEST_F(HubSessionTest, SaysBirthAgainUntilWelcomed) {
  StartAgent();
  Run(seconds(15));
  EXPECT_EQ(Count(v1::HostMessage::kBirth), 2);
  Say(Welcome());
  Run(minutes(2));
  EXPECT_EQ(Count(v1::HostMessage::kBirth), 2);
}

TEST_F(HubSessionTest, GoesOnAboveTheHubsSessionFloor) {
  StartAgent();
  Run();
  auto welcome = Welcome();
  welcome.mutable_welcome()->set_session_floor(41);
  Say(welcome);
  EXPECT_FALSE(session_->connected());
  EXPECT_EQ(session(), 42u);
  EXPECT_EQ(store_.settings().session(), 42u);
  Say(welcome);
  EXPECT_TRUE(session_->connected());
}

TEST_F(HubSessionTest, BeginsAgainOnTheSameConnectionWhenTheHubDoes) {
  StartAgent();
  runner_->statuses[PodUid("a")].set_uid("a");
  Run();
  Say(Welcome());
  ASSERT_TRUE(session_->connected());
  const auto first = session();
  auto again = Welcome();
  again.mutable_welcome()->set_session_floor(first);
  Say(again);
  EXPECT_FALSE(session_->connected());
  EXPECT_EQ(session(), first + 1);
  Say(Welcome());
  EXPECT_TRUE(session_->connected());
  // It is a whole new session: sequences begin at 1, everything is reported, and no Birth is sent again.
  loop_.Advance(minutes(1));
  const int births = Count(v1::HostMessage::kBirth);
  EXPECT_EQ(births, 2);
  EXPECT_TRUE(session_->connected());
}

TEST_F(HubSessionTest, WhatABrokerKeptIsNoSignOfLife) {
  ConnectAndWelcome();
  v1::HubMessage kept;
  kept.mutable_desired();
  kept.set_session(0);
  for (int i = 0; i < 10 && session_->connected(); ++i) {
    pipe_->Send(kept);
    loop_.Advance(seconds(30));
  }
  EXPECT_FALSE(session_->connected());
}

TEST_F(HubSessionTest, ReportsEverythingWhenWelcomed) {
  StartAgent();
  runner_->statuses[PodUid("a")].set_uid("a");
  Run();
  Say(Welcome());
  const auto* status = Last(v1::HostMessage::kStatus);
  ASSERT_NE(status, nullptr);
  EXPECT_TRUE(status->status().full());
  EXPECT_EQ(status->status().sequence(), 1u);
  ASSERT_EQ(status->status().workloads_size(), 1);
  EXPECT_TRUE(status->status().has_node());
}

TEST_F(HubSessionTest, AcknowledgesAManifestOnlyWhenItIsDurable) {
  ConnectAndWelcome();
  nonce_ = Last(v1::HostMessage::kBirth)->birth().nonce();
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

TEST_F(HubSessionTest, AnAmnesiacHostTakesOnlyAManifestWithItsNonce) {
  ConnectAndWelcome();
  Say(Signed(Manifest(9, 9)));
  ASSERT_NE(Last(v1::HostMessage::kRejected), nullptr);
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::STALE_GENERATION);
  nonce_ = Last(v1::HostMessage::kBirth)->birth().nonce();
  Say(Signed(Manifest(9, 9)));
  EXPECT_EQ(session_->accepted(), (Generation{9, 9}));
}

TEST_F(HubSessionTest, RefusesAnOlderGenerationAndProvesWhatItHolds) {
  Settle();
  Say(Signed(Manifest(2, 5)));
  Say(Signed(Manifest(2, 4)));
  const auto* rejected = Last(v1::HostMessage::kRejected);
  ASSERT_NE(rejected, nullptr);
  EXPECT_EQ(rejected->rejected().code(), v1::Rejected::STALE_GENERATION);
  EXPECT_EQ(rejected->rejected().held().manifest(), store_.manifest()->manifest());
  EXPECT_EQ(session_->accepted(), (Generation{2, 5}));
}

TEST_F(HubSessionTest, ARefusalProvesNothingWhileANewerManifestIsBeingWritten) {
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

TEST_F(HubSessionTest, AHostWithoutAManifestTellsWhatRunsOnceItKnows) {
  ConnectAndWelcome();
  ASSERT_NE(Last(v1::HostMessage::kStatus), nullptr);
  EXPECT_FALSE(Last(v1::HostMessage::kStatus)->status().has_unexplained());
  runner_->unexplained.emplace({PodUid("a")});
  runner_->changed({}, false);
  Run();
  ASSERT_TRUE(Last(v1::HostMessage::kStatus)->status().has_unexplained());
  ASSERT_EQ(Last(v1::HostMessage::kStatus)->status().unexplained().uids_size(), 1);
  EXPECT_EQ(Last(v1::HostMessage::kStatus)->status().unexplained().uids(0), "a");
}

TEST_F(HubSessionTest, RefusesTheSameGenerationWithOtherContent) {
  Settle();
  Say(Signed(Manifest(1, 1, {"other"})));
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::STALE_GENERATION);
}

TEST_F(HubSessionTest, AcceptsAgainWhatItHolds) {
  ConnectAndWelcome();
  nonce_ = Last(v1::HostMessage::kBirth)->birth().nonce();
  Say(Signed(Manifest(1, 1)));
  Say(Signed(Manifest(1, 1)));
  EXPECT_EQ(Count(v1::HostMessage::kAccepted), 2);
  EXPECT_EQ(runner_->applied.size(), 1u);
}

TEST_F(HubSessionTest, RefusesForgedForeignAndBrokenManifests) {
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
  auto large = Manifest(3, 1);
  large.mutable_deployments()->Add()->set_name(std::string(3 << 20, 'x'));
  Say(Signed(large));
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::TOO_LARGE);
  EXPECT_EQ(session_->accepted(), (Generation{1, 1}));
}

TEST_F(HubSessionTest, TheOldManifestRunsOnWhenTheDiskIsFull) {
  Settle({"a"});
  store_.SetDiskFull(true);
  Say(Signed(Manifest(1, 2)));
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::STORE_FULL);
  EXPECT_EQ(runner_->applied.size(), 1u);
  store_.SetDiskFull(false);
  Say(Signed(Manifest(1, 2)));
  EXPECT_EQ(session_->accepted(), (Generation{1, 2}));
}

TEST_F(HubSessionTest, AnAcceptedGenerationSurvivesACrash) {
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

TEST_F(HubSessionTest, ARotatedKeyDoesNotMakeTheHostForgetWhatItHolds) {
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

TEST_F(HubSessionTest, JoinsChunksAndStoresTheBlob) {
  Settle({"a"});
  const std::string content = "workload a";
  SendBlob(content, 0, 4, content);
  SendBlob(content, 2, 6, content);   // overlaps
  SendBlob(content, 8, 10, content);  // beyond a gap
  EXPECT_TRUE(store_.blobs().empty());
  SendBlob(content, 6, 10, content);
  EXPECT_EQ(store_.blobs().at(Sha256(content)), content);
  EXPECT_EQ(runner_->blobs_stored, 1);
}

TEST_F(HubSessionTest, ABlobThatCameBeforeItsManifestIsStoredInTheSameWrite) {
  Settle();
  heard_.clear();
  SendBlob("workload a", 0, 10, "workload a");
  EXPECT_TRUE(store_.blobs().empty());
  const int writes = store_.writes();
  Say(Signed(Manifest(1, 2, {"a"})));
  EXPECT_EQ(session_->accepted(), (Generation{1, 2}));
  EXPECT_EQ(store_.writes(), writes + 1);
  EXPECT_EQ(store_.blobs().at(Sha256("workload a")), "workload a");
  EXPECT_EQ(runner_->blobs_stored, 1);
  Run(minutes(2));
  EXPECT_EQ(Count(v1::HostMessage::kFetch), 0);
  EXPECT_EQ(store_.blobs().size(), 1u);
}

TEST_F(HubSessionTest, WhatCameEarlyAndIsNoUseIsFetched) {
  Settle();
  SendBlob("workload b", 0, 10, "workload a");  // another content
  SendBlob("workload c", 0, 4, "workload c");   // a part
  SendBlob("workload d", 0, 10, "workload d");  // not named
  Say(Signed(Manifest(1, 2, {"a", "c"})));
  EXPECT_TRUE(store_.blobs().empty());
  ASSERT_NE(Last(v1::HostMessage::kFetch), nullptr);
  EXPECT_EQ(Last(v1::HostMessage::kFetch)->fetch().wants_size(), 2);
  SendBlob("workload a", 0, 10, "workload a");
  EXPECT_EQ(store_.blobs().size(), 1u);
}

TEST_F(HubSessionTest, WhatCameEarlyIsBounded) {
  Settle();
  const std::string large(kMaxEarlyBytes, 'x');
  SendBlob(large, 0, large.size(), large);
  SendBlob("workload a", 0, 10, "workload a");
  Say(Signed(Manifest(1, 2, {"a"})));
  EXPECT_TRUE(store_.blobs().empty());
  EXPECT_EQ(Last(v1::HostMessage::kFetch)->fetch().wants_size(), 1);
}

TEST_F(HubSessionTest, WhatCameEarlyIsFetchedWhenTheDiskWasFull) {
  Settle();
  store_.SetDiskFull(true);
  SendBlob("workload a", 0, 10, "workload a");
  Say(Signed(Manifest(1, 2, {"a"})));
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::STORE_FULL);
  store_.SetDiskFull(false);
  Say(Signed(Manifest(1, 2, {"a"})));
  EXPECT_EQ(session_->accepted(), (Generation{1, 2}));
  Run(seconds(15));
  ASSERT_NE(Last(v1::HostMessage::kFetch), nullptr);
  SendBlob("workload a", 0, 10, "workload a");
  EXPECT_EQ(store_.blobs().size(), 1u);
}

TEST_F(HubSessionTest, ResumesABlobOnTheNextConnection) {
  Settle({"a"});
  const std::string content = "workload a";
  SendBlob(content, 0, 4, content);
  heard_.clear();
  link_.Break("gw-1");
  Run(seconds(3));
  Say(Welcome());
  const auto* fetch = Last(v1::HostMessage::kFetch);
  ASSERT_NE(fetch, nullptr);
  ASSERT_EQ(fetch->fetch().wants_size(), 1);
  EXPECT_EQ(fetch->fetch().wants(0).offset(), 4u);
}

TEST_F(HubSessionTest, AsksAgainForABlobWithTheWrongContent) {
  Settle({"a"});
  SendBlob("workload b", 0, 10, "workload a");
  EXPECT_TRUE(store_.blobs().empty());
  heard_.clear();
  Run(seconds(30));
  ASSERT_NE(Last(v1::HostMessage::kFetch), nullptr);
  EXPECT_EQ(Last(v1::HostMessage::kFetch)->fetch().wants(0).offset(), 0u);
}

TEST_F(HubSessionTest, DropsBlobsNobodyNeeds) {
  Settle({"a"});
  SendBlob("workload a", 0, 10, "workload a");
  ASSERT_EQ(store_.blobs().size(), 1u);
  Say(Signed(Manifest(1, 2)));
  runner_->live = {Sha256("workload a")};
  Run(minutes(2));
  EXPECT_EQ(store_.blobs().size(), 1u);
  runner_->live.clear();
  Run(hours(1));
  EXPECT_TRUE(store_.blobs().empty());
}

TEST_F(HubSessionTest, CoalescesChangesButSendsUrgentOnesAtOnce) {
  Settle();
  Run(seconds(1));
  heard_.clear();
  runner_->Change("a", v1::PHASE_PENDING);
  runner_->Change("b", v1::PHASE_PENDING);
  Run(milliseconds(1));
  EXPECT_EQ(Count(v1::HostMessage::kStatus), 1);
  EXPECT_EQ(heard_.back().status().workloads_size(), 2);
  runner_->Change("a", v1::PHASE_RUNNING);
  Run(milliseconds(10));
  EXPECT_EQ(Count(v1::HostMessage::kStatus), 1);
  runner_->Change("b", v1::PHASE_FAILED, true);
  Run(milliseconds(1));
  EXPECT_EQ(Count(v1::HostMessage::kStatus), 2);
  EXPECT_EQ(heard_.back().status().workloads_size(), 2);
  EXPECT_FALSE(heard_.back().status().full());
}

TEST_F(HubSessionTest, SendsAgainWhatIsNotAcknowledged) {
  ConnectAndWelcome();
  EXPECT_EQ(Count(v1::HostMessage::kStatus), 1);
  Run(seconds(11));
  EXPECT_EQ(Count(v1::HostMessage::kStatus), 2);
  EXPECT_TRUE(Last(v1::HostMessage::kStatus)->status().full());
  v1::HubMessage ack;
  ack.mutable_status_ack()->set_sequence(2);
  Say(ack);
  Run(seconds(50));
  EXPECT_EQ(Count(v1::HostMessage::kStatus), 2);
}

TEST_F(HubSessionTest, ReportsInFullWhenTheHubSawAGap) {
  Settle();
  runner_->Change("a", v1::PHASE_RUNNING);
  Run();
  v1::HubMessage resync;
  resync.mutable_resync();
  Say(resync);
  EXPECT_TRUE(Last(v1::HostMessage::kStatus)->status().full());
  EXPECT_EQ(Last(v1::HostMessage::kStatus)->status().workloads_size(), 1);
}

TEST_F(HubSessionTest, WhatIsTooLargeForOneReportGoesOnInTheNext) {
  constexpr std::size_t kMessageBound = std::size_t{4} << 20;
  Settle();
  for (const char* uid : {"a", "b", "c", "d", "e"}) {
    runner_->statuses[PodUid(uid)].set_uid(uid);
    runner_->statuses[PodUid(uid)].set_message(std::string(kMessageBound / 3, 'x'));
  }
  const std::size_t earlier = heard_.size();
  v1::HubMessage resync;
  resync.mutable_resync();
  Say(resync);
  std::vector<std::string> uids;
  std::uint64_t before = 0;
  ASSERT_GT(heard_.size(), earlier + 1);
  for (std::size_t i = earlier; i < heard_.size(); ++i) {
    const v1::HostMessage& message = heard_[i];
    ASSERT_TRUE(message.has_status());
    const v1::StatusReport& report = message.status();
    EXPECT_LT(message.ByteSizeLong(), kMessageBound);
    EXPECT_EQ(report.full(), before == 0);
    EXPECT_EQ(report.has_node(), before == 0);
    EXPECT_TRUE(before == 0 || report.sequence() == before + 1);
    before = report.sequence();
    for (const auto& workload : report.workloads()) uids.push_back(workload.uid());
  }
  EXPECT_THAT(uids, testing::ElementsAre("a", "b", "c", "d", "e"));
}

TEST_F(HubSessionTest, IgnoresMessagesOfOtherSessions) {
  Settle();
  auto message = Signed(Manifest(1, 2));
  message.set_session(session() + 1);
  pipe_->Send(message);
  Run();
  EXPECT_EQ(session_->accepted(), (Generation{1, 1}));
}

TEST_F(HubSessionTest, LeavesAHubThatIsSilentAndComesBack) {
  Settle();
  Run(minutes(5));
  EXPECT_TRUE(closed_);
  EXPECT_GT(Count(v1::HostMessage::kHeartbeat), 1);
  EXPECT_GT(session(), 1u);
}

TEST_F(HubSessionTest, LeavesAForeignHub) {
  StartAgent();
  Run();
  auto welcome = Welcome();
  welcome.mutable_welcome()->set_hub_id("another");
  Say(welcome);
  EXPECT_FALSE(session_->connected());
  EXPECT_TRUE(closed_);
}

TEST_F(HubSessionTest, WaitsAsTheHubDirectsBeforeItReconnects) {
  StartAgent();
  Run();
  auto welcome = Welcome();
  welcome.mutable_welcome()->set_reconnect_wait_ms(600'000);
  Say(welcome);
  heard_.clear();
  link_.Break("gw-1");
  Run(minutes(9));
  EXPECT_EQ(Count(v1::HostMessage::kBirth), 0);
  Run(minutes(2));
  EXPECT_GE(Count(v1::HostMessage::kBirth), 1);
}

TEST_F(HubSessionTest, OpensATunnelOncePerCommandAndNotAfterItsExpiry) {
  Settle();
  v1::HubMessage message;
  auto* command = message.mutable_command();
  command->set_request_id("r1");
  command->mutable_open_tunnel()->set_uid("a");
  command->set_expires(ToUnixNanos(clock_.Now() + seconds(30)));
  Say(message);
  Say(message);
  ASSERT_EQ(served_.size(), 1u);
  EXPECT_EQ(served_[0].uid(), "a");
  std::string first;
  tunnel_->Read(
      [&](absl::StatusOr<std::optional<v1::StreamFrame>> frame) { first = (*frame)->request_id(); });
  Run();
  EXPECT_EQ(first, "r1");

  command->set_request_id("r2");
  command->set_expires(ToUnixNanos(clock_.Now() - seconds(1)));
  Say(message);
  EXPECT_EQ(served_.size(), 1u);
  EXPECT_EQ(Last(v1::HostMessage::kReply)->reply().code(),
            static_cast<int>(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(HubSessionTest, ReturnsTheManifestBytesItHolds) {
  Settle();
  v1::HubMessage message;
  message.mutable_command()->set_request_id("r");
  message.mutable_command()->mutable_manifest_bytes();
  Say(message);
  ASSERT_NE(Last(v1::HostMessage::kReply), nullptr);
  EXPECT_EQ(Last(v1::HostMessage::kReply)->reply().manifest().manifest(), store_.manifest()->manifest());
}

TEST_F(HubSessionTest, SendsTheEndOfALogWhenItIsAsked) {
  Settle();
  const auto& features = Last(v1::HostMessage::kBirth)->birth().features();
  EXPECT_NE(std::find(features.begin(), features.end(), "log-tails"), features.end());
  v1::HubMessage message;
  message.mutable_command()->set_request_id("r1");
  message.mutable_command()->mutable_log_tail()->set_uid("u1");
  Say(message);
  ASSERT_NE(Last(v1::HostMessage::kReply), nullptr);
  EXPECT_EQ(Last(v1::HostMessage::kReply)->reply().request_id(), "r1");
  EXPECT_EQ(Last(v1::HostMessage::kReply)->reply().log_tail().lines(), "a line\n");
  message.mutable_command()->set_request_id("r2");
  message.mutable_command()->mutable_log_tail()->set_uid("u2");
  Say(message);
  EXPECT_EQ(Last(v1::HostMessage::kReply)->reply().code(), static_cast<int>(absl::StatusCode::kNotFound));
}

TEST_F(HubSessionTest, StoresACredentialBeforeItIsUsed) {
  Settle();
  v1::HubMessage message;
  message.mutable_credential()->set_uid("a");
  message.mutable_credential()->set_name("v/token");
  Say(message);
  ASSERT_EQ(runner_->credentials.size(), 1u);
  EXPECT_EQ(runner_->credentials[0].name(), "v/token");
  store_.Crash();
  EXPECT_EQ(store_.loaded().credentials.size(), 1u);
}

TEST_F(HubSessionTest, AsksForCredentialsItMisses) {
  Settle();
  runner_->missing_credentials = {{PodUid("a"), "v/token"}};
  Say(Signed(Manifest(1, 2)));
  ASSERT_NE(Last(v1::HostMessage::kCredentialRequest), nullptr);
  EXPECT_EQ(Last(v1::HostMessage::kCredentialRequest)->credential_request().name(), "v/token");
}

TEST_F(HubSessionTest, StopsWhatMayHaveBeenPlacedElsewhere) {
  Settle();
  auto manifest = Manifest(1, 2, {"short", "forever"});
  manifest.mutable_deployments(0)->set_autonomy(Duration(minutes(10)).count());
  Say(Signed(manifest));
  link_.SetRefused("gw-1", true);
  link_.Break("gw-1");
  Run(minutes(9));
  EXPECT_FALSE(runner_->applied.back().deployments(0).has_stop());
  Run(minutes(2));
  EXPECT_TRUE(runner_->applied.back().deployments(0).has_stop());
  EXPECT_FALSE(runner_->applied.back().deployments(1).has_stop());
}

TEST_F(HubSessionTest, SaysGoodbye) {
  Settle();
  bool done = false;
  session_->Stop("shutdown", [&] { done = true; });
  Run(seconds(2));
  EXPECT_TRUE(done);
  ASSERT_NE(Last(v1::HostMessage::kGoodbye), nullptr);
  EXPECT_EQ(Last(v1::HostMessage::kGoodbye)->goodbye().reason(), "shutdown");
}

TEST_F(HubSessionTest, ConvergesOverALinkThatLosesDoublesAndReorders) {
  LinkFaults faults;
  faults.drop = 200'000;
  faults.duplicate = 200'000;
  faults.reorder = 200'000;
  faults.max_delay = milliseconds(300);
  link_.SetFaults(faults);
  StartAgent();
  // A hub that answers Births and repeats its newest manifest.
  for (int i = 0; i < 200 && session_->accepted() != Generation{1, 3}; ++i) {
    Run(seconds(1));
    const auto* birth = Last(v1::HostMessage::kBirth);
    if (birth == nullptr) continue;
    nonce_ = birth->birth().nonce();
    Say(Welcome());
    Say(Signed(Manifest(1, 1 + static_cast<std::uint64_t>(i) % 3)));
  }
  EXPECT_EQ(session_->accepted(), (Generation{1, 3}));
}

}  // namespace
}  // namespace slicelet::agent
