#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/encoding.h"
#include "common/base/testing/fake_clock.h"
#include "common/base/testing/fake_file_system.h"
#include "common/loop/testing/sim_loop.h"
#include "edge-agent/edgex/testing/fake_edgex.h"
#include "edge-agent/pod/pod_supervisor.h"
#include "edge-agent/probes/testing/fake_prober.h"
#include "edge-agent/runtime/testing/scripted_runtime.h"
#include "edge-agent/store/testing/memory_agent_store.h"

namespace slicelet::agent {

/// Opens what was "sealed" by leaving it as it is.
class PlainOpener : public Opener {
 public:
  [[nodiscard]] const std::string& key_id() const override { return key_id_; }
  [[nodiscard]] const std::string& public_key() const override { return key_id_; }
  [[nodiscard]] absl::StatusOr<std::string> Open(const SealContext&,
                                                 const v1::SealedBlob& sealed) const override {
    return sealed.ciphertext();
  }

 private:
  std::string key_id_ = "plain";
};

/// One edge host on virtual time: a `PodSupervisor` over fakes that outlive it. Image "app" runs until it is
/// stopped, "job" ends after two seconds with 0; both are on the host.
class PodHost {
 public:
  PodHost() {
    runtime_host.images["app"].present = true;
    runtime_host.images["job"].present = true;
    runtime_host.images["job"].exits_after = std::chrono::seconds(2);
    options.hub_id = "hub";
    options.host = HostId("h1");
    options.boot_id = "boot-0";
    options.root = "/agent";
    options.log_root = "/logs";
    options.host_ip = "192.0.2.1";
    options.allocatable_cpu_milli = 2000;
    options.allocatable_memory_bytes = 1'000'000'000;
    StartAgent();
  }

  void StartAgent() {
    runtime = std::make_unique<ScriptedRuntime>(runtime_host);
    agent = std::make_unique<PodSupervisor>(
        options,
        PodSupervisor::Dependencies{loop, clock, random, files, store, *runtime, opener, prober, &edgex,
                                    [this](const std::string& at) { return addresses.count(at) != 0; }});
    agent->Start();
  }
  /// As by SIGKILL: what was not durable is forgotten, containers run on.
  void Kill() {
    agent.reset();
    runtime.reset();
    store.Crash();
  }
  /// Power off and on, without an agent yet.
  void Reboot() {
    Kill();
    options.boot_id = "boot-" + std::to_string(++boots_);
    runtime_host.Reboot();
    files.RemoveAll(options.root + "/volatile").IgnoreError();
    const auto pods = files.List(options.root + "/pods");
    for (const std::string& uid : pods.ok() ? *pods : std::vector<std::string>())
      files.RemoveAll(options.root + "/pods/" + uid + "/run").IgnoreError();
  }

  [[nodiscard]] v1::Container MakeContainer(const std::string& name, const std::string& image) const {
    v1::Container container;
    container.set_name(name);
    container.set_image(image);
    return container;
  }
  /// One container "main" of image "app".
  [[nodiscard]] v1::Workload Pod(const std::string& uid) const {
    v1::Workload pod;
    pod.set_uid(uid);
    pod.set_namespace_("ns");
    pod.set_name("pod-" + uid);
    pod.set_termination_grace_seconds(30);
    *pod.add_containers() = MakeContainer("main", "app");
    return pod;
  }
  /// From the next `Apply` on, every pod has this content.
  void SetContent(const std::string& content_id, const std::map<std::string, std::string>& entries) {
    v1::FileSet set;
    for (const auto& [key, data] : entries) {
      auto& file = *set.add_files();
      file.set_key(key);
      file.set_data(data);
    }
    contents_[content_id] = set.SerializeAsString();
  }

