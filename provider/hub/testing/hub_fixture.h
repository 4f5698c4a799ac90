#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/encoding.h"
#include "common/base/testing/fake_clock.h"
#include "common/crypto/sealing.h"
#include "common/loop/testing/sim_loop.h"
#include "common/stream/testing/local_pipe.h"
#include "kube/object.h"
#include "kube/testing/memory_kube_api.h"
#include "provider/hub/hub.h"
#include "provider/manifest/generation.h"
#include "provider/store/testing/memory_hub_store.h"

namespace slicelet::provider {

/// A host as the hub sees it: takes every manifest that is newer than its own, and says what the test tells
/// it to.
class ScriptedHost {
 public:
  ScriptedHost(Loop& loop, LocalLink<v1::HostMessage, v1::HubMessage>& link, std::string name)
      : name_(std::move(name)),
        connector_(link.MakeConnector(name_)),
        opener_(*MakeOpener(GenerateSealingKeyPem())),
        heartbeat_(loop) {
    facts.set_allocatable_cpu_milli(4'000);
    facts.set_allocatable_memory_bytes(std::int64_t{4} << 30);
  }

  void Connect() {
    heartbeat_.Cancel();
    ++session_;
    sequence_ = 0;
    welcomed = false;
    pipe_ = connector_->Connect({[this](const v1::HubMessage& message) { OnMessage(message); },
                                 [this](const absl::Status&) { closed = true; }});
    closed = false;
    SendBirth();
  }
  void Disconnect() {
    heartbeat_.Cancel();
    pipe_.reset();
  }
  void Send(v1::HostMessage message) {
    message.set_session(session_);
    pipe_->Send(std::move(message));
  }
  void Report(const v1::WorkloadStatus& status) {
    v1::HostMessage message;
    v1::StatusReport& report = *message.mutable_status();
    report.set_sequence(++sequence_);
    report.set_full(sequence_ == 1 || std::exchange(resync_wanted, false));
    *report.mutable_observed() = manifest.generation();
    *report.add_workloads() = status;
    Send(std::move(message));
  }
  void ReportRunning(const std::string& uid, const std::string& ip = "10.88.0.5") {
    v1::WorkloadStatus status;
    status.set_uid(uid);
    status.set_phase(v1::PHASE_RUNNING);
    status.add_pod_ips(ip);
    status.add_containers()->set_name("main");
    Report(status);
  }
  /// A full report of a host that runs nothing, or has nothing to add.
  void ReportNothing() {
    v1::HostMessage message;
    v1::StatusReport& report = *message.mutable_status();
    report.set_sequence(++sequence_);
    report.set_full(sequence_ == 1);
    *report.mutable_observed() = manifest.generation();
    Send(std::move(message));
  }
  /// A report of a host that lost its store: what runs there.
  void ReportUnexplained(const std::vector<std::string>& uids) {
    v1::HostMessage message;
    v1::StatusReport& report = *message.mutable_status();
    report.set_sequence(++sequence_);
    report.set_full(sequence_ == 1);
    report.mutable_unexplained();
    for (const std::string& uid : uids) report.mutable_unexplained()->add_uids(uid);
    Send(std::move(message));
  }
  void ReportGone(const std::string& uid) {
    v1::WorkloadStatus status;
    status.set_uid(uid);
    status.set_gone(true);
    Report(status);
  }
  void Fetch(const std::string& digest) {
    v1::HostMessage message;
    message.mutable_fetch()->add_wants()->set_digest(digest);
    Send(std::move(message));
  }
  /// The disk was replaced: nothing is known any more.
  void Forget(const std::string& nonce) {
    held.reset();
    manifest.Clear();
    nonce_ = store_ = nonce;
  }
  [[nodiscard]] const v1::Deployment* Find(const std::string& uid) const {
    for (const v1::Deployment& deployment : manifest.deployments()) {
      if (deployment.uid() == uid) return &deployment;
    }
    return nullptr;
  }
  [[nodiscard]] const Opener& opener() const { return *opener_; }

  std::optional<v1::SignedManifest> held;
  v1::Manifest manifest;
  /// All that were taken.
  int taken = 0;
  bool welcomed = false;
  bool closed = false;
  /// The next report of a pod is a full one.
  bool resync_wanted = false;
  /// Does not show what it holds.
  bool secretive = false;
  /// Its Birth claims a Generation that nobody signed.
  bool exaggerate = false;
  /// Its disk is full.
  bool full = false;
  /// Its answers to manifests are lost.
  bool unheard = false;
  std::map<std::string, std::string> blobs;
  /// What had come when the newest manifest came.
  std::map<std::string, std::string> blobs_before_manifest;
  std::set<std::string> missing;
  std::vector<v1::Command> commands;
  /// Announced with every Birth.
  std::vector<std::string> features;
  v1::NodeFacts facts;
  /// Its own tags, from its configuration.
  std::map<std::string, std::string> tags;
  std::optional<std::uint64_t> receive_rate;
  std::vector<v1::Credential> credentials;

 private:
  void SendBirth() {
    v1::HostMessage message;
    v1::Birth& birth = *message.mutable_birth();
    birth.set_host_id(name_);
    birth.set_sealing_key_id(opener_->key_id());
    birth.set_sealing_public_key(opener_->public_key());
    birth.set_agent_version("test");
    *birth.mutable_node() = facts;
    birth.mutable_tags()->insert(tags.begin(), tags.end());
    if (receive_rate) birth.set_receive_rate(*receive_rate);
    for (const std::string& feature : features) birth.add_features(feature);
    if (held) {
      *birth.mutable_accepted() = manifest.generation();
      birth.set_accepted_digest(Sha256(held->manifest()).value());
    }
    if (exaggerate) {
      birth.mutable_accepted()->set_epoch(birth.accepted().epoch() + 5);
      birth.set_accepted_digest(std::string(32, 'x'));
    }
    birth.set_amnesiac(!nonce_.empty());
    birth.set_nonce(store_);
    Send(std::move(message));
  }

  void OnMessage(const v1::HubMessage& message) {
    if (message.has_welcome()) {
      if (message.welcome().session_floor() >= session_) {
        session_ = message.welcome().session_floor() + 1;
        return SendBirth();
      }
      welcomed = true;
      Beat();
      if (message.welcome().want_manifest() && held && !secretive) {
        v1::HostMessage reply;
        *reply.mutable_reply()->mutable_manifest() = *held;
        Send(std::move(reply));
      }
    } else if (message.has_desired()) {
      blobs_before_manifest = blobs;
      OnDesired(message.desired().manifest());
    } else if (message.has_blob()) {
      if (message.blob().missing()) missing.insert(message.blob().digest());
      const v1::Blob& blob = message.blob();
      blobs[blob.digest()].resize(blob.offset());
      blobs[blob.digest()] += blob.data();
    } else if (message.has_command()) {
      commands.push_back(message.command());
    } else if (message.has_resync()) {
      resync_wanted = true;
    } else if (message.has_credential()) {
      credentials.push_back(message.credential());
    }
  }

  void OnDesired(const v1::SignedManifest& offered) {
    v1::Manifest next;
    ASSERT_TRUE(next.ParseFromString(offered.manifest()));
    v1::HostMessage answer;
    const bool newer = FromProto(next.generation()) > FromProto(manifest.generation());
    if (held && offered.manifest() == held->manifest()) {
      // Said again.
    } else if (full) {
      answer.mutable_rejected()->set_code(v1::Rejected::STORE_FULL);
      answer.mutable_rejected()->set_message("no space left");
      return Send(std::move(answer));
    } else if (!newer || next.nonce() != store_) {
      answer.mutable_rejected()->set_code(v1::Rejected::STALE_GENERATION);
      if (held && !secretive) *answer.mutable_rejected()->mutable_held() = *held;
      return Send(std::move(answer));
    } else {
      held = offered;
      manifest = next;
      nonce_.clear();
      ++taken;
    }
    *answer.mutable_accepted()->mutable_generation() = manifest.generation();
    answer.mutable_accepted()->set_digest(Sha256(held->manifest()).value());
    if (!unheard) Send(std::move(answer));
  }

  void Beat() {
    v1::HostMessage message;
    message.mutable_heartbeat();
    if (receive_rate) message.mutable_heartbeat()->set_receive_rate(*receive_rate);
    Send(std::move(message));
    heartbeat_.Set(std::chrono::seconds(60), [this] { Beat(); });
  }

  const std::string name_;
  std::unique_ptr<Connector<v1::HostMessage, v1::HubMessage>> connector_;
  std::unique_ptr<Opener> opener_;
  std::unique_ptr<MessagePipe<v1::HostMessage, v1::HubMessage>> pipe_;
  std::uint64_t session_ = 0;
  std::uint64_t sequence_ = 0;
  /// Of its store; the first is empty once that holds a manifest.
  std::string nonce_, store_;
  Timer heartbeat_;
};

/// A whole hub on virtual time, with one approved host gw-1 and a shim that says what the test tells it to.
class HubFixture : public testing::Test {
 protected:
  HubFixture()
      : clock_(loop_),
        random_(1),
        server_(loop_, clock_, random_),
        api_(server_.ApiAs("provider")),
        host_link_(loop_, random_),
        shim_link_(loop_, random_),
        store_(loop_),
        signer_(MakeSignerFromSeed(std::string(32, 's'))),
        host_(loop_, host_link_, "gw-1") {
    AddHost("gw-1");
    StartHub();
  }

