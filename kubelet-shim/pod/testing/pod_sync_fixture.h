#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/testing/fake_clock.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/object.h"
#include "kube/testing/memory_kube_api.h"
#include "kubelet-shim/pod/pod_sync.h"

namespace slicelet::shim {

using kube::ConditionStatus;
using kube::Json;

inline constexpr char kAdmin[] = "admin";

/// The pods of node edge-1 between an API server in memory and a provider that notes what it is told: one
/// line per message, pods by name.
class PodSyncTest : public testing::Test {
 protected:
  PodSyncTest() {
    Make(kube::kNodes, {{"metadata", {{"name", "edge-1"}}}});
    Make(kube::kServices, Json::parse(R"({"metadata": {"name": "kubernetes", "namespace": "default"},
      "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443}]}})"));
    Make(kube::kServiceAccounts, {{"metadata", {{"name", "default"}, {"namespace", "default"}}}});
    Restart();
  }

  /// A shim's whole memory of the node, anew.
  void Restart() {
    pods_.reset();
    services_.reset();
    referents_.reset();
    api_ = server_.ApiAs("system:node:edge-1");
    controller_ = server_.ApiAs("controller");
    ReferentCache::Handler handler;
    handler.on_present = [this](const ReferentKey& key, const Referent&) {
      Note("referent " + ContentIdOf(key));
    };
    handler.on_released = [](const ReferentKey&) {};
    referents_ = std::make_unique<ReferentCache>(loop_, random_, ReferentCache::Options{}, handler);
    services_ = std::make_unique<ServiceCache>(
        loop_, random_, [this] { pods_->OnServices(); }, [this] { pods_->OnSelectors(); });
    pods_ = std::make_unique<PodSync>(
        "edge-1", options_,
        PodSync::Dependencies{.loop = loop_,
                              .clock = clock_,
                              .random = random_,
                              .api = api_,
                              .controller = *controller_,
                              .referents = *referents_,
                              .refusals = refusals_,
                              .services = *services_,
                              .send = [this](const v1::ShimMessage& message) { OnSend(message); },
                              .lease_version = [] { return std::uint64_t{9}; }});
    services_->Use(api_);
    pods_->Start();
    pods_->OnSession();
    loop_.RunReady();
  }

  void OnSend(const v1::ShimMessage& message) {
    if (message.has_pod_apply()) {
      const Json pod = Json::parse(message.pod_apply().pod());
      Note("apply " + kube::NameOf(pod));
      last_apply_ = message.pod_apply();
    } else if (message.has_pod_stop()) {
      Note("stop " + NameOf(message.pod_stop().uid()) + " " +
           std::to_string(message.pod_stop().grace_seconds()));
    } else if (message.has_pod_forget()) {
      Note("forget " + NameOf(message.pod_forget().uid()) + " " +
           v1::Evidence_Name(message.pod_forget().evidence()));
    } else if (message.has_synced()) {
      std::string line = "synced";
      for (const auto& uid : message.synced().uids()) line += " " + NameOf(uid);
      Note(line);
      last_synced_ = message.synced();
    } else if (message.has_pod_confirmed()) {
      Note("confirmed " + NameOf(message.pod_confirmed().uid()) +
           (message.pod_confirmed().absent() ? " absent" : " present"));
    } else if (message.has_token_apply()) {
      Note("token " + message.token_apply().name());
    }
  }

  void Note(std::string line) { lines_.push_back(std::move(line)); }
  std::vector<std::string> Take() {
    loop_.RunReady();
    return std::exchange(lines_, {});
  }

  Json Make(const kube::Resource& resource, const Json& object) {
    auto made = server_.cluster().Create(kAdmin, {resource, kube::NamespaceOf(object), "", ""}, object);
    EXPECT_TRUE(made.ok()) << Message(made.status());
    return made.ok() ? *made : Json();
  }

