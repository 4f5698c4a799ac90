#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/encoding.h"
#include "common/base/testing/fake_clock.h"
#include "common/crypto/signing.h"
#include "common/loop/testing/sim_loop.h"
#include "common/stream/testing/local_pipe.h"
#include "edge-agent/link/hub_session.h"
#include "edge-agent/store/testing/memory_agent_store.h"

namespace slicelet::agent {

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
class HubSessionFixture : public testing::Test {
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

  void Run(Duration time = std::chrono::milliseconds(200)) { loop_.Advance(time); }

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
    if (const auto* birth = Last(v1::HostMessage::kBirth)) welcome->set_nonce(birth->birth().nonce());
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
  /// Manifests made from now on answer the newest Birth: an amnesiac host takes no others.
  void AnswerBirth() { nonce_ = Last(v1::HostMessage::kBirth)->birth().nonce(); }
  /// Asks for a report of everything.
  void Resync() {
    v1::HubMessage message;
    message.mutable_resync();
    Say(std::move(message));
  }
  /// Connected, and holding generation 1.1.
  void Settle(const std::vector<std::string>& uids = {}) {
    ConnectAndWelcome();
    AnswerBirth();
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

}  // namespace slicelet::agent
