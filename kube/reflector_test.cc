#include "kube/reflector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/testing/fake_clock.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/object.h"
#include "kube/testing/memory_kube_api.h"

namespace slicelet::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class ReflectorTest : public testing::Test {
 protected:
  void SetUp() override {
    server.faults().before = [this](const KubeCall& call) {
      if (call.verb == Verb::kList) ++lists;
      if (call.verb == Verb::kWatch) ++watches;
      return failure;
    };
    Make("old");
  }
  void Begin() {
    reflector = std::make_unique<Reflector>(
        loop, random, *api, Reflector::Options{kConfigMaps, "a", "", "", false},
        Reflector::Handler{[this](const std::vector<Json>& items, const std::string&) {
                             story.push_back("list");
                             for (const Json& item : items) story.push_back("+" + NameOf(item));
                           },
                           [this](WatchEventType type, const Json& object) {
                             const char* mark = type == WatchEventType::kDeleted ? "-" : "+";
                             story.push_back(mark + NameOf(object));
                           },
                           [this](const absl::Status&) { ++troubles; }});
    reflector->Start();
    loop.RunReady();
  }
  void Make(const std::string& name) {
    ASSERT_TRUE(server.cluster().Create("admin", {kConfigMaps, "a", name, ""}, Json::object()).ok());
  }
  void Remove(const std::string& name) {
    ASSERT_TRUE(server.cluster().Delete("admin", {kConfigMaps, "a", name, ""}, {}).ok());
  }

  SimLoop loop;
  FakeClock clock{loop};
  SeededRandom random{3};
  MemoryApiServer server{loop, clock, random};
  std::unique_ptr<KubeApi> api = server.ApiAs("admin");
  std::vector<std::string> story;
  absl::Status failure;
  int lists = 0;
  int watches = 0;
  int troubles = 0;
  std::unique_ptr<Reflector> reflector;
};

TEST_F(ReflectorTest, ListsThenFollows) {
  Begin();
  Make("new");
  Remove("old");
  loop.RunReady();
  EXPECT_THAT(story, ElementsAre("list", "+old", "+new", "-old"));
}

TEST_F(ReflectorTest, ResumesAtOnceAfterANormalEnd) {
  Begin();
  loop.Advance(seconds(300));
  story.clear();
  server.BreakWatches(absl::OkStatus());
  Remove("old");
  loop.RunReady();
  EXPECT_THAT(story, ElementsAre("-old"));
}

TEST_F(ReflectorTest, DeletionInAGapIsStillAnEvent) {
  Begin();
  server.SetDown(true);
  loop.Advance(seconds(100));
  Remove("old");
  Make("new");
  story.clear();
  server.SetDown(false);
  loop.Advance(seconds(32));
  EXPECT_THAT(story, ElementsAre("-old", "+new", "list", "+new"));
  EXPECT_GT(troubles, 2);
}

TEST_F(ReflectorTest, DeletionInAGapIsAnEventAlsoWhenTheFirstWatchAfterItIsTooSlow) {
  Begin();
  loop.Advance(seconds(60));
  server.BreakWatches();
  Remove("old");
  story.clear();
  // It is opened late, and fails then.
  bool slow = false;
  server.faults().latency = [&slow] { return slow ? seconds(3) : seconds(0); };
  server.faults().after = [&slow](const KubeCall& call, const absl::Status&) {
    slow = call.verb == Verb::kList;
    return absl::OkStatus();
  };
  loop.Advance(milliseconds(2500));
  EXPECT_THAT(story, ElementsAre("list"));
  server.SetDown(true);
  loop.Advance(seconds(2));
  server.SetDown(false);
  server.faults().latency = nullptr;
  loop.Advance(seconds(40));
  EXPECT_THAT(story, testing::Contains("-old"));
}

TEST_F(ReflectorTest, AfterABreakTheListComesBeforeWhatIsNewerThanIt) {
  Begin();
  loop.Advance(seconds(60));
  story.clear();
  server.BreakWatches();
  Remove("old");
  server.faults().latency = [] { return milliseconds(10); };
  bool changed = false;
  server.faults().after = [&](const KubeCall& call, const absl::Status&) {
    if (call.verb == Verb::kList && !std::exchange(changed, true)) Make("new");
    return absl::OkStatus();
  };
  loop.Advance(seconds(10));
  EXPECT_THAT(story, ElementsAre("-old", "list", "+new"));
}