  /// Makes the pods' blobs and a manifest durable, then applies it: the whole desired set, with a stop for
  /// those of `stopped`.
  void Apply(const std::vector<v1::Workload>& pods, const std::set<std::string>& stopped = {}) {
    manifest_.clear_deployments();
    AgentStore::Batch batch;
    for (const auto& pod : pods) {
      v1::Deployment& deployment = *manifest_.add_deployments();
      deployment.set_uid(pod.uid());
      deployment.set_namespace_(pod.namespace_());
      deployment.set_name(pod.name());
      if (stopped.count(pod.uid()) != 0) deployment.mutable_stop()->set_grace_seconds(30);
      std::string bytes = pod.SerializeAsString();
      if (const auto gateway = gateways.find(pod.uid()); gateway != gateways.end()) {
        v1::GatewayDeployment blob = gateway->second;
        *blob.mutable_workload() = pod;
        bytes = blob.SerializeAsString();
        deployment.set_role(v1::ROLE_GATEWAY);
      }
      if (last_[pod.uid()].first != bytes) last_[pod.uid()] = {bytes, last_[pod.uid()].second + 1};
      deployment.set_pod_generation(last_[pod.uid()].second);
      deployment.set_digest(Sha256(bytes).value());
      batch.blobs[Sha256(bytes)] = bytes;
      for (const auto& [content_id, content] : contents_) {
        auto& blob = *deployment.add_blobs();
        blob.set_content_id(content_id);
        blob.set_digest(Sha256(content).value());
        batch.blobs[Sha256(content)] = content;
      }
    }
    Send(std::move(batch));
  }
  void Stop(const std::string& uid, std::int64_t grace_seconds) {
    for (auto& deployment : *manifest_.mutable_deployments()) {
      if (deployment.uid() == uid) deployment.mutable_stop()->set_grace_seconds(grace_seconds);
    }
    Send({});
  }

  template <typename Predicate>
  bool RunUntil(Predicate done, Duration limit = std::chrono::seconds(60)) {
    return loop.RunUntil(done, limit);
  }
  [[nodiscard]] bool HasStatus(const std::string& uid) const {
    return agent->FindStatus(PodUid(uid)) != nullptr;
  }
  /// Valid until the next one.
  [[nodiscard]] const v1::WorkloadStatus& Status(const std::string& uid) const {
    static const v1::WorkloadStatus kNone;
    const v1::WorkloadStatus* status = agent->FindStatus(PodUid(uid));
    return status == nullptr ? kNone : *status;
  }
  [[nodiscard]] bool IsReady(const std::string& uid) const {
    for (const auto& condition : Status(uid).conditions()) {
      if (condition.type() == "ContainersReady") return condition.status();
    }
    return false;
  }

  SimLoop loop;
  FakeClock clock{loop};
  SeededRandom random{1};
  FakeFileSystem files;
  MemoryAgentStore store{loop};
  ScriptedHost runtime_host{loop, clock};
  FakeProber prober{loop};
  FakeEdgex edgex{loop};
  PlainOpener opener;
  PodSupervisor::Options options;
  /// The addresses that the host has.
  std::set<std::string> addresses{"192.0.2.1", "127.0.0.1"};
  /// Pods with role gateway, by uid: what they have besides their workload.
  std::map<std::string, v1::GatewayDeployment> gateways;
  std::unique_ptr<ScriptedRuntime> runtime;
  std::unique_ptr<PodSupervisor> agent;

 private:
  void Send(AgentStore::Batch batch) {
    manifest_.mutable_generation()->set_number(manifest_.generation().number() + 1);
    v1::SignedManifest held;
    held.set_manifest(manifest_.SerializeAsString());
    batch.manifest = held;
    bool durable = false;
    store.Commit(std::move(batch), [&](const absl::Status&) { durable = true; });
    loop.RunUntil([&] { return durable; }, std::chrono::seconds(1));
    agent->Apply(manifest_);
    agent->OnBlobsStored();
  }

  int boots_ = 0;
  v1::Manifest manifest_;
  std::map<std::string, std::string> contents_;
  std::map<std::string, std::pair<std::string, std::int64_t>> last_;
};

}  // namespace slicelet::agent
