// What the shim does for every event of every pod.
#include <benchmark/benchmark.h>

#include <nlohmann/json.hpp>

#include "common/json/json.h"
#include "kubelet-shim/env/environment.h"
#include "kubelet-shim/pod/pod_status.h"
#include "tests/bench/sample_pod.h"

namespace slicelet::shim {
namespace {

constexpr std::int64_t kStarted = 1'767'225'600'000'000'000;

v1::PodReport Report() {
  v1::PodReport report;
  report.set_api_pod_ip("198.18.0.7");
  v1::WorkloadStatus& status = *report.mutable_status();
  status.set_phase(v1::PHASE_RUNNING);
  status.set_pod_generation(1);
  status.set_start_time(kStarted);
  status.set_host_ip("10.0.0.9");
  status.add_pod_ips("10.88.0.3");
  for (const char* name : {"main", "proxy"}) {
    v1::ContainerStatus& container = *status.add_containers();
    container.set_name(name);
    container.set_image("registry.example/" + std::string(name));
    container.set_container_id("containerd://0123456789abcdef");
    container.set_ready(true);
    container.set_started(true);
    container.mutable_state()->mutable_running()->set_started_at(kStarted);
  }
  for (const char* type : {"PodReadyToStartContainers", "Initialized", "ContainersReady"}) {
    v1::Condition& condition = *status.add_conditions();
    condition.set_type(type);
    condition.set_status(true);
    condition.set_last_transition(kStarted);
  }
  return report;
}

void BM_ParsePod(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(ParseJson(bench::SamplePod()));
}
BENCHMARK(BM_ParsePod);

void BM_DumpPod(benchmark::State& state) {
  const Json pod = *ParseJson(bench::SamplePod());
  for (auto _ : state) benchmark::DoNotOptimize(DumpJson(pod));
}
BENCHMARK(BM_DumpPod);

void BM_ResolveEnvironment(benchmark::State& state) {
  const Json pod = *ParseJson(bench::SamplePod());
  for (auto _ : state) {
    benchmark::DoNotOptimize(ResolveEnvironment(pod, [](const ReferentKey&) { return nullptr; }, {}));
  }
}
BENCHMARK(BM_ResolveEnvironment);

void BM_MergeStatus(benchmark::State& state) {
  const Json pod = *ParseJson(bench::SamplePod());
  const v1::PodReport report = Report();
  for (auto _ : state) {
    const Json status = ComposeStatus(pod, {.report = &report}, FromUnixNanos(kStarted));
    benchmark::DoNotOptimize(StatusPatch(pod, status, "10.88.0.3"));
  }
}
BENCHMARK(BM_MergeStatus);

}  // namespace
}  // namespace slicelet::shim

BENCHMARK_MAIN();