  std::string MakePod(const std::string& name, const Json& container = Json::object(),
                      const Json& spec = Json::object()) {
    Json pod = {{"metadata", {{"name", name}, {"namespace", "default"}}}, {"spec", {{"nodeName", "edge-1"}}}};
    // Tolerates everything for ever, so that nobody corrects it.
    pod["spec"]["tolerations"] = Json::array({{{"operator", "Exists"}}});
    pod["spec"].update(spec);
    Json app = {{"name", "app"}, {"image", "docker.io/library/app:1"}};
    app.update(container);
    pod["spec"]["containers"] = Json::array({app});
    const std::string uid = kube::UidOf(Make(kube::kPods, pod));
    names_[uid] = name;
    return uid;
  }

  std::string NameOf(const std::string& uid) const {
    const auto it = names_.find(uid);
    return it == names_.end() ? uid : it->second;
  }

  Json Pod(const std::string& name) {
    const auto pod = server_.cluster().Peek(kube::kPods, "default", name);
    return pod ? *pod : Json();
  }

  void Delete(const std::string& name, std::optional<std::int64_t> grace = std::nullopt) {
    const auto status = server_.cluster().Delete(kAdmin, {kube::kPods, "default", name, ""},
                                                 {.uid = "", .grace_seconds = grace});
    ASSERT_TRUE(status.ok()) << Message(status);
  }

  static v1::WorkloadStatus Running(const std::string& uid) {
    v1::WorkloadStatus status;
    status.set_uid(uid);
    status.set_phase(v1::PHASE_RUNNING);
    status.set_pod_generation(1);
    auto& container = *status.add_containers();
    container.set_name("app");
    container.set_container_id("containerd://1");
    container.set_ready(true);
    container.set_started(true);
    container.mutable_state()->mutable_running()->set_started_at(1'767'225'599'000'000'000);
    for (const char* type : {"PodReadyToStartContainers", "Initialized", "ContainersReady"}) {
      auto& condition = *status.add_conditions();
      condition.set_type(type);
      condition.set_status(true);
    }
    return status;
  }

  static v1::WorkloadStatus Stopped(const std::string& uid) {
    v1::WorkloadStatus status = Running(uid);
    status.set_phase(v1::PHASE_FAILED);
    status.set_gone(true);
    auto& container = *status.mutable_containers(0);
    container.set_ready(false);
    container.set_started(false);
    auto& terminated = *container.mutable_state()->mutable_terminated();
    terminated.set_exit_code(143);
    terminated.set_reason("Error");
    return status;
  }

  void Report(const v1::WorkloadStatus& status) {
    v1::PodReport report;
    report.set_uid(status.uid());
    report.set_node("edge-1");
    report.set_api_pod_ip("198.18.0.1");
    *report.mutable_status() = status;
    pods_->OnReport(report);
    loop_.RunReady();
  }

  void Gone(const std::string& uid) {
    v1::PodGone gone;
    gone.set_uid(uid);
    *gone.mutable_last() = Stopped(uid);
    pods_->OnGone(gone);
    loop_.RunReady();
  }

  std::vector<std::string> EventReasons() {
    std::vector<std::string> reasons;
    for (const auto& event : server_.cluster().All(kube::kEvents)) reasons.push_back(event->at("reason"));
    return reasons;
  }

  PodSync::Options options_{};
  SimLoop loop_;
  FakeClock clock_{loop_};
  SeededRandom random_{1};
  kube::MemoryApiServer server_{loop_, clock_, random_};
  RefusalSpacing refusals_{loop_};
  std::shared_ptr<kube::KubeApi> api_;
  std::unique_ptr<kube::KubeApi> controller_;
  std::unique_ptr<ReferentCache> referents_;
  std::unique_ptr<ServiceCache> services_;
  std::unique_ptr<PodSync> pods_;
  std::map<std::string, std::string> names_;
  std::vector<std::string> lines_;
  v1::PodApply last_apply_;
  v1::Synced last_synced_;
};

}  // namespace slicelet::shim
