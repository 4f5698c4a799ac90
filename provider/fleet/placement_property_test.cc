// Random fleets that live for a while, compared with a ranker that is too simple to be wrong.
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "provider/fleet/targeting.h"
#include "provider/fleet/testing/naive_placement.h"
#include "provider/fleet/testing/random_fleet.h"
#include "provider/fleet/testing/shown_targets.h"

namespace slicelet::provider {
namespace {

/// What has to be seen often for the test to prove anything.
struct Seen {
  int worst_fit = 0, best_fit = 0, traffic_most = 0;
  /// Of equals the first, of what is not known nothing, and what was chosen before.
  int ties = 0, without_rate = 0, without_size = 0, kept = 0;
};

std::string Shown(const RandomFleet& fleet) {
  std::string text;
  for (const TargetHost& host : fleet.hosts) {
    text += host.id.value() + " " + std::to_string(host.allocatable_cpu_milli) + "m " +
            std::to_string(host.allocatable_memory_bytes) + " rate " +
            (host.receive_rate ? std::to_string(*host.receive_rate) : "-") + " site " +
            host.facts.tags.at("site") + (host.heard ? "" : " unheard") + (host.takes_new ? "" : " full") +
            (host.reachable ? "" : " away") + "\n";
  }
  for (const TargetPod& pod : fleet.pods) {
    text += pod.uid.value() + " " + NameOf(pod.terms->placement) + " " + std::to_string(pod.terms->hosts) +
            " priority " + std::to_string(pod.priority) + " created " + std::to_string(pod.created) +
            (pod.frozen ? " frozen" : "") + " had";
    for (const HostId& host : pod.current) text += " " + host.value();
    text += " expired";
    for (const HostId& host : pod.expired) text += " " + host.value();
    text += "\n";
  }
  return text;
}

struct Model {
  explicit Model(const RandomFleet& fleet) {
    for (const TargetPod& pod : fleet.pods) pods.emplace(pod.uid, pod);
    for (const TargetHost& host : fleet.hosts) hosts.emplace(host.id, host);
    places = naive::PlacesOf(pods, hosts);
  }
  naive::Pods pods;
  naive::Hosts hosts;
  naive::Places places;
};

/// What is said of hosts; empty: nothing of it is wrong.
std::string WrongExplanations(const Targeting& targeting, const Model& model) {
  for (const auto& [uid, pod] : model.pods) {
    for (const HostExplanation& one : targeting.Explain(uid)) {
      const TargetHost& host = model.hosts.at(one.host);
      const std::string of = uid.value() + " at " + one.host.value() + ": ";
      const bool sized = host.allocatable_cpu_milli != 0 && host.allocatable_memory_bytes != 0;
      if (one.free.has_value() != sized || one.max_replicas.has_value() != sized) return of + "its size";
      if (one.chosen != one.reason.empty()) return of + "chosen, and " + one.reason;
      if (!sized) continue;
      const Room free = naive::FreeAt(host, model.pods, model.places);
      if (*one.free != free) return of + "what is free";
      const std::int64_t room = naive::RoomFor(naive::Counted(pod.claim), free);
      if (*one.max_replicas != room) {
        return of + "room for " + std::to_string(*one.max_replicas) + ", not for " + std::to_string(room);
      }
    }
  }
  return "";
}

void Count(const Model& model, Seen& seen) {
  const naive::Places before = naive::Kept(model.pods, model.hosts);
  for (const auto& [uid, pod] : model.pods) {
    using Placement = FleetTerms::Placement;
    if (pod.frozen || pod.terms->placement == Placement::kAll) continue;
    std::map<std::uint64_t, int> ranks;
    for (const auto& [id, host] : model.hosts) {
      const auto rank = naive::RankAt(host, pod, model.pods, before);
      if (rank) seen.ties += ranks[*rank]++ == 0 ? 0 : 1;
      if (host.allocatable_cpu_milli == 0) ++seen.without_size;
    }
    for (const HostId& id : model.places.at(uid)) {
      if (before.at(uid).count(id) != 0) {
        ++seen.kept;
        continue;
      }
      const TargetHost& host = model.hosts.at(id);
      if (pod.terms->placement == Placement::kTrafficMost && !host.receive_rate) ++seen.without_rate;
      if (pod.terms->placement == Placement::kWorstFit) ++seen.worst_fit;
      if (pod.terms->placement == Placement::kBestFit) ++seen.best_fit;
      if (pod.terms->placement == Placement::kTrafficMost) ++seen.traffic_most;
    }
  }
}

TEST(PlacementProperty, HostsAreChosenAsANaiveRankerChoosesThem) {
  constexpr std::uint64_t kFleets = 3'000;
  constexpr int kRounds = 3;
  Seen seen;
  for (std::uint64_t seed = 0; seed < kFleets; ++seed) {
    RandomFleet fleet(seed);
    if (seed % 2 == 1) fleet.GivePast();
    for (int round = 0; round < kRounds; ++round) {
      const Model model(fleet);
      const Targets wanted = naive::TargetsOf(model.places, model.pods, model.hosts);
      Targeting targeting;
      for (const TargetHost& host : fleet.hosts) targeting.SetHost(host);
      for (const TargetPod& pod : fleet.pods) targeting.SetPod(pod);
      targeting.Run();
      ASSERT_EQ(Shown(targeting.All()), Shown(wanted)) << "seed " << seed << " round " << round << ", with\n"
                                                       << Shown(fleet);
      ASSERT_EQ(WrongExplanations(targeting, model), "") << "seed " << seed << " round " << round;
      Count(model, seen);
      fleet.Keep(wanted);
      fleet.Live();
    }
  }
  for (const int often : {seen.worst_fit, seen.best_fit, seen.traffic_most, seen.ties, seen.without_rate,
                          seen.without_size, seen.kept}) {
    EXPECT_GT(often, 500) << "a test that never sees it proves nothing";
  }
}

}  // namespace
}  // namespace slicelet::provider
