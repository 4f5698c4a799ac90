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
    auto terms = std::make_unique<FleetTerms>();
    EXPECT_TRUE(ReadFleetTerms(annotations, *terms).empty());
    TargetPod& pod = pods_.emplace_back();
    pod.uid = PodUid(uid);
    pod.name = "ns/" + uid;
    pod.terms = terms.get();
    pod.priority = terms->priority.value_or(0);
    pod.created = static_cast<std::int64_t>(pods_.size());
    terms_.push_back(std::move(terms));
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

  std::vector<std::unique_ptr<FleetTerms>> terms_;
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
  AddPod("spread", {{"slicelet.io/placement", "worst-fit"}, {"slicelet.io/hosts", "2"}});
  AddPod("pack", {{"slicelet.io/placement", "best-fit"}}).claim.cpu_milli = 500;
  AddPod("large", {{"slicelet.io/placement", "best-fit"}}).claim.cpu_milli = 2'000;
  Run();
  EXPECT_EQ(Of("spread"), (Hosts{"a", "c"}));
  EXPECT_EQ(Of("pack"), (Hosts{"b"}));
  EXPECT_EQ(Of("large"), (Hosts{"a"})) << "the fullest where it fits";
}

TEST_F(TargetingTest, ChosenHostsStayChosen) {
  AddPod("two", {{"slicelet.io/placement", "worst-fit"},
                 {"slicelet.io/hosts", "2"},
                 {"slicelet.io/target-condition", "NOT deviceId IN ['x']"}});
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

TEST_F(TargetingTest, FewerHostsAreGivenBackWhenFewerAreAskedFor) {
  TargetPod& pod = AddPod("two", {{"slicelet.io/placement", "worst-fit"}, {"slicelet.io/hosts", "2"}});
  pod.current = {HostId("a"), HostId("b"), HostId("c")};
  Run();
  EXPECT_EQ(Of("two"), (Hosts{"a", "b"}));
}

}  // namespace
}  // namespace slicelet::provider
