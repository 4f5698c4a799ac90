#include <gtest/gtest.h>

#include <map>

#include "provider/fleet/targeting.h"

namespace slicelet::provider {
namespace {

constexpr std::int64_t kMi = std::int64_t{1} << 20;

/// A pod that wants one of many hosts, each of them wrong in another way.
class ExplainTest : public testing::Test {
 protected:
  ExplainTest() {
    EXPECT_TRUE(ReadFleetTerms({{"slicelet.io/placement", "worst-fit"},
                                {"slicelet.io/target-condition", "tags.site = 'north'"}},
                               *terms_)
                    .empty());
    pod_.uid = PodUid("u1");
    pod_.name = "ns/web";
    pod_.terms = terms_;
    pod_.claim.cpu_milli = 500;
    pod_.claim.memory_bytes = 64 * kMi;
    pod_.claim.ports = {{"TCP", 80}};
  }

  TargetHost Host(const std::string& id) {
    TargetHost host;
    host.id = HostId(id);
    host.facts = {.host = id, .tags = {{"site", "north"}}, .reported = {}};
    host.allocatable_cpu_milli = 4'000;
    host.allocatable_memory_bytes = 1'024 * kMi;
    return host;
  }
  HostExplanation Of(const std::string& id) {
    for (HostExplanation& one : targeting_.Explain(pod_.uid)) {
      if (one.host.value() == id) return one;
    }
    ADD_FAILURE() << "nothing is said of " << id;
    return {};
  }
  void Run() {
    targeting_.SetPod(pod_);
    targeting_.Run();
  }

  std::shared_ptr<FleetTerms> terms_ = std::make_shared<FleetTerms>();
  TargetPod pod_;
  Targeting targeting_;
};

TEST_F(ExplainTest, SaysWhyEachHostIsNotChosen) {
  TargetHost south = Host("south"), small = Host("small"), full = Host("full"), away = Host("away"),
             workshop = Host("workshop"), port = Host("port"), unknown = Host("unknown"), good = Host("good");
  south.facts.tags["site"] = "south";
  small.allocatable_memory_bytes = 32 * kMi;
  full.taken.cpu_milli = 3'700;
  away.reachable = false;
  workshop.takes_new = false;
  port.taken.ports = {{"TCP", 80}};
  unknown.allocatable_cpu_milli = 0;
  good.receive_rate = 1'234;
  TargetHost second = Host("second");
  second.taken.cpu_milli = 1'000;
  for (const TargetHost* host : {&south, &small, &full, &away, &workshop, &port, &unknown, &good, &second})
    targeting_.SetHost(*host);
  Run();
  EXPECT_TRUE(Of("good").chosen);
  EXPECT_TRUE(Of("good").matched);
  EXPECT_EQ(Of("good").reason, "");
  EXPECT_EQ(Of("good").receive_rate, 1'234U);
  EXPECT_EQ(Of("good").free, (Room{3'500, 960 * kMi}));
  EXPECT_EQ(Of("good").max_replicas, 7);
  EXPECT_FALSE(Of("south").matched);
  EXPECT_EQ(Of("south").reason, "condition not met: tags.site = 'north', but tags.site is \"south\"");
  EXPECT_EQ(Of("small").reason, "no room: memory: needs 64Mi, 32Mi is free");
  EXPECT_EQ(Of("small").max_replicas, 0);
  EXPECT_EQ(Of("full").reason, "no room: cpu: needs 500m, 300m is free");
  EXPECT_EQ(Of("away").reason, "out of reach");
  EXPECT_EQ(Of("workshop").reason, "in maintenance, takes nothing new: spec.maintenance of the EdgeHost");
  EXPECT_EQ(Of("port").reason, "a pod of the host's node has host port 80/TCP");
  EXPECT_EQ(Of("unknown").reason, "has not told its size");
  EXPECT_EQ(Of("unknown").free, std::nullopt);
  EXPECT_EQ(Of("second").reason, "eligible, but the pod has its 1 host");
}

TEST_F(ExplainTest, NamesWhoHasItsPlace) {
  TargetPod other;
  other.uid = PodUid("u2");
  other.name = "ns/other";
  other.terms = std::make_shared<FleetTerms>();
  other.priority = 1;
  other.claim.ports = {{"TCP", 80}};
  pod_.current = {HostId("a")};
  targeting_.SetHost(Host("a"));
  targeting_.SetPod(other);
  Run();
  EXPECT_FALSE(Of("a").chosen);
  EXPECT_EQ(Of("a").reason, "superseded: pod ns/other has host port 80/TCP");
}

TEST_F(ExplainTest, AHostThatWasNotHeardAnswersNoQuestion) {
  terms_->condition = *TargetCondition::Parse("properties.reported.architecture = 'arm64'");
  TargetHost silent = Host("silent");
  silent.heard = false;
  targeting_.SetHost(silent);
  Run();
  EXPECT_EQ(Of("silent").reason,
            "the condition asks the host, which has not been heard since the hub started");
}

TEST_F(ExplainTest, OfAPodThatIsNotKnownNothingIsSaid) {
  targeting_.SetHost(Host("a"));
  EXPECT_TRUE(targeting_.Explain(PodUid("nobody")).empty());
}

}  // namespace
}  // namespace slicelet::provider
