#include "provider/fleet/targeting.h"

#include <gtest/gtest.h>

#include <memory>

namespace slicelet::provider {
namespace {

using Hosts = std::set<std::string>;

class TargetingTest : public testing::Test {
 protected:
  TargetingTest() {
    for (const char* id : {"a", "b", "c"}) AddHost(id);
  }

  TargetHost& AddHost(const std::string& id) {
    TargetHost& host = hosts_.emplace_back();
    host.id = HostId(id);
    host.facts.host = id;
    host.allocatable_cpu_milli = 4'000;
    host.allocatable_memory_bytes = 4'000;
    return host;
  }
  TargetHost& Host(const std::string& id) {
    for (TargetHost& host : hosts_) {
      if (host.id.value() == id) return host;
    }
    return AddHost(id);
  }
  TargetPod& AddPod(const std::string& uid, const std::map<std::string, std::string>& annotations = {}) {
    auto terms = std::make_shared<FleetTerms>();
    EXPECT_TRUE(ReadFleetTerms(annotations, *terms).empty());
    TargetPod& pod = pods_.emplace_back();
    pod.uid = PodUid(uid);
    pod.name = "ns/" + uid;
    pod.terms = terms;
    pod.priority = terms->priority.value_or(0);
    pod.created = static_cast<std::int64_t>(pods_.size());
    return pod;
  }
  void Run() { targets_ = SelectTargets(pods_, hosts_); }
  /// Where it runs.
  Hosts Of(const std::string& uid) { return Which(uid, false); }
  Hosts SupersededOf(const std::string& uid) { return Which(uid, true); }
  /// Makes the last result the present state.
  void Keep() {
    for (TargetPod& pod : pods_) {
      pod.current.clear();
      for (const auto& [host, verdict] : targets_[pod.uid]) pod.current.insert(host);
    }
  }

  std::vector<TargetHost> hosts_;
  std::vector<TargetPod> pods_;
  Targets targets_;

