// What the provider does for every change of a pod.
#include <benchmark/benchmark.h>

#include <nlohmann/json.hpp>

#include "common/base/encoding.h"
#include "common/base/testing/fake_clock.h"
#include "common/crypto/signing.h"
#include "common/json/json.h"
#include "common/loop/testing/sim_loop.h"
#include "provider/manifest/host_manifest.h"
#include "provider/store/testing/memory_hub_store.h"
#include "provider/translate/translate.h"
#include "tests/bench/sample_pod.h"

namespace slicelet::provider {
namespace {

void BM_TranslatePod(benchmark::State& state) {
  const Json pod = *ParseJson(bench::SamplePod());
  for (auto _ : state) {
    auto translated = Translate(pod, {});
    benchmark::DoNotOptimize(SerializeDeployment(std::get<Translation>(translated)));
  }
}
BENCHMARK(BM_TranslatePod);

/// One pod of a host's changes: the whole manifest is drafted, numbered, signed and handed to the store.
void BM_SignManifest(benchmark::State& state) {
  SimLoop loop;
  FakeClock clock(loop);
  MemoryHubStore store(loop);
  BlobShelf shelf(store);
  const auto signer = MakeSignerFromSeed(std::string(32, 's'));
  const std::string workload =
      SerializeDeployment(std::get<Translation>(Translate(*ParseJson(bench::SamplePod()), {})));
  Deployments deployments;
  for (int i = 0; i < state.range(0); ++i) {
    const std::string uid = "uid-" + std::to_string(i);
    v1::Deployment& deployment = deployments[PodUid(uid)];
    deployment.set_uid(uid);
    deployment.set_name("web-" + std::to_string(i));
    deployment.set_digest(Sha256(workload + uid).value());
  }
  HostManifest manifest("hub", HostId("gw-1"), {}, {loop, clock, store, shelf, *signer},
                        {[&](ManifestDraft& draft) {
                           draft.deployments = deployments;
                           return true;
                         },
                         [](const std::map<Digest, std::string>&) {}});
  std::int64_t generation = 0;
  for (auto _ : state) {
    deployments.begin()->second.set_pod_generation(++generation);
    manifest.Touch();
    loop.Advance(std::chrono::milliseconds(10));
  }
  if (manifest.generation().number < static_cast<std::uint64_t>(generation))
    state.SkipWithError("not every change was signed");
}
BENCHMARK(BM_SignManifest)->Arg(1)->Arg(10)->Arg(100);

}  // namespace
}  // namespace slicelet::provider

BENCHMARK_MAIN();