  void AddHost(const std::string& name, const kube::Json& spec = {{"approved", true}}) {
    api_->Create(
        {kube::kEdgeHosts, "slicelet", name, ""},
        {{"apiVersion", "slicelet.io/v1alpha1"},
         {"kind", "EdgeHost"},
         {"metadata", {{"name", name}, {"namespace", "slicelet"}}},
         {"spec", spec}},
        [](const absl::StatusOr<kube::Json>& result) { EXPECT_TRUE(result.ok()) << result.status(); });
  }

  void StartHub() {
    acceptors_ = {host_link_.MakeAcceptor(), shim_link_.MakeAcceptor()};
    options_.hub_id = "hub-1";
    options_.tag_key = "tag key";
    hub_ = std::make_unique<Hub>(options_, Hub::Dependencies{loop_, clock_, random_, store_, *signer_, *api_,
                                                             *acceptors_.first, *acceptors_.second});
    hub_->Start();
    Settle();
  }
  /// kill -9, and a new process on what is durable.
  void RestartHub() {
    store_.Crash();
    hub_.reset();
    store_.Open();
    StartHub();
  }

  void ConnectShim() {
    received_.clear();
    shim_connector_ = shim_link_.MakeConnector("");
    shim_ = shim_connector_->Connect(
        {[this](v1::ProviderMessage m) { received_.push_back(std::move(m)); }, [](const absl::Status&) {}});
    v1::ShimMessage hello;
    hello.mutable_hello()->set_shim_id("shim");
    hello.mutable_hello()->set_incarnation(1);
    Say(hello);
  }
  /// The hub is back from a copy of its store from before that pod.
  void ComeBackFromBefore(const std::string& uid) {
    const MemoryHubStore::State old = store_.CopyState();
    Apply(uid);
    store_.Restore(old);
    RestartHub();
  }

