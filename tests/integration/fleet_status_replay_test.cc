// The API server accepts every status that a fleet node's pod can have, one after the other: random lives of
// random fleets, made as the provider makes them, written as the shim writes them.
#include <gtest/gtest.h>

#include <deque>
#include <nlohmann/json.hpp>
#include <optional>

#include "kube/object.h"
#include "kube/testing/control_plane.h"
#include "kubelet-shim/pod/pod_status.h"
#include "provider/fleet/fleet_status.h"

namespace slicelet {
namespace {

using kube::Json;

const testing::Environment* const kControlPlane = testing::AddGlobalTestEnvironment(new kube::ControlPlane);

constexpr int kLives = 8;
constexpr int kSteps = 12;

/// Where one host is with the pod.
enum class Stage { kUnknown, kRefused, kPulling, kInit, kRunning, kCrashed, kSucceeded, kFailed };

v1::WorkloadStatus At(Stage stage, v1::RestartPolicy policy, int restarts) {
  v1::WorkloadStatus status;
  status.set_pod_generation(1);
  status.set_phase(v1::PHASE_PENDING);
  if (stage == Stage::kRefused) {
    status.set_phase(v1::PHASE_FAILED);
    status.mutable_refused()->set_reason("OutOfmemory");
    return status;
  }
  auto& init = *status.add_init_containers();
  init.set_name("init");
  auto& main = *status.add_containers();
  main.set_name("main");
  main.set_image("app:1");
  main.mutable_state()->mutable_waiting()->set_reason("PodInitializing");
  if (stage == Stage::kPulling || stage == Stage::kUnknown) {
    init.mutable_state()->mutable_waiting()->set_reason("ErrImagePull");
    return status;
  }
  status.add_pod_ips("10.88.0.2");
  if (stage == Stage::kInit) {
    init.mutable_state()->mutable_running()->set_started_at(1'000'000'000);
    return status;
  }
  init.set_container_id("containerd://i");
  init.mutable_state()->mutable_terminated()->set_finished_at(2'000'000'000);
  main.set_container_id("containerd://m");
  main.set_restart_count(restarts);
  status.set_phase(v1::PHASE_RUNNING);
  if (stage == Stage::kRunning) {
    main.set_ready(true);
    main.set_started(true);
    main.mutable_state()->mutable_running()->set_started_at(3'000'000'000);
    auto& ready = *status.add_conditions();
    ready.set_type("ContainersReady");
    ready.set_status(true);
    return status;
  }
  auto& ended = *main.mutable_state()->mutable_terminated();
  ended.set_started_at(3'000'000'000);
  ended.set_finished_at(4'000'000'000);
  const bool failed = stage != Stage::kSucceeded;
  ended.set_exit_code(failed ? 1 : 0);
  ended.set_container_id("containerd://m");
  const bool ends =
      policy == v1::RESTART_POLICY_NEVER || (policy == v1::RESTART_POLICY_ON_FAILURE && !failed);
  if (ends) status.set_phase(failed ? v1::PHASE_FAILED : v1::PHASE_SUCCEEDED);
  return status;
}

class FleetStatusReplay : public kube::ControlPlaneTest, public testing::WithParamInterface<const char*> {
 protected:
  static v1::RestartPolicy Policy() {
    const std::string policy = GetParam();
    return policy == "Always"  ? v1::RESTART_POLICY_ALWAYS
           : policy == "Never" ? v1::RESTART_POLICY_NEVER
                               : v1::RESTART_POLICY_ON_FAILURE;
  }
  /// The controller manager ends the pods of nodes that do not exist, on a slow machine in mid-life.
  void SetUp() override {
    const auto made =
        Await<Json>([&](auto done) { api->Create({kube::kNodes, "", "fleet", ""}, Json::object(), done); });
    ASSERT_TRUE(made.ok() || absl::IsAlreadyExists(made.status())) << made.status();
  }
  Json CreatePod(const std::string& name) {
    // The service account is made a moment after its namespace.
    absl::StatusOr<Json> made = absl::UnknownError("");
    RunUntil([&] {
      if (made.ok()) return true;
      made = Await<Json>([&](auto done) {
        api->Create({kube::kPods, "default", name, ""},
                    {{"apiVersion", "v1"},
                     {"kind", "Pod"},
                     {"metadata", {{"name", name}, {"namespace", "default"}}},
                     {"spec",
                      {{"nodeName", "fleet"},
                       {"restartPolicy", GetParam()},
                       {"initContainers", Json::array({{{"name", "init"}, {"image", "app:1"}}})},
                       {"containers", Json::array({{{"name", "main"}, {"image", "app:1"}}})}}}},
                    done);
      });
      return made.ok();
    });
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *made : Json();
  }

  SystemClock clock;
};

TEST_P(FleetStatusReplay, IsAcceptedStepByStep) {
  v1::Workload workload;
  workload.set_restart_policy(Policy());
  workload.add_init_containers()->set_name("init");
  workload.add_containers()->set_name("main");
  int written = 0;
  for (int life = 1; life <= kLives; ++life) {
    SeededRandom chance(static_cast<std::uint64_t>(life));
    std::string name = std::string("replay-") + GetParam() + "-" + std::to_string(life);
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    Json pod = CreatePod(name);
    workload.set_uid(kube::UidOf(pod));
    std::optional<v1::WorkloadStatus> former;
    for (int step = 0; step < kSteps; ++step) {
      std::deque<v1::WorkloadStatus> statuses;
      std::vector<provider::FleetInstance> instances;
      const std::uint64_t hosts = chance.Below(4);
      for (std::uint64_t host = 0; host < hosts; ++host) {
        provider::FleetInstance& instance = instances.emplace_back();
        instance.host = HostId("h" + std::to_string(host));
        instance.reachable = chance.Below(4) != 0;
        const auto stage = static_cast<Stage>(chance.Below(8));
        if (stage == Stage::kUnknown) continue;
        statuses.push_back(At(stage, Policy(), static_cast<int>(chance.Below(4))));
        instance.status = &statuses.back();
      }
      provider::FleetStatus next = provider::Aggregate(workload, provider::FleetTerms(), "fleet", instances,
                                                       {}, former ? &*former : nullptr);
      former = next.status;
      v1::PodReport report;
      *report.mutable_status() = next.status;
      report.mutable_status()->clear_pod_ips();
      report.set_api_pod_ip("198.18.0.7");
      *report.add_conditions() = next.fleet;
      *report.add_conditions() = next.placed;
      const Json patch =
          shim::StatusPatch(pod, shim::ComposeStatus(pod, {.report = &report}, clock.Now()), "");
      if (patch.is_null()) continue;
      const auto answer = Await<Json>([&](auto done) {
        api->Patch({kube::kPods, "default", name, "status"}, kube::PatchType::kStrategicMerge, patch, done);
      });
      ASSERT_TRUE(answer.ok()) << "life " << life << " step " << step << ": " << answer.status() << "\n"
                               << patch.dump(2);
      pod = *answer;
      // What was composed is what is shown: the shim held nothing back to please the server.
      const Json& shown = pod["status"]["containerStatuses"][0]["state"];
      const v1::ContainerState& meant = next.status.containers(0).state();
      EXPECT_EQ(shown.contains("terminated"), meant.has_terminated()) << "life " << life << " step " << step;
      EXPECT_EQ(shown.contains("running"), meant.has_running()) << "life " << life << " step " << step;
      ++written;
      if (shim::IsTerminalPhase(kube::TextAt(pod, {"status", "phase"}))) break;
    }
  }
  EXPECT_GT(written, kLives);
}

INSTANTIATE_TEST_SUITE_P(Policies, FleetStatusReplay, testing::Values("Always", "OnFailure", "Never"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace slicelet
