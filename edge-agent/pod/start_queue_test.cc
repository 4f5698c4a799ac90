#include "edge-agent/pod/start_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "common/loop/testing/sim_loop.h"
#include "edge-agent/pod/testing/pod_host.h"

namespace slicelet::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class StartQueueTest : public testing::Test {
 protected:
  void Wait(const std::string& name) {
    queue_.Wait([this, name](StartQueue::Turn turn) {
      begun_.push_back(name);
      turns_[name] = std::move(turn);
    });
  }
  void End(const std::string& name) {
    turns_.erase(name);
    loop_.RunReady();
  }
  using Names = std::vector<std::string>;

  SimLoop loop_;
  StartQueue queue_{loop_, 2};
  Names begun_;
  std::map<std::string, StartQueue::Turn> turns_;
};

TEST_F(StartQueueTest, LetsAFewBeginAndTheOthersInTheirOrder) {
  for (const char* name : {"a", "b", "c", "d"}) Wait(name);
  EXPECT_EQ(begun_, (Names{"a", "b"}));
  End("b");
  EXPECT_EQ(begun_, (Names{"a", "b", "c"}));
  End("a");
  EXPECT_EQ(begun_, (Names{"a", "b", "c", "d"}));
}

TEST_F(StartQueueTest, WhatIsTakenCountsButNeverWaits) {
  Wait("a");
  StartQueue::Turn container = queue_.Take();
  StartQueue::Turn other = queue_.Take();
  Wait("b");
  EXPECT_EQ(begun_, (Names{"a"}));
  container.reset();
  loop_.RunReady();
  EXPECT_EQ(begun_, (Names{"a"}));
  other.reset();
  loop_.RunReady();
  EXPECT_EQ(begun_, (Names{"a", "b"}));
}

TEST_F(StartQueueTest, WhatHangsHoldsUpNobodyForLong) {
  for (const char* name : {"a", "b", "c", "d", "e"}) Wait(name);
  loop_.Advance(StartQueue::kSlow);
  EXPECT_EQ(begun_, (Names{"a", "b", "c", "d"}));
  // A slow one has left already: its end makes no room.
  End("a");
  EXPECT_EQ(begun_.size(), 4U);
  End("c");
  EXPECT_EQ(begun_.size(), 5U);
}

TEST_F(StartQueueTest, ATurnThatNobodyUsesIsTheNextOnes) {
  Wait("a");
  Wait("b");
  queue_.Wait([](const StartQueue::Turn&) {});
  Wait("c");
  End("a");
  EXPECT_EQ(begun_, (Names{"a", "b", "c"}));
}

class StartingTest : public testing::Test {
 protected:
  void ApplyTen() {
    for (int i = 0; i < 10; ++i) pods_.push_back(host_.Pod("u" + std::to_string(i)));
    host_.Apply(pods_);
  }
  [[nodiscard]] std::size_t ReadyPods() const {
    std::size_t ready = 0;
    for (const auto& pod : pods_) ready += host_.IsReady(pod.uid()) ? 1 : 0;
    return ready;
  }

  PodHost host_;
  std::vector<v1::Workload> pods_;
};

TEST_F(StartingTest, OfManyPodsAFewAreReadyBeforeTheNextBegin) {
  ApplyTen();
  ASSERT_TRUE(host_.RunUntil([&] { return ReadyPods() > 0; }));
  EXPECT_LE(host_.runtime_host.calls().at("RunSandbox"), 2 * host_.options.starts_at_once);
  EXPECT_TRUE(host_.RunUntil([&] { return ReadyPods() == 10; }));
}

TEST_F(StartingTest, SandboxesThatHangDoNotKeepTheOthersFromStarting) {
  host_.runtime_host.latency.run_sandbox = minutes(3);
  for (int i = 0; i < host_.options.starts_at_once; ++i)
    pods_.push_back(host_.Pod("hangs" + std::to_string(i)));
  host_.Apply(pods_);
  host_.loop.Advance(milliseconds(100));
  host_.runtime_host.latency.run_sandbox = milliseconds(50);
  pods_.push_back(host_.Pod("healthy"));
  host_.Apply(pods_);
  EXPECT_TRUE(host_.RunUntil([&] { return host_.IsReady("healthy"); }, seconds(10)));
}

TEST_F(StartingTest, WhatIsDeletedWhileItWaitsIsGoneAtOnceAndNeverMade) {
  host_.runtime_host.latency.run_sandbox = minutes(3);
  ApplyTen();
  host_.loop.Advance(milliseconds(100));
  // One that no turn has come to yet.
  std::string waiting;
  for (const auto& pod : pods_) {
    bool begun = false;
    for (const auto& [id, sandbox] : host_.runtime_host.sandboxes())
      begun = begun || sandbox.config.uid == pod.uid();
    if (!begun) waiting = pod.uid();
  }
  host_.Stop(waiting, 30);
  EXPECT_TRUE(host_.RunUntil([&] { return host_.Status(waiting).gone(); }, seconds(1)));
  const int calls = host_.runtime_host.calls().at("RunSandbox");
  EXPECT_EQ(calls, host_.options.starts_at_once);
}

TEST_F(StartingTest, AFailedStartMakesRoom) {
  host_.runtime_host.Fail("RunSandbox", absl::InternalError("no network"), 8);
  ApplyTen();
  EXPECT_TRUE(host_.RunUntil([&] { return ReadyPods() == 10; }));
}

}  // namespace
}  // namespace slicelet::agent
