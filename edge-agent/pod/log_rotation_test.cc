#include <gtest/gtest.h>

#include "edge-agent/pod/log_files.h"
#include "edge-agent/pod/testing/pod_host.h"

namespace slicelet::agent {
namespace {

using std::chrono::seconds;

constexpr std::uint64_t kLimit = 1'000;

using Names = std::vector<std::string>;

/// The log of the first attempt, moved aside at that moment.
std::string Aside(int moment) {
  const std::string digits = std::to_string(moment);
  return "0.log." + std::string(19 - digits.size(), '0') + digits;
}

/// The logs of container "main" of pod "u1", without the runtime.
class RotateLogTest : public ::testing::Test {
 protected:
  void Put(const std::string& name, std::size_t size) {
    files_.Put("/logs/main/" + name, {.data = std::string(size, 'x')});
  }
  bool Rotate(std::int32_t attempt, int max_files, std::int64_t now) {
    return RotateLog(files_, "/logs/main", attempt, kLimit, max_files, now);
  }
  [[nodiscard]] Names Left() { return *files_.List("/logs/main"); }

  FakeFileSystem files_;
};

TEST_F(RotateLogTest, NothingIsThereYet) { EXPECT_FALSE(Rotate(0, 5, 1)); }

TEST_F(RotateLogTest, OnlyWhatIsLargerThanTheLimitIsMovedAside) {
  Put("0.log", kLimit);
  EXPECT_FALSE(Rotate(0, 5, 1));
  EXPECT_EQ(Left(), (Names{"0.log"}));
  Put("0.log", kLimit + 1);
  EXPECT_TRUE(Rotate(0, 5, 1));
  EXPECT_EQ(Left(), (Names{Aside(1)}));
}

TEST_F(RotateLogTest, NamesFollowOneAnotherThoughTheClockGoesBack) {
  for (const std::int64_t now : {std::int64_t{1'700'000'000'000'000'000}, std::int64_t{5'000'000'000}}) {
    Put("0.log", kLimit + 1);
    EXPECT_TRUE(Rotate(0, 5, now));
  }
  EXPECT_EQ(Left(), (Names{"0.log.1700000000000000000", "0.log.1700000000000000001"}));
  Put("0.log", kLimit + 1);
  EXPECT_TRUE(Rotate(0, 5, 1'800'000'000'000'000'000));
  EXPECT_EQ(Left().back(), "0.log.1800000000000000000");
}

struct Kept {
  int max_files;
  Names left;
};
class KeptFiles : public RotateLogTest, public ::testing::WithParamInterface<Kept> {};
TEST_P(KeptFiles, AreTheNewest) {
  for (const auto& name : Names{"0.log", Aside(1), Aside(2), Aside(3)}) Put(name, kLimit + 1);
  EXPECT_TRUE(Rotate(0, GetParam().max_files, 4));
  EXPECT_EQ(Left(), GetParam().left) << "with the one that the runtime makes";
}
INSTANTIATE_TEST_SUITE_P(All, KeptFiles,
                         ::testing::Values(Kept{5, {Aside(1), Aside(2), Aside(3), Aside(4)}},
                                           Kept{4, {Aside(2), Aside(3), Aside(4)}}, Kept{2, {Aside(4)}},
                                           Kept{1, {Aside(4)}}, Kept{0, {Aside(4)}}, Kept{-1, {Aside(4)}}));

TEST_F(RotateLogTest, TheAttemptBeforeStaysAndOlderOnesGo) {
  for (const char* name : {"8.log", "8.log.1", "9.log", "9.log.1", "10.log", "notes"}) Put(name, 1);
  EXPECT_FALSE(Rotate(10, 2, 2));
  EXPECT_EQ(Left(), (Names{"10.log", "9.log", "9.log.1", "notes"}));
}

TEST_F(RotateLogTest, WhatWasMovedAsideAndNotOpenedAnewIsStillToBeOpened) {
  Put(Aside(1), kLimit + 1);
  EXPECT_TRUE(Rotate(0, 5, 2));
  EXPECT_EQ(Left(), (Names{Aside(1)}));
  EXPECT_EQ(LogFiles(files_, "/logs/main", 0), (Names{"/logs/main/" + Aside(1), "/logs/main/0.log"}))
      << "readers go on with it when it is there";
}

/// The same with the agent and a runtime that fails.
class LogRotationTest : public ::testing::Test {
 protected:
  LogRotationTest() {
    host_.options.log_max_bytes = kLimit;
    host_.options.log_max_files = 3;
    host_.Kill();
    host_.StartAgent();
    host_.Apply({host_.Pod("u1")});
    EXPECT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  }

  void Write(const std::string& name, std::size_t size) {
    host_.files.Put(kDirectory + name, {.data = std::string(size, 'x')});
  }
  [[nodiscard]] Names Left() { return *host_.files.List(kDirectory); }
  [[nodiscard]] int Reopened() const {
    const auto it = host_.runtime_host.calls().find("ReopenLog");
    return it == host_.runtime_host.calls().end() ? 0 : it->second;
  }
  bool UntilReopened(int times) {
    return host_.RunUntil([&] { return Reopened() == times; }, seconds(30));
  }

  static inline const std::string kDirectory = "/logs/ns_pod-u1_u1/main/";
  PodHost host_;
};

TEST_F(LogRotationTest, TheRuntimeReopensWhatWasMovedAside) {
  Write("0.log", kLimit + 1);
  ASSERT_TRUE(UntilReopened(1));
  ASSERT_EQ(Left().size(), 1U);
  EXPECT_EQ(Left()[0].rfind("0.log.", 0), 0U);
  Write("0.log", kLimit);
  host_.loop.Advance(seconds(60));
  EXPECT_EQ(Reopened(), 1);
  EXPECT_EQ(Left().size(), 2U);
  for (int i = 2; i < 6; ++i) {
    Write("0.log", kLimit + 1);
    ASSERT_TRUE(UntilReopened(i));
  }
  Write("0.log", 0);
  EXPECT_EQ(Left().size(), 3U);
}

TEST_F(LogRotationTest, ALogThatTheRuntimeDidNotReopenIsReopenedLater) {
  host_.runtime_host.Fail("ReopenLog", absl::InternalError("no"), 2);
  Write("0.log", kLimit + 1);
  ASSERT_TRUE(UntilReopened(1));
  const Names moved = Left();
  ASSERT_TRUE(UntilReopened(3));
  EXPECT_EQ(Left(), moved) << "it is not moved again: the runtime writes there";
  Write("0.log", 1);
  host_.loop.Advance(seconds(60));
  EXPECT_EQ(Reopened(), 3);
}

TEST_F(LogRotationTest, ARuntimeThatIsAwayReopensItWhenItIsBack) {
  host_.runtime_host.SetAvailable(false);
  Write("0.log", kLimit + 1);
  host_.loop.Advance(seconds(60));
  EXPECT_EQ(Left().size(), 1U);
  const int tried = Reopened();
  host_.runtime_host.SetAvailable(true);
  EXPECT_TRUE(host_.RunUntil([&] { return Reopened() > tried; }, seconds(30)));
}

TEST_F(LogRotationTest, AnAgentThatDiedBeforeTheLogWasReopenedDoesItWhenItIsBack) {
  Write("0.log.1700000000000000000", kLimit + 1);
  host_.Kill();
  host_.StartAgent();
  ASSERT_TRUE(UntilReopened(1));
  EXPECT_EQ(Left(), (Names{"0.log.1700000000000000000"}));
  Write("0.log", 1);
  host_.loop.Advance(seconds(60));
  EXPECT_EQ(Reopened(), 1);
}

TEST_F(LogRotationTest, OnAFullDiskOldFilesGoAndTheLogIsReopenedWhenThereIsSpace) {
  Write(Aside(1), kLimit);
  Write(Aside(2), kLimit);
  Write("0.log", kLimit + 1);
  host_.files.set_disk_full(true);
  host_.runtime_host.Fail("ReopenLog", absl::InternalError("no space left on device"), 2);
  ASSERT_TRUE(UntilReopened(2));
  EXPECT_EQ(Left().size(), 2U) << "of three one is to be made";
  EXPECT_EQ(Left()[0], Aside(2));
  host_.files.set_disk_full(false);
  EXPECT_TRUE(UntilReopened(3));
}

TEST_F(LogRotationTest, AContainerThatEndedIsLeftAlone) {
  v1::Workload pod = host_.Pod("u1");
  pod.set_restart_policy(v1::RESTART_POLICY_NEVER);
  host_.Apply({pod});
  host_.runtime_host.Kill(host_.runtime_host.Running("u1").at("main"), 0);
  ASSERT_TRUE(host_.RunUntil([&] { return host_.Status("u1").phase() == v1::PHASE_SUCCEEDED; }));
  Write("0.log", kLimit + 1);
  host_.loop.Advance(seconds(60));
  EXPECT_EQ(Reopened(), 0);
  EXPECT_EQ(Left(), (Names{"0.log"}));
}

}  // namespace
}  // namespace slicelet::agent
