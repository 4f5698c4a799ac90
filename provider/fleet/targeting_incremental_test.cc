// Random changes of hosts and pods: what `Targeting` makes of each of them is what looking at everything anew
// makes, by the naive ranker.
#include <gtest/gtest.h>

#include <memory>

#include "common/base/random.h"
#include "provider/fleet/targeting.h"
#include "provider/fleet/testing/naive_placement.h"
#include "provider/fleet/testing/shown_targets.h"

namespace slicelet::provider {
namespace {

/// A world that changes, with what is remembered of it on both sides.
class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed) {}

  void Change() {
    switch (random_.Below(8)) {
      case 0:
      case 1:
      case 2:
        return SetHost(HostId("gw-" + std::to_string(random_.Below(6))));
      case 3:
        return RemoveHost(HostId("gw-" + std::to_string(random_.Below(6))));
      case 4:
        targeting_.RemovePod(AnyPod());
        held_.erase(last_);
        pods_.erase(last_);
        return;
      default:
        return SetPod(AnyPod());
    }
  }

  /// What differs; empty: nothing.
  std::string Decide() {
    const bool choose = random_.Below(6) != 0;
    const Targets wanted = naive::TargetsOf(naive::PlacesOf(pods_, hosts_, choose), pods_, hosts_);
    for (const auto& [uid, changes] : targeting_.Run(choose)) {
      for (const auto& [host, verdict] : changes) {
        if (verdict)
          held_[uid][host] = *verdict;
        else
          held_[uid].erase(host);
      }
      held_[uid];
    }
    for (auto& [uid, pod] : pods_) {
      pod.current.clear();
      for (const auto& [host, verdict] : wanted.at(uid)) pod.current.insert(host);
      chosen += pod.terms->placement == FleetTerms::Placement::kAll ? 0 : pod.current.size();
    }
    const std::string right = Shown(wanted);
    if (Shown(targeting_.All()) != right)
      return "decided:\n" + Shown(targeting_.All()) + "should be:\n" + right;
    if (Shown(held_) != right) return "told:\n" + Shown(held_) + "should be:\n" + right;
    return "";
  }

  std::size_t chosen = 0;

 private:
  template <typename Value>
  Value Pick(const std::vector<Value>& from) {
    return from[random_.Below(from.size())];
  }
  bool Rarely() { return random_.Below(6) == 0; }
  PodUid AnyPod() { return last_ = PodUid("uid-" + std::to_string(random_.Below(7))); }

  void SetHost(const HostId& id) {
    TargetHost& host = hosts_[id];
    host.id = id;
    host.facts.host = id.value();
    host.facts.tags["site"] = Pick<std::string>({"north", "south"});
    host.facts.reported["architecture"] = Pick<std::string>({"arm64", "amd64"});
    host.heard = !Rarely();
    host.takes_new = !Rarely();
    host.reachable = !Rarely();
    host.allocatable_cpu_milli = static_cast<std::int64_t>(random_.Below(4)) * 1'000;
    host.allocatable_memory_bytes = static_cast<std::int64_t>(1 + random_.Below(3)) * 1'000;
    host.taken = {};
    if (Rarely()) host.taken.ports.insert({"TCP", 80});
    host.taken.cpu_milli = static_cast<std::int64_t>(random_.Below(3)) * 400;
    host.leaving.cpu_milli = Rarely() ? 700 : 0;
    host.receive_rate = Rarely() ? std::nullopt : std::optional<std::uint64_t>(random_.Below(3));
    targeting_.SetHost(host);
  }
  void RemoveHost(const HostId& id) {
    hosts_.erase(id);
    for (auto& [uid, pod] : pods_) {
      if (!pod.frozen) pod.current.erase(id);
    }
    targeting_.RemoveHost(id);
  }
  void SetPod(const PodUid& uid) {
    const std::string placement = Pick<std::string>({"all", "worst-fit", "best-fit", "traffic-most"});
    std::map<std::string, std::string> annotations{{"slicelet.io/placement", placement}};
    if (placement != "all") annotations["slicelet.io/hosts"] = std::to_string(1 + random_.Below(3));
    annotations["slicelet.io/target-condition"] =
        Pick<std::string>({"*", "tags.site = 'north'", "NOT tags.site = 'north'",
                           "hostId IN ['gw-1', 'gw-2', 'gw-3']", "properties.reported.architecture = 'arm64'",
                           "tags.site = 'south' AND properties.reported.architecture != 'arm64'"});
    if (random_.Below(4) == 0) annotations["slicelet.io/layered"] = "false";
    auto terms = std::make_shared<FleetTerms>();
    EXPECT_TRUE(ReadFleetTerms(annotations, *terms).empty());
    TargetPod& pod = pods_[uid];
    pod.uid = uid;
    pod.name = "ns/" + uid.value();
    pod.terms = terms;
    pod.priority = static_cast<std::int32_t>(random_.Below(3));
    pod.created = static_cast<std::int64_t>(random_.Below(4));
    pod.claim = {};
    pod.claim.cpu_milli = static_cast<std::int64_t>(random_.Below(3)) * 500;
    pod.claim.memory_bytes = static_cast<std::int64_t>(random_.Below(3)) * 300;
    if (random_.Below(3) == 0) pod.claim.ports.insert({"TCP", 80});
    pod.frozen = Rarely();
    pod.finished.clear();
    pod.expired.clear();
    if (!pod.current.empty() && Rarely()) pod.finished.insert(*pod.current.begin());
    if (!pod.current.empty() && Rarely()) pod.expired.insert(*pod.current.rbegin());
    if (!pod.current.empty() && Rarely()) pod.current.erase(pod.current.begin());
    targeting_.SetPod(pod);
  }

  SeededRandom random_;
  naive::Hosts hosts_;
  naive::Pods pods_;
  PodUid last_;
  Targeting targeting_;
  /// Put together from what was reported.
  Targets held_;
};

TEST(TargetingProperty, ChangesOneByOneGiveWhatLookingAtEverythingGives) {
  constexpr std::uint64_t kWorlds = 400;
  constexpr int kSteps = 40;
  std::size_t chosen = 0;
  for (std::uint64_t seed = 0; seed < kWorlds; ++seed) {
    World world(seed);
    SeededRandom random(seed + kWorlds);
    for (int step = 0; step < kSteps; ++step) {
      for (std::uint64_t changes = random.Below(4); changes > 0; --changes) world.Change();
      const std::string difference = world.Decide();
      ASSERT_EQ(difference, "") << "seed " << seed << " step " << step;
    }
    chosen += world.chosen;
  }
  EXPECT_GT(chosen, kWorlds) << "a test that chooses nothing proves nothing";
}

}  // namespace
}  // namespace slicelet::provider
