#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/random.h"
#include "provider/fleet/targeting.h"

namespace slicelet::provider {

/// Some pods and hosts, with claims that collide, and with gaps in what is known. The same seed makes the
/// same.
class RandomFleet {
 public:
  explicit RandomFleet(std::uint64_t seed) : random_(seed) {
    for (std::uint64_t n = 1 + random_.Below(9); n > 0; --n) AddHost(n);
    for (std::uint64_t n = 1 + random_.Below(8); n > 0; --n) AddPod(n);
  }

  std::vector<TargetHost> hosts;
  std::vector<TargetPod> pods;

  /// Makes a result the present state.
  void Keep(const Targets& targets) {
    for (TargetPod& pod : pods) {
      pod.current.clear();
      for (const auto& [host, verdict] : targets.at(pod.uid)) pod.current.insert(host);
    }
  }
  void Shuffle() {
    for (std::size_t i = hosts.size(); i > 1; --i) std::swap(hosts[i - 1], hosts[random_.Below(i)]);
    for (std::size_t i = pods.size(); i > 1; --i) std::swap(pods[i - 1], pods[random_.Below(i)]);
  }

  /// Pods have had hosts before, wherever.
  void GivePast() {
    for (TargetPod& pod : pods) {
      for (const TargetHost& host : hosts) {
        if (Rarely()) pod.current.insert(host.id);
      }
      if (Rarely()) pod.current.insert(HostId("gone"));
    }
    Live();
  }
  /// Time passes: of hosts and pods some change, and some come and go.
  void Live() {
    for (TargetHost& host : hosts) {
      if (random_.Below(3) == 0) Measure(host);
      if (Rarely()) host.takes_new = !host.takes_new;
      if (Rarely()) host.reachable = !host.reachable;
      if (Rarely()) host.facts.tags["site"] = AnySite();
      host.leaving = Rarely() ? AnyRoom() : Room();
    }
    if (!hosts.empty() && Rarely()) hosts.pop_back();
    if (!pods.empty() && Rarely()) pods.pop_back();
    if (Rarely()) AddPod(10 + added_++);
    for (TargetPod& pod : pods) {
      pod.frozen = random_.Below(12) == 0;
      pod.expired.clear();
      for (const HostId& host : pod.current) {
        if (Rarely()) pod.expired.insert(host);
        if (Rarely()) pod.finished.insert(host);
      }
    }
  }

 private:
  static constexpr std::int64_t kMi = std::int64_t{1} << 20;

  bool Rarely() { return random_.Below(6) == 0; }
  std::int64_t Few(std::uint64_t below) { return static_cast<std::int64_t>(random_.Below(below)); }
  std::string AnySite() { return random_.Below(2) == 0 ? "north" : "south"; }
  Room AnyRoom() { return {Few(4) * 250, Few(4) * 64 * kMi}; }
  HostClaim AnyClaim() {
    HostClaim claim;
    const Room room = AnyRoom();
    claim.cpu_milli = room.cpu_milli;
    claim.memory_bytes = room.memory_bytes;
    claim.without_cpu = static_cast<int>(random_.Below(3));
    claim.without_memory = static_cast<int>(random_.Below(3));
    return claim;
  }
  /// Few different figures, so that many are equal.
  void Measure(TargetHost& host) {
    const std::uint64_t kRates[] = {0, 1, 1'000, 1'000'000, ~std::uint64_t{0}};
    host.receive_rate.reset();
    if (random_.Below(3) != 0) host.receive_rate = kRates[random_.Below(5)];
  }

  void AddHost(std::uint64_t n) {
    TargetHost& host = hosts.emplace_back();
    host.id = HostId("gw-" + std::to_string(n));
    host.facts.host = host.id.value();
    host.facts.tags["site"] = AnySite();
    host.heard = !Rarely();
    if (random_.Below(2) == 0) host.facts.reported["gpu"] = "yes";
    host.takes_new = !Rarely();
    host.reachable = !Rarely();
    host.allocatable_cpu_milli = Few(4) * 1'000;
    host.allocatable_memory_bytes = Few(5) * 256 * kMi;
    if (random_.Below(2) == 0) host.taken = AnyClaim();
    if (random_.Below(4) == 0) host.taken.ports.insert({"TCP", 80});
    Measure(host);
  }
  void AddPod(std::uint64_t n) {
    const char* const kPlacements[] = {"all", "worst-fit", "best-fit", "traffic-most"};
    const std::string placement = kPlacements[random_.Below(4)];
    std::map<std::string, std::string> annotations{{"slicelet.io/placement", placement}};
    if (placement != "all") annotations["slicelet.io/hosts"] = std::to_string(1 + random_.Below(3));
    const char* const kConditions[] = {"*", "*", "tags.site = 'north'", "properties.reported.gpu = 'yes'"};
    annotations["slicelet.io/target-condition"] = kConditions[random_.Below(4)];
    if (random_.Below(4) == 0) annotations["slicelet.io/layered"] = "false";
    auto terms = std::make_shared<FleetTerms>();
    EXPECT_TRUE(ReadFleetTerms(annotations, *terms).empty());
    TargetPod& pod = pods.emplace_back();
    pod.uid = PodUid("uid-" + std::to_string(n));
    pod.name = "ns/pod-" + std::to_string(n);
    pod.terms = terms;
    pod.priority = static_cast<std::int32_t>(random_.Below(3));
    pod.created = Few(4);
    pod.claim = AnyClaim();
    if (random_.Below(3) == 0) pod.claim.ports.insert({"TCP", 80});
  }

  SeededRandom random_;
  std::uint64_t added_ = 0;
};

}  // namespace slicelet::provider