  void ConnectAll() {
    host_.Connect();
    Settle();
    ConnectShim();
    Synced({});
  }
  void Say(const v1::ShimMessage& message) {
    shim_->Send(message);
    Settle();
  }
  static kube::Json PodJson(const std::string& uid, const kube::Json& extra = kube::Json::object()) {
    kube::Json pod = {
        {"apiVersion", "v1"},
        {"kind", "Pod"},
        {"metadata", {{"uid", uid}, {"name", "pod-" + uid}, {"namespace", "ns"}, {"generation", 1}}},
        {"spec",
         {{"nodeName", "gw-1"},
          {"terminationGracePeriodSeconds", 7},
          {"containers", kube::Json::array({{{"name", "main"}, {"image", "docker.io/library/app:1"}}})}}}};
    pod.merge_patch(extra);
    return pod;
  }
  static v1::ShimMessage ApplyOf(const kube::Json& pod, const std::vector<std::string>& references = {}) {
    v1::ShimMessage message;
    message.mutable_pod_apply()->set_node("gw-1");
    message.mutable_pod_apply()->set_pod(pod.dump());
    for (const std::string& reference : references) message.mutable_pod_apply()->add_references(reference);
    return message;
  }
  void Apply(const std::string& uid) { Say(ApplyOf(PodJson(uid))); }
  void Synced(const std::vector<std::string>& uids, std::uint64_t version = 100,
              const std::string& node = "gw-1") {
    v1::ShimMessage message;
    v1::Synced& synced = *message.mutable_synced();
    synced.set_node(node);
    synced.set_cluster_uid("cluster");
    synced.set_list_resource_version(version);
    for (const std::string& uid : uids) synced.add_uids(uid);
    Say(message);
  }
  void Stop(const std::string& uid, std::int64_t grace) {
    v1::ShimMessage message;
    message.mutable_pod_stop()->set_uid(uid);
    message.mutable_pod_stop()->set_grace_seconds(grace);
    Say(message);
  }
  void Forget(const std::string& uid, v1::Evidence evidence) {
    v1::ShimMessage message;
    message.mutable_pod_forget()->set_uid(uid);
    message.mutable_pod_forget()->set_evidence(evidence);
    Say(message);
  }
  void Confirm(const std::string& uid) {
    v1::ShimMessage message;
    message.mutable_pod_confirmed()->set_uid(uid);
    message.mutable_pod_confirmed()->set_absent(true);
    Say(message);
  }
  /// Lets everything happen that needs no waiting.
  void Settle() { loop_.Advance(std::chrono::milliseconds(20)); }