TEST_F(ReflectorTest, ListsAgainWhenARestoredServerHasCaughtUp) {
  Begin();
  const auto backup = server.cluster().TakeSnapshot();
  Make("lost");
  loop.Advance(seconds(2));
  story.clear();
  server.Restore(backup);
  for (const char* name : {"a", "b", "c"}) Make(name);
  loop.Advance(seconds(32));
  EXPECT_THAT(story, ElementsAre("+b", "+c", "list", "+a", "+b", "+c", "+old"));
}

TEST_F(ReflectorTest, ListsAgainAfterCompaction) {
  Begin();
  loop.Advance(seconds(2));
  server.SetDown(true);
  Make("new");
  server.cluster().Compact();
  story.clear();
  server.SetDown(false);
  loop.Advance(seconds(31));
  EXPECT_THAT(story, ElementsAre("list", "+new", "+old"));
}

TEST_F(ReflectorTest, ListsAgainWhenTheServerWentBackInTime) {
  Begin();
  const auto backup = server.cluster().TakeSnapshot();
  Make("lost");
  loop.Advance(seconds(2));
  story.clear();
  server.Restore(backup);
  loop.Advance(seconds(31));
  EXPECT_THAT(story, ElementsAre("list", "+old"));
  Make("later");
  loop.RunReady();
  EXPECT_EQ(story.back(), "+later");
}

TEST_F(ReflectorTest, BookmarksMoveTheVersion) {
  Begin();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(
        server.cluster().Create("admin", {kSecrets, "a", "s" + std::to_string(i), ""}, Json::object()).ok());
  }
  server.SendBookmarks();
  EXPECT_EQ(reflector->resource_version(), std::to_string(server.cluster().version()));
  story.clear();
  server.cluster().Compact();
  server.BreakWatches(absl::OkStatus());
  loop.Advance(seconds(31));
  EXPECT_THAT(story, IsEmpty());
}

TEST_F(ReflectorTest, WaitsAsLongAsRetryAfterSays) {
  failure = absl::UnavailableError("slow down");
  SetRetryAfterSeconds(failure, 20);
  Begin();
  loop.Advance(milliseconds(19'999));
  EXPECT_EQ(lists, 1);
  failure = absl::OkStatus();
  loop.Advance(seconds(1));
  EXPECT_THAT(story, ElementsAre("list", "+old"));
}

TEST_F(ReflectorTest, BacksOffWhileTheServerIsDown) {
  Begin();
  server.SetDown(true);
  server.faults().before = nullptr;
  server.SetDown(false);
  failure = absl::UnavailableError("refused");
  server.faults().before = [this](const KubeCall&) {
    ++lists;
    return failure;
  };
  server.BreakWatches();
  lists = 0;
  loop.Advance(std::chrono::hours(1));
  // 3,600 s with a mean wait of 15 s.
  EXPECT_GT(lists, 150);
  EXPECT_LT(lists, 400);
}

TEST_F(ReflectorTest, AServerThatEndsEveryWatchIsNotHammered) {
  server.faults().watch_lifetime = milliseconds(1);
  Begin();
  watches = 0;
  loop.Advance(std::chrono::minutes(10));
  EXPECT_LT(watches, 100);
}

TEST_F(ReflectorTest, MayBeDestroyedByItsCallback) {
  reflector = std::make_unique<Reflector>(
      loop, random, *api, Reflector::Options{kConfigMaps, "a", "", "", false},
      Reflector::Handler{
          [this](const std::vector<Json>&, const std::string&) { reflector.reset(); }, {}, {}});
  reflector->Start();
  loop.Advance(seconds(60));
  EXPECT_EQ(reflector, nullptr);
  EXPECT_EQ(server.open_watches(), 0U);
}

}  // namespace
}  // namespace slicelet::kube
