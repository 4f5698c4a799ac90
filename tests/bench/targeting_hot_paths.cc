// Which of 10,000 hosts each of 1,000 pods is for: one tag changes, one host comes back, everything anew.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "provider/fleet/targeting.h"

namespace slicelet::provider {
namespace {

constexpr int kHosts = 10'000;
constexpr int kPods = 1'000;
constexpr int kSites = 50;
constexpr int kRings = 4;

std::string Name(const char* what, int number) { return what + std::to_string(number); }

TargetHost Host(int number) {
  TargetHost host;
  host.id = HostId(Name("gw-", number));
  host.facts.host = host.id.value();
  host.facts.tags = {{"site", Name("site-", number % kSites)},
                     {"ring", std::to_string(number / kSites % kRings)},
                     {"serial", std::to_string(number)},
                     {"owner", "plant"}};
  host.facts.reported = {{"architecture", number % 3 == 0 ? "arm64" : "amd64"},
                         {"agentVersion", "1.0"},
                         {"cpuMilli", "4000"},
                         {"operatingSystem", "linux"}};
  host.allocatable_cpu_milli = 4'000;
  host.allocatable_memory_bytes = std::int64_t{4} << 30;
  host.receive_rate = static_cast<std::uint64_t>(number) * 7'919 % 100'000;
  return host;
}

/// Of a hundred hosts or two, by an equality, by a range that no index helps with, or by name; one of ten
/// chooses five of them.
std::map<std::string, std::string> Annotations(int number) {
  const std::string site = "tags.site = '" + Name("site-", number % kSites) + "'";
  const char* const kPlacements[] = {"worst-fit", "best-fit", "traffic-most"};
  switch (number % 10) {
    case 0:
      return {{"slicelet.io/target-condition", site},
              {"slicelet.io/placement", kPlacements[number / 10 % 3]},
              {"slicelet.io/hosts", "5"}};
    case 1:
      return {{"slicelet.io/target-condition",
               "deviceId IN ['" + Name("gw-", number) + "', '" + Name("gw-", number + 1) + "']"}};
    case 2:
    case 3:
      return {{"slicelet.io/target-condition", "tags.serial >= " + std::to_string(number * 9) +
                                                   " AND tags.serial < " + std::to_string(number * 9 + 100) +
                                                   " AND properties.reported.architecture = 'amd64'"}};
    case 4:
      return {{"slicelet.io/target-condition", "NOT tags.serial < " + std::to_string(number * 9) +
                                                   " AND (tags.serial < " + std::to_string(number * 9 + 50) +
                                                   " OR tags.serial = '0')"}};
    default:
      return {
          {"slicelet.io/target-condition", site + " AND tags.ring <= " + std::to_string(number % kRings)}};
  }
}

TargetPod MakePod(int number) {
  auto terms = std::make_shared<FleetTerms>();
  if (!ReadFleetTerms(Annotations(number), *terms).empty()) std::abort();
  TargetPod pod;
  pod.uid = PodUid(Name("uid-", number));
  pod.name = Name("ns/pod-", number);
  pod.terms = std::move(terms);
  pod.created = number;
  pod.claim.cpu_milli = 20;
  pod.claim.memory_bytes = std::int64_t{16} << 20;
  if (number % 20 == 0) pod.claim.ports.insert({"TCP", 8'000 + number / kSites});
  return pod;
}

struct Fleet {
  Fleet() {
    for (int i = 0; i < kHosts; ++i) hosts.push_back(Host(i));
    for (int i = 0; i < kPods; ++i) pods.push_back(MakePod(i));
  }
  void Fill(Targeting& targeting) const {
    for (const TargetHost& host : hosts) targeting.SetHost(host);
    for (const TargetPod& pod : pods) targeting.SetPod(pod);
  }
  std::vector<TargetHost> hosts;
  std::vector<TargetPod> pods;
};

/// A host moves to another site: some pods leave it, others come.
void BM_TargetsAfterATagChange(benchmark::State& state) {
  const Fleet fleet;
  Targeting targeting;
  fleet.Fill(targeting);
  targeting.Run();
  int turn = 0;
  std::size_t moved = 0;
  for (auto _ : state) {
    TargetHost host = fleet.hosts[static_cast<std::size_t>(turn * 37 % kHosts)];
    host.facts.tags["site"] = Name("site-", ++turn % kSites);
    targeting.SetHost(std::move(host));
    moved += targeting.Run().size();
  }
  if (moved == 0) state.SkipWithError("nothing moved");
}
BENCHMARK(BM_TargetsAfterATagChange);

/// A pod comes and goes.
void BM_TargetsAfterAPodChange(benchmark::State& state) {
  const Fleet fleet;
  Targeting targeting;
  fleet.Fill(targeting);
  targeting.Run();
  int turn = 0;
  for (auto _ : state) {
    TargetPod pod = MakePod(kPods + turn++ % kPods);
    const PodUid uid = pod.uid;
    targeting.SetPod(std::move(pod));
    benchmark::DoNotOptimize(targeting.Run());
    targeting.RemovePod(uid);
    benchmark::DoNotOptimize(targeting.Run());
  }
}
BENCHMARK(BM_TargetsAfterAPodChange);

void BM_TargetsOfEverything(benchmark::State& state) {
  const Fleet fleet;
  std::size_t targets = 0;
  for (auto _ : state) {
    Targeting targeting;
    fleet.Fill(targeting);
    targets = 0;
    for (const auto& [uid, hosts] : targeting.Run()) targets += hosts.size();
  }
  state.counters["targets"] = static_cast<double>(targets);
}
BENCHMARK(BM_TargetsOfEverything);

}  // namespace
}  // namespace slicelet::provider

BENCHMARK_MAIN();