  template <typename Predicate>
  const v1::ProviderMessage* Received(Predicate wanted) {
    for (auto it = received_.rbegin(); it != received_.rend(); ++it) {
      if (wanted(*it)) return &*it;
    }
    return nullptr;
  }
  const v1::PodReport* ReportOf(const std::string& uid) {
    const auto* found =
        Received([&](const auto& m) { return m.has_pod_report() && m.pod_report().uid() == uid; });
    return found == nullptr ? nullptr : &found->pod_report();
  }
  const v1::NodeReport* NodeReport() {
    const auto* found = Received([](const auto& m) { return m.has_node_report(); });
    return found == nullptr ? nullptr : &found->node_report();
  }
  bool ToldGone(const std::string& uid) {
    return Received([&](const auto& m) { return m.has_pod_gone() && m.pod_gone().uid() == uid; }) != nullptr;
  }
  bool AskedToConfirm(const std::string& uid) {
    return Received([&](const auto& m) { return m.has_confirm_pod() && m.confirm_pod().uid() == uid; }) !=
           nullptr;
  }

  SimLoop loop_;
  FakeClock clock_;
  SeededRandom random_;
  kube::MemoryApiServer server_;
  std::unique_ptr<kube::KubeApi> api_;
  LocalLink<v1::HostMessage, v1::HubMessage> host_link_;
  LocalLink<v1::ShimMessage, v1::ProviderMessage> shim_link_;
  MemoryHubStore store_;
  std::unique_ptr<Signer> signer_;
  std::pair<std::unique_ptr<Hub::HostAcceptor>, std::unique_ptr<Hub::ShimAcceptor>> acceptors_;
  Hub::Options options_;
  std::unique_ptr<Hub> hub_;
  ScriptedHost host_;
  std::unique_ptr<Connector<v1::ShimMessage, v1::ProviderMessage>> shim_connector_;
  std::unique_ptr<MessagePipe<v1::ShimMessage, v1::ProviderMessage>> shim_;
  std::deque<v1::ProviderMessage> received_;
};

}  // namespace slicelet::provider
