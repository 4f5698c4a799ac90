// How often a pod's status is told: each word costs the provider, the shim and the API server more than it
// says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "edge-agent/pod/testing/pod_host.h"

namespace slicelet::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ToldWords : public ::testing::Test {
 protected:
  ToldWords() {
    host_.agent->OnStatusChanged(
        [this](const std::vector<PodUid>&, bool) { words_.push_back(host_.Status("u1")); });
  }

  PodHost host_;
  std::vector<v1::WorkloadStatus> words_;
};

TEST_F(ToldWords, WhatLeadsToAStartIsToldWithItsEnd) {
  host_.Apply({host_.Pod("u1")});
  ASSERT_TRUE(host_.RunUntil([&] { return !words_.empty() && words_.back().phase() == v1::PHASE_RUNNING; }));
  std::vector<std::string> events;
  for (const auto& word : words_) {
    const bool running = word.containers(0).state().has_running();
    EXPECT_EQ(word.containers(0).container_id().empty(), !running) << word.ShortDebugString();
    EXPECT_EQ(word.pod_ips().empty(), !running) << word.ShortDebugString();
    for (const auto& event : word.events()) events.push_back(event.reason());
  }
  EXPECT_THAT(events, ::testing::ElementsAre("Pulled", "Created", "Started"));
}

TEST_F(ToldWords, AStartThatFailsIsTold) {
  host_.runtime_host.Fail("StartContainer", absl::InternalError("no such program"));
  host_.Apply({host_.Pod("u1")});
  ASSERT_TRUE(host_.RunUntil([&] {
    return !words_.empty() && words_.back().containers(0).state().waiting().reason() == "RunContainerError";
  }));
  EXPECT_FALSE(words_.back().pod_ips().empty());
}

TEST_F(ToldWords, AStartThatTakesLongHoldsUpNoChangeOfOthers) {
  v1::Workload pod = host_.Pod("u1");
  *pod.add_containers() = host_.MakeContainer("late", "slow");
  host_.runtime_host.images["slow"].pull_time = seconds(2);
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] {
    return host_.Status("u1").containers_size() == 2 &&
           host_.Status("u1").containers(0).state().has_running();
  }));
  host_.runtime_host.latency.start = seconds(20);
  host_.loop.Advance(seconds(5));
  ASSERT_TRUE(host_.Status("u1").containers(1).state().has_waiting());
  const std::string id =
      host_.Status("u1").containers(0).container_id().substr(std::string("containerd://").size());
  host_.runtime_host.Kill(id, 1);
  EXPECT_TRUE(host_.RunUntil(
      [&] {
        return words_.back().containers(0).state().has_terminated() ||
               words_.back().containers(0).state().has_waiting();
      },
      milliseconds(500)));
}

}  // namespace
}  // namespace slicelet::agent
