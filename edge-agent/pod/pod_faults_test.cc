#include <gtest/gtest.h>

#include "edge-agent/pod/testing/pod_host.h"

namespace slicelet::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// Random kills, reboots, runtime outages, lost events, crashes and changes; then quiet.
class PodFaults : public ::testing::TestWithParam<int> {};

TEST_P(PodFaults, ConvergeWithoutEverRunningAnythingTwice) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const std::uint64_t number = static_cast<std::uint64_t>(GetParam()) * 1000 + seed;
    SCOPED_TRACE("seed " + std::to_string(number));
    SeededRandom random(number);
    PodHost host;
    host.runtime_host.images["app:2"].pull_time = seconds(2);
    std::vector<v1::Workload> pods;
    for (int i = 0; i < 4; ++i) {
      v1::Workload pod = host.Pod("u" + std::to_string(i));
      pod.set_restart_policy(static_cast<v1::RestartPolicy>(i % 3));
      if (i == 1) pod.mutable_containers(0)->set_image("job");
      if (i == 3) {
        *pod.add_init_containers() = host.MakeContainer("setup", "job");
        v1::Container sidecar = host.MakeContainer("sidecar", "app");
        sidecar.set_sidecar(true);
        *pod.add_init_containers() = sidecar;
      }
      pods.push_back(pod);
    }
    host.Apply(pods);
    bool job_done = false;
    for (int step = 0; step < 40; ++step) {
      host.loop.Advance(milliseconds(random.Below(random.Below(4) == 0 ? 20'000 : 120)));
      if (host.agent && host.Status("u1").phase() == v1::PHASE_SUCCEEDED) job_done = true;
      const int jobs = host.runtime_host.StartCount("u1", "main");
      switch (random.Below(8)) {
        case 0:
          host.Kill();
          host.loop.Advance(milliseconds(random.Below(200)));
          host.StartAgent();
          break;
        case 1:
          host.Reboot();
          host.StartAgent();
          break;
        case 2:
          host.runtime_host.Restart(milliseconds(random.Below(3000)));
          break;
        case 3:
          host.runtime_host.LoseEvents(random.Below(2) == 0);
          break;
        case 4:
          for (const auto& [name, id] : host.runtime_host.Running("u" + std::to_string(random.Below(4)))) {
            host.runtime_host.Kill(id, 9);
          }
          break;
        case 5:
          pods[0].mutable_containers(0)->set_image(random.Below(2) == 0 ? "app" : "app:2");
          host.Apply(pods);
          break;
        case 6:
          if (!host.runtime_host.sandboxes().empty()) {
            host.runtime_host.KillSandbox(host.runtime_host.sandboxes().begin()->first);
          }
          break;
        default:
          host.store.SetDiskFull(random.Below(4) == 0);
          break;
      }
      if (job_done) {
        ASSERT_EQ(host.runtime_host.StartCount("u1", "main"), jobs) << "a finished job ran again";
      }
      ASSERT_TRUE(host.runtime_host.violations().empty()) << host.runtime_host.violations()[0];
    }
    host.store.SetDiskFull(false);
    host.runtime_host.LoseEvents(false);
    host.loop.Advance(minutes(15));
    ASSERT_TRUE(host.runtime_host.violations().empty()) << host.runtime_host.violations()[0];
    EXPECT_TRUE(host.IsReady("u0")) << host.Status("u0").DebugString();
    EXPECT_TRUE(host.IsReady("u3")) << host.Status("u3").DebugString();
    EXPECT_EQ(host.Status("u1").phase(), v1::PHASE_SUCCEEDED) << host.Status("u1").DebugString();
    for (const char* uid : {"u0", "u3"}) {
      EXPECT_EQ(host.runtime_host.Running(uid).count("main"), 1U);
    }
    host.Apply({});
    host.loop.Advance(minutes(2));
    EXPECT_TRUE(host.runtime_host.sandboxes().empty());
    EXPECT_TRUE(host.store.records().empty());
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, PodFaults, ::testing::Range(0, 2));

}  // namespace
}  // namespace slicelet::agent
