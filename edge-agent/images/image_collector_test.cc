#include "edge-agent/images/image_collector.h"

#include <gtest/gtest.h>

#include "common/base/testing/fake_clock.h"
#include "common/base/testing/fake_file_system.h"
#include "common/loop/testing/sim_loop.h"
#include "edge-agent/runtime/testing/scripted_runtime.h"

namespace slicelet::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint64_t kDisk = 100'000'000;
constexpr std::uint64_t kSize = 4'000'000;

/// A disk of 100 MB and images of 4 MB each.
class ImageCollectorTest : public testing::Test {
 protected:
  ImageCollectorTest() { SetUsed(0); }

  void AddImage(const std::string& name) {
    host_.images[name].present = true;
    host_.images[name].size = kSize;
  }
  void SetUsed(std::uint64_t percent) {
    files_.set_space({.total = kDisk, .available = kDisk - kDisk / 100 * percent});
  }
  /// As a pod would leave it: made, never started.
  void Use(const std::string& image) {
    SandboxConfig pod;
    pod.name = pod.uid = image + std::to_string(++pods_);
    std::string sandbox;
    runtime_.RunSandbox(pod, [&](const absl::StatusOr<std::string>& id) { sandbox = *id; });
    loop_.Advance(seconds(1));
    ContainerConfig config;
    config.name = "main";
    config.image = config.image_name = image;
    runtime_.CreateContainer(sandbox, config, pod,
                             [&](const absl::StatusOr<std::string>& id) { used_ = *id; });
    loop_.Advance(seconds(1));
  }
  void Release() {
    runtime_.RemoveContainer(used_, [](const absl::Status&) {});
    loop_.Advance(seconds(1));
  }
  [[nodiscard]] std::string Left() const {
    std::string names;
    for (const auto& [name, script] : host_.images)
      if (script.present) names += name;
    return names;
  }

  SimLoop loop_;
  FakeClock clock_{loop_};
  FakeFileSystem files_;
  ScriptedHost host_{loop_, clock_};
  ScriptedRuntime runtime_{host_};
  std::optional<std::set<std::string>> named_ = std::set<std::string>{};
  std::string used_;
  int pods_ = 0;
  ImageCollector collector_{loop_, files_, runtime_, {}, [this] { return named_; }};
};

TEST_F(ImageCollectorTest, BelowTheThresholdNothingGoes) {
  AddImage("a");
  SetUsed(84);
  collector_.Start();
  loop_.Advance(minutes(30));
  EXPECT_EQ(Left(), "a");
  EXPECT_EQ(collector_.root(), "/images");
}

TEST_F(ImageCollectorTest, FreesDownToTheLowThresholdAndNoFurther) {
  for (const char* name : {"a", "b", "c", "d"}) AddImage(name);
  SetUsed(85);
  collector_.Start();
  loop_.Advance(minutes(6));
  // 85 % to 80 % are 5 MB: two images.
  EXPECT_EQ(Left().size(), 2U);
}

TEST_F(ImageCollectorTest, LeastRecentlyUsedGoesFirst) {
  for (const char* name : {"a", "b", "c"}) AddImage(name);
  Use("a");
  collector_.Start();
  loop_.Advance(minutes(6));
  Release();
  SetUsed(90);
  loop_.Advance(minutes(5));
  EXPECT_EQ(Left(), "");
  // Asked for 10 MB, it took b and c before a.
  EXPECT_EQ(host_.calls().at("RemoveImage"), 3);

  for (const char* name : {"a", "b", "c"}) AddImage(name);
  SetUsed(0);
  Use("a");
  loop_.Advance(minutes(6));
  Release();
  SetUsed(86);
  loop_.Advance(minutes(5));
  EXPECT_EQ(Left(), "a");
}

TEST_F(ImageCollectorTest, WhatIsNeededStays) {
  for (const char* name : {"used", "named", "pinned", "free"}) AddImage(name);
  host_.images["pinned"].pinned = true;
  Use("used");
  // Its pod does not run: after a reboot without a network it must start again.
  named_ = std::set<std::string>{"named", "not-here"};
  SetUsed(99);
  collector_.Start();
  loop_.Advance(minutes(30));
  EXPECT_EQ(Left(), "namedpinnedused");
}