 private:
  Hosts Which(const std::string& uid, bool superseded) {
    Hosts hosts;
    for (const auto& [host, verdict] : targets_[PodUid(uid)]) {
      if (verdict.superseded.empty() != superseded) hosts.insert(host.value());
    }
    return hosts;
  }
};

TEST_F(TargetingTest, APodIsForEveryHostThatMatches) {
  Host("a").facts.tags["site"] = "north";
  Host("c").facts.tags["site"] = "north";
  AddPod("all");
  AddPod("north", {{"slicelet.io/target-condition", "tags.site = 'north'"}});
  Run();
  EXPECT_EQ(Of("all"), (Hosts{"a", "b", "c"}));
  EXPECT_EQ(Of("north"), (Hosts{"a", "c"}));
  Host("a").facts.tags.clear();
  Host("b").facts.tags["site"] = "north";
  Keep();
  Run();
  EXPECT_EQ(Of("north"), (Hosts{"b", "c"})) << "a changed tag moves it";
}

TEST_F(TargetingTest, AHostInMaintenanceKeepsWhatItHasAndGetsNothingNew) {
  Host("a").takes_new = false;
  AddPod("old").current = {HostId("a")};
  AddPod("new");
  Run();
  EXPECT_EQ(Of("old"), (Hosts{"a", "b", "c"}));
  EXPECT_EQ(Of("new"), (Hosts{"b", "c"}));
}

TEST_F(TargetingTest, WhatOnlyTheHostCanAnswerStaysAsItIsUntilItIsHeard) {
  Host("a").heard = Host("b").heard = false;
  AddPod("arm", {{"slicelet.io/target-condition", "properties.reported.architecture = 'arm64'"}}).current = {
      HostId("a")};
  AddPod("tagged", {{"slicelet.io/target-condition", "deviceId != 'a'"}}).current = {HostId("a")};
  Run();
  EXPECT_EQ(Of("arm"), (Hosts{"a"}));
  EXPECT_EQ(Of("tagged"), (Hosts{"b", "c"})) << "tags are known without it";
}

TEST_F(TargetingTest, WhatIsOverKeepsItsHosts) {
  TargetPod& pod = AddPod("done", {{"slicelet.io/target-condition", "tags.site = 'gone'"}});
  pod.current = {HostId("a"), HostId("z")};
  pod.frozen = true;
  Run();
  EXPECT_EQ(Of("done"), (Hosts{"a", "z"}));
}

TEST_F(TargetingTest, WorstFitTakesTheEmptiestAndBestFitTheFullest) {
  Host("a").taken.cpu_milli = 1'000;
  Host("b").taken.cpu_milli = 3'000;
  AddPod("spread", {{"slicelet.io/placement", "worst-fit"}, {"slicelet.io/hosts", "2"}}).claim.cpu_milli =
      100;
  AddPod("pack", {{"slicelet.io/placement", "best-fit"}}).claim.cpu_milli = 500;
  AddPod("large", {{"slicelet.io/placement", "best-fit"}}).claim.cpu_milli = 1'900;
  Run();
  EXPECT_EQ(Of("spread"), (Hosts{"a", "c"}));
  EXPECT_EQ(Of("pack"), (Hosts{"b"}));
  EXPECT_EQ(Of("large"), (Hosts{"a"})) << "the fullest where it fits";
}

TEST_F(TargetingTest, ChosenHostsStayChosen) {
  AddPod("two", {{"slicelet.io/placement", "worst-fit"},
                 {"slicelet.io/hosts", "2"},
                 {"slicelet.io/target-condition", "NOT deviceId IN ['x']"}})
      .claim.cpu_milli = 100;
  Host("c").taken.cpu_milli = 2'000;
  Run();
  EXPECT_EQ(Of("two"), (Hosts{"a", "b"}));
  Keep();
  Host("a").taken.cpu_milli = 3'900;
  Host("b").reachable = false;
  Run();
  EXPECT_EQ(Of("two"), (Hosts{"a", "b"})) << "no reshuffling";
  std::erase_if(hosts_, [](const TargetHost& host) { return host.id.value() == "a"; });
  Run();
  EXPECT_EQ(Of("two"), (Hosts{"b", "c"})) << "until one is removed";
}

TEST_F(TargetingTest, AnUnreachableHostIsNotChosenButTargetedByAll) {
  Host("a").reachable = false;
  AddPod("one", {{"slicelet.io/placement", "worst-fit"}});
  AddPod("all");
  Run();
  EXPECT_EQ(Of("one"), (Hosts{"b"}));
  EXPECT_EQ(Of("all"), (Hosts{"a", "b", "c"}));
}

TEST_F(TargetingTest, OfTwoBaseDeploymentsTheHigherPriorityThenTheNewerWins) {
  const auto base = [](const std::string& priority) {
    return std::map<std::string, std::string>{
        {"isEdgeDeployment", "true"}, {"targetCondition", "*"}, {"priority", priority}};
  };
  AddPod("low", base("5"));
  AddPod("old", base("15"));
  AddPod("new", base("15"));
  AddPod("beside");
  Run();
  EXPECT_EQ(Of("new"), (Hosts{"a", "b", "c"}));
  EXPECT_EQ(SupersededOf("old"), (Hosts{"a", "b", "c"}));
  EXPECT_EQ(SupersededOf("low"), (Hosts{"a", "b", "c"}));
  EXPECT_EQ(Of("beside"), (Hosts{"a", "b", "c"})) << "layered ones live side by side";
  EXPECT_EQ(targets_[PodUid("low")][HostId("a")].superseded, "pod ns/new has the host's base deployment");
  std::erase_if(pods_, [](const TargetPod& pod) { return pod.uid.value() == "new"; });
  Run();
  EXPECT_EQ(Of("old"), (Hosts{"a", "b", "c"})) << "comes back when the winner goes";
}

TEST_F(TargetingTest, AHostPortGoesToTheHigherPriorityThenTheOlder) {
  AddPod("old").claim.ports = {{"TCP", 80}};
  AddPod("new").claim.ports = {{"TCP", 80}};
  AddPod("udp").claim.ports = {{"UDP", 80}};
  Run();
  EXPECT_EQ(Of("old"), (Hosts{"a", "b", "c"}));
  EXPECT_EQ(SupersededOf("new"), (Hosts{"a", "b", "c"}));
  EXPECT_EQ(Of("udp"), (Hosts{"a", "b", "c"}));
  EXPECT_EQ(targets_[PodUid("new")][HostId("a")].superseded, "pod ns/old has host port 80/TCP");
  EXPECT_EQ(targets_[PodUid("new")][HostId("a")].winner, PodUid("old"));
  pods_[1].priority = 1;
  Run();
  EXPECT_EQ(SupersededOf("old"), (Hosts{"a", "b", "c"}));
}

TEST_F(TargetingTest, APortOfTheHostsOwnPodsIsTakenForAll) {
  Host("a").taken.ports = {{"TCP", 80}};
  AddPod("web").claim.ports = {{"TCP", 80}};
  Run();
  EXPECT_EQ(Of("web"), (Hosts{"b", "c"}));
  EXPECT_EQ(targets_[PodUid("web")][HostId("a")].superseded, "a pod of the host's node has host port 80/TCP");
}

TEST_F(TargetingTest, WhatDoesNotFitBesideOthersIsSuperseded) {
  AddPod("first").claim.cpu_milli = 3'000;
  AddPod("second").claim.cpu_milli = 2'000;
  AddPod("third").claim.cpu_milli = 1'000;
  Host("b").allocatable_cpu_milli = 0;
  Run();
  EXPECT_EQ(Of("first"), (Hosts{"a", "b", "c"}));
  EXPECT_EQ(Of("second"), (Hosts{"b"})) << "the size of b is not known";
  EXPECT_EQ(Of("third"), (Hosts{"a", "b", "c"}));
  pods_[0].finished = {HostId("a")};
  Run();
  EXPECT_EQ(Of("second"), (Hosts{"a", "b"})) << "what is over takes nothing";
}

TEST_F(TargetingTest, WhatIsTooLargeForAnEmptyHostIsTheHostsToRefuse) {
  AddPod("huge").claim.memory_bytes = 5'000;
  Run();
  EXPECT_EQ(Of("huge"), (Hosts{"a", "b", "c"}));
}

TEST_F(TargetingTest, TheScarcerOfCpuAndMemoryCounts) {
  Host("a").taken.memory_bytes = 3'500;
  Host("b").taken.cpu_milli = 2'000;
  Host("c").taken.cpu_milli = 3'000;
  TargetPod& pod = AddPod("one", {{"slicelet.io/placement", "worst-fit"}});
  pod.claim.cpu_milli = 100;
  pod.claim.memory_bytes = 100;
  Run();
  EXPECT_EQ(Of("one"), (Hosts{"b"})) << "room for 5, 20 and 10 of it";
}

TEST_F(TargetingTest, TwoThatArePlacedAtOnceDoNotCountTheSameRoom) {
  for (const char* name : {"first", "second", "third", "fourth"})
    AddPod(name, {{"slicelet.io/placement", "best-fit"}}).claim.cpu_milli = 3'000;
  Run();
  EXPECT_EQ(Of("first"), (Hosts{"a"}));
  EXPECT_EQ(Of("second"), (Hosts{"b"}));
  EXPECT_EQ(Of("third"), (Hosts{"c"}));
  EXPECT_EQ(Of("fourth"), (Hosts{})) << "no host has room for it";
}

TEST_F(TargetingTest, APodThatIsOnAllHostsTakesItsRoom) {
  AddPod("everywhere").claim.cpu_milli = 2'000;
  AddPod("one", {{"slicelet.io/placement", "worst-fit"}}).claim.cpu_milli = 2'500;
  Run();
  EXPECT_EQ(Of("one"), (Hosts{}));
}

TEST_F(TargetingTest, WhatIsSupersededTakesNoRoom) {
  AddPod("winner", {{"slicelet.io/layered", "false"}, {"slicelet.io/priority", "1"}}).claim.cpu_milli = 500;
  AddPod("loser", {{"slicelet.io/layered", "false"}}).claim.cpu_milli = 500;
  pods_[0].priority = 1;
  AddPod("one", {{"slicelet.io/placement", "worst-fit"}}).claim.cpu_milli = 3'500;
  Run();
  EXPECT_EQ(Of("one"), (Hosts{"a"}));
}

TEST_F(TargetingTest, WhatIsBeingStoppedTakesItsRoomUntilItHasGone) {
  for (const char* id : {"a", "b", "c"}) Host(id).leaving.cpu_milli = 2'000;
  AddPod("one", {{"slicelet.io/placement", "best-fit"}}).claim.cpu_milli = 2'500;
  Run();
  EXPECT_EQ(Of("one"), (Hosts{}));
  Host("b").leaving = {};
  Run();
  EXPECT_EQ(Of("one"), (Hosts{"b"}));
}

TEST_F(TargetingTest, AHostThatHasNotToldItsSizeIsNotChosen) {
  Host("a").allocatable_memory_bytes = 0;
  Host("b").allocatable_cpu_milli = 0;
  AddPod("one", {{"slicelet.io/placement", "worst-fit"}}).claim.cpu_milli = 100;
  Run();
  EXPECT_EQ(Of("one"), (Hosts{"c"}));
}

TEST_F(TargetingTest, TrafficMostTakesTheBusiestOfThoseWithRoom) {
  Host("a").receive_rate = 1'000;
  Host("b").receive_rate = 5'000;
  Host("c").receive_rate = 9'000;
  Host("c").taken.cpu_milli = 3'950;
  AddPod("busy", {{"slicelet.io/placement", "traffic-most"}}).claim.cpu_milli = 100;
  Run();
  EXPECT_EQ(Of("busy"), (Hosts{"b"}));
  Keep();
  Host("a").receive_rate = 90'000;
  Run();
  EXPECT_EQ(Of("busy"), (Hosts{"b"})) << "it stays where it is";
}

TEST_F(TargetingTest, WhatIsNotKnownOfTrafficCountsAsNoneAndEqualsGoByName) {
  Host("c").receive_rate = 0;
  AddPod("one", {{"slicelet.io/placement", "most_traffic"}}).claim.cpu_milli = 100;
  Run();
  EXPECT_EQ(Of("one"), (Hosts{"a"}));
  Host("b").receive_rate = 1;
  Run();
  EXPECT_EQ(Of("one"), (Hosts{"b"}));
}

TEST_F(TargetingTest, AHostWhosePortIsTakenIsNotChosen) {
  AddPod("holder", {{"slicelet.io/target-condition", "deviceId = 'a'"}}).claim.ports = {{"TCP", 80}};
  Host("b").taken.ports = {{"TCP", 80}};
  TargetPod& pod = AddPod("one", {{"slicelet.io/placement", "worst-fit"}});
  pod.claim.ports = {{"TCP", 80}};
  pod.claim.cpu_milli = 100;
  Run();
  EXPECT_EQ(Of("one"), (Hosts{"c"}));
  pods_[1].priority = 5;
  Run();
  EXPECT_EQ(Of("one"), (Hosts{"a"})) << "which it may take from the other";
  EXPECT_EQ(SupersededOf("holder"), (Hosts{"a"}));
}

TEST_F(TargetingTest, AHostOutOfReachForTooLongIsGivenUpForAnotherOnly) {
  Host("a").reachable = false;
  TargetPod& pod = AddPod("one", {{"slicelet.io/placement", "worst-fit"}});
  pod.claim.cpu_milli = 3'000;
  pod.current = {HostId("a")};
  Run();
  EXPECT_EQ(Of("one"), (Hosts{"a"})) << "its autonomy lasts";
  pod.expired = {HostId("a")};
  Host("b").taken.cpu_milli = Host("c").taken.cpu_milli = 2'000;
  Run();
  EXPECT_EQ(Of("one"), (Hosts{"a"})) << "nobody else has room";
  Host("c").taken.cpu_milli = 0;
  Run();
  EXPECT_EQ(Of("one"), (Hosts{"c"}));
}

TEST_F(TargetingTest, NothingIsChosenWhileTheHostsAreNotKnown) {
  Targeting targeting;
  for (const TargetHost& host : hosts_) targeting.SetHost(host);
  targeting.SetPod(AddPod("one", {{"slicelet.io/placement", "worst-fit"}}));
  EXPECT_TRUE(targeting.Run(false).at(PodUid("one")).empty());
  const Targeting::Changes changes = targeting.Run(true);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes.begin()->second.begin()->first, HostId("a"));
  EXPECT_TRUE(targeting.Run(true).empty()) << "nothing has changed since";
}

TEST_F(TargetingTest, FewerHostsAreGivenBackWhenFewerAreAskedFor) {
  TargetPod& pod = AddPod("two", {{"slicelet.io/placement", "worst-fit"}, {"slicelet.io/hosts", "2"}});
  pod.current = {HostId("a"), HostId("b"), HostId("c")};
  Run();
  EXPECT_EQ(Of("two"), (Hosts{"a", "b"}));
}

}  // namespace
}  // namespace slicelet::provider
