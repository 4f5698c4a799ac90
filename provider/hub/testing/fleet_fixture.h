#pragma once

#include <string>
#include <utility>
#include <vector>

#include "provider/hub/testing/hub_fixture.h"

namespace slicelet::provider {

/// gw-1, gw-2 and gw-3 behind one fleet node.
class FleetFixture : public HubFixture {
 protected:
  using milliseconds = std::chrono::milliseconds;
  using seconds = std::chrono::seconds;
  using minutes = std::chrono::minutes;

  FleetFixture() : second_(loop_, host_link_, "gw-2"), third_(loop_, host_link_, "gw-3") {
    for (const char* name : {"gw-2", "gw-3"}) AddHost(name);
    options_.fleet_nodes = {{"fleet", "*"}};
    options_.host_nodes = false;
    RestartHub();
  }

  void ConnectFleet() {
    for (ScriptedHost* host : {&host_, &second_, &third_}) ConnectHost(*host);
    ConnectShim();
    SyncFleet({});
  }
  /// As an agent does: everything it knows after the Welcome.
  void ConnectHost(ScriptedHost& host) {
    host.Connect();
    Settle();
    host.ReportNothing();
    Settle();
  }
  void SyncFleet(const std::vector<std::string>& uids) { Synced(uids, 100, "fleet"); }
  v1::ShimMessage FleetApply(const std::string& uid, const kube::Json& annotations = kube::Json::object(),
                             const kube::Json& extra = kube::Json::object()) {
    kube::Json pod = PodJson(uid, extra);
    pod["spec"]["nodeName"] = "fleet";
    if (!annotations.empty()) pod["metadata"]["annotations"] = annotations;
    v1::ShimMessage message = ApplyOf(pod);
    message.mutable_pod_apply()->set_node("fleet");
    return message;
  }
  void ApplyFleet(const std::string& uid, const kube::Json& annotations = kube::Json::object(),
                  const kube::Json& extra = kube::Json::object()) {
    Say(FleetApply(uid, annotations, extra));
    Wait();
  }
  void PatchHost(const std::string& name, const kube::Json& spec) {
    api_->Patch({kube::kEdgeHosts, "slicelet", name, ""}, kube::PatchType::kMerge, {{"spec", spec}},
                [](const absl::StatusOr<kube::Json>& result) { EXPECT_TRUE(result.ok()); });
    Wait();
  }
  void Tag(const std::string& name, const std::string& site) {
    PatchHost(name, {{"tags", {{"site", site}}}});
  }
  /// As the agent reports a container that runs and is ready.
  void Ready(ScriptedHost& host, const std::string& uid) {
    v1::WorkloadStatus status;
    status.set_uid(uid);
    status.set_pod_generation(1);
    status.set_phase(v1::PHASE_RUNNING);
    status.add_pod_ips("10.88.0.2");
    auto& container = *status.add_containers();
    container.set_name("main");
    container.set_ready(true);
    container.mutable_state()->mutable_running()->set_started_at(1);
    auto& condition = *status.add_conditions();
    condition.set_type("ContainersReady");
    condition.set_status(true);
    host.Report(status);
    Wait();
  }
  void Ended(ScriptedHost& host, const std::string& uid, v1::Phase phase) {
    v1::WorkloadStatus status;
    status.set_uid(uid);
    status.set_phase(phase);
    auto& container = *status.add_containers();
    container.set_name("main");
    container.mutable_state()->mutable_terminated()->set_exit_code(phase == v1::PHASE_FAILED ? 1 : 0);
    host.Report(status);
    Wait();
  }
  void Gone(ScriptedHost& host, const std::string& uid) {
    host.ReportGone(uid);
    loop_.Advance(seconds(1));
  }
  void Wait() { loop_.Advance(milliseconds(200)); }
  const v1::Condition* ConditionOf(const std::string& uid, const std::string& type) {
    const v1::PodReport* report = ReportOf(uid);
    if (report == nullptr) return nullptr;
    for (const auto& condition : report->conditions()) {
      if (condition.type() == "slicelet.io/" + type) return &condition;
    }
    return nullptr;
  }
  /// Of the last report.
  std::string Fleet(const std::string& uid) {
    const v1::Condition* condition = ConditionOf(uid, "Fleet");
    return condition == nullptr ? "" : condition->message();
  }
  std::string Has(const std::string& uid) {
    std::string names;
    for (const auto& [name, host] : {std::pair{"1", &host_}, {"2", &second_}, {"3", &third_}}) {
      const v1::Deployment* deployment = host->Find(uid);
      if (deployment != nullptr) names += std::string(name) + (deployment->has_stop() ? "x" : "");
    }
    return names;
  }
  static kube::Json Condition(const std::string& text) { return {{"slicelet.io/target-condition", text}}; }
  static kube::Json HostPort(int port) {
    return {{"spec",
             {{"containers", kube::Json::array({{{"name", "main"},
                                                 {"image", "docker.io/library/app:1"},
                                                 {"ports", kube::Json::array({{{"containerPort", port},
                                                                               {"hostPort", port},
                                                                               {"protocol", "TCP"}}})}}})}}}};
  }

  ScriptedHost second_;
  ScriptedHost third_;
};

}  // namespace slicelet::provider