TEST_F(ImageCollectorTest, WhatJustCameStaysForAWhile) {
  AddImage("old");
  collector_.Start();
  loop_.Advance(minutes(4));
  AddImage("new");
  SetUsed(99);
  // New to the round at five minutes.
  loop_.Advance(minutes(2));
  EXPECT_EQ(Left(), "new");
  loop_.Advance(minutes(5));
  EXPECT_EQ(Left(), "");
}

TEST_F(ImageCollectorTest, NothingGoesWhileNobodyKnowsWhatIsNamed) {
  AddImage("a");
  named_.reset();
  SetUsed(99);
  collector_.Start();
  loop_.Advance(minutes(30));
  EXPECT_EQ(Left(), "a");
}

TEST_F(ImageCollectorTest, NothingGoesWhenTheRuntimeDoesNotSayWhatIsUsed) {
  for (const char* call : {"ListUsedImages", "GetImage", "ListImages", "GetImageRoot"}) {
    ScriptedHost host(loop_, clock_);
    ScriptedRuntime runtime(host);
    host.images["a"].present = true;
    host.Fail(call, absl::UnknownError("busy"), 100);
    SetUsed(99);
    ImageCollector collector(loop_, files_, runtime, {},
                             [] { return std::set<std::string>{"some", "other"}; });
    collector.Start();
    loop_.Advance(minutes(30));
    EXPECT_TRUE(host.images["a"].present) << call;
  }
}

TEST_F(ImageCollectorTest, OneThatCanNotBeRemovedDoesNotHoldUpTheOthers) {
  AddImage("a");
  AddImage("b");
  host_.Fail("RemoveImage", absl::UnknownError("in use by a snapshot"));
  SetUsed(99);
  collector_.Start();
  loop_.Advance(minutes(6));
  EXPECT_EQ(Left().size(), 1U);
  loop_.Advance(minutes(5));
  EXPECT_EQ(Left(), "");
}

TEST_F(ImageCollectorTest, APodThatComesMeanwhileStopsTheRound) {
  for (const char* name : {"a", "b", "c", "d"}) AddImage(name);
  collector_.Start();
  loop_.Advance(minutes(4));
  SetUsed(99);
  // The first removal is under way, the others are planned.
  ASSERT_TRUE(loop_.RunUntil([&] { return host_.calls().count("RemoveImage") != 0; }, minutes(5)));
  named_ = std::set<std::string>{"c", "d"};
  loop_.Advance(seconds(10));
  std::string left = Left();
  EXPECT_EQ(left.size(), 3U);
  loop_.Advance(minutes(5));
  std::erase_if(left, [](char image) { return image < 'c'; });
  EXPECT_EQ(Left(), left);
}

TEST_F(ImageCollectorTest, PressureBringsTheNextRoundForward) {
  AddImage("a");
  collector_.Start();
  loop_.Advance(minutes(3));
  SetUsed(99);
  collector_.Hurry();
  loop_.Advance(seconds(20));
  EXPECT_EQ(Left(), "");
}

TEST_F(ImageCollectorTest, WhoHurriesWithoutEndPutsNothingOff) {
  AddImage("a");
  collector_.Start();
  loop_.Advance(minutes(3));
  SetUsed(99);
  for (int i = 0; i < 30; ++i) {
    collector_.Hurry();
    loop_.Advance(seconds(2));
  }
  EXPECT_EQ(Left(), "");
  // A round is not begun anew with every call either.
  EXPECT_LE(host_.calls().at("ListImages"), 8);
}

TEST_F(ImageCollectorTest, ARoundThatIsDueSoonerStaysSo) {
  AddImage("a");
  collector_.Start();
  loop_.Advance(minutes(5) - seconds(3));
  SetUsed(99);
  collector_.Hurry();
  loop_.Advance(seconds(5));
  EXPECT_EQ(Left(), "");
}

}  // namespace
}  // namespace slicelet::agent
