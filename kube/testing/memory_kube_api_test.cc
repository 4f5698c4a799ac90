#include "kube/testing/memory_kube_api.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "common/base/testing/fake_clock.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/object.h"

namespace slicelet::kube {
namespace {

class MemoryKubeApiTest : public testing::Test {
 protected:
  WatchHandler Record() {
    return {[this](WatchEvent event) { seen.emplace_back(event.type, NameOf(*event.object)); },
            [this](absl::Status status) { end = status; }};
  }
  std::unique_ptr<Watch> WatchFrom(std::uint64_t version) {
    ListOptions options;
    options.resource_version = std::to_string(version);
    return api->StartWatch(kConfigMaps, "", options, Record());
  }
  void Make(const std::string& name) {
    ASSERT_TRUE(server.cluster().Create("admin", {kConfigMaps, "a", name, ""}, Json::object()).ok());
  }

  SimLoop loop;
  FakeClock clock{loop};
  SeededRandom random{1};
  MemoryApiServer server{loop, clock, random};
  std::unique_ptr<KubeApi> api = server.ApiAs("admin");
  std::vector<std::pair<WatchEventType, std::string>> seen;
  std::optional<absl::Status> end;
};

TEST_F(MemoryKubeApiTest, WatchDeliversChangesInOrder) {
  const auto watch = WatchFrom(server.cluster().version());
  Make("x");
  Make("y");
  ASSERT_TRUE(server.cluster().Delete("admin", {kConfigMaps, "a", "x", ""}, {}).ok());
  loop.RunReady();
  using Type = WatchEventType;
  EXPECT_EQ(seen, (std::vector<std::pair<Type, std::string>>{
                      {Type::kAdded, "x"}, {Type::kAdded, "y"}, {Type::kDeleted, "x"}}));
}

TEST_F(MemoryKubeApiTest, BookmarksCarryTheVersion) {
  const auto watch = WatchFrom(server.cluster().version());
  loop.Advance(std::chrono::seconds(61));
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].first, WatchEventType::kBookmark);
}

TEST_F(MemoryKubeApiTest, DestroyedWatchIsSilent) {
  auto watch = WatchFrom(server.cluster().version());
  Make("x");
  watch.reset();
  server.BreakWatches();
  loop.RunReady();
  EXPECT_TRUE(seen.empty());
  EXPECT_FALSE(end.has_value());
  EXPECT_EQ(server.open_watches(), 0U);
}

TEST_F(MemoryKubeApiTest, WatchMayBeDestroyedByItsOwnEvent) {
  std::unique_ptr<Watch> watch;
  int events = 0;
  ListOptions options;
  options.resource_version = std::to_string(server.cluster().version());
  watch = api->StartWatch(kConfigMaps, "", options,
                          {[&](const WatchEvent&) {
                             ++events;
                             watch.reset();
                           },
                           [](const absl::Status&) {}});
  Make("x");
  Make("y");
  loop.RunReady();
  EXPECT_EQ(events, 1);
}

TEST_F(MemoryKubeApiTest, CompactedVersionEndsTheWatch) {
  const auto old = server.cluster().version();
  Make("x");
  server.cluster().Compact();
  const auto watch = WatchFrom(old);
  loop.RunReady();
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(absl::IsOutOfRange(*end));
}

TEST_F(MemoryKubeApiTest, AfterARestoreAWatchFromTheFutureIsSilent) {
  const auto backup = server.cluster().TakeSnapshot();
  Make("x");
  Make("y");
  const auto newest = server.cluster().version();
  auto watch = WatchFrom(newest);
  loop.RunReady();
  seen.clear();
  server.Restore(backup);
  loop.RunReady();
  EXPECT_TRUE(absl::IsUnavailable(*end));
  watch = WatchFrom(newest);
  Make("missed");
  Make("missed-too");
  Make("z");
  loop.RunReady();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].second, "z");
}

TEST_F(MemoryKubeApiTest, LostAnswerLeavesTheChangeBehind) {
  server.faults().after = [](const KubeCall&, const absl::Status&) {
    return absl::UnavailableError("reset");
  };
  absl::Status answer;
  api->Create({kConfigMaps, "a", "x", ""}, Json::object(),
              [&](const absl::StatusOr<Json>& r) { answer = r.status(); });
  loop.RunReady();
  EXPECT_TRUE(absl::IsUnavailable(answer));
  EXPECT_NE(server.cluster().Peek(kConfigMaps, "a", "x"), nullptr);
}

TEST_F(MemoryKubeApiTest, LatencyDelaysCallsAndDownRefusesThem) {
  server.faults().latency = [] { return std::chrono::milliseconds(100); };
  int answers = 0;
  absl::Status last;
  const auto get = [&] {
    api->Get({kNamespaces, "", "kube-system", ""}, [&](const absl::StatusOr<Json>& r) {
      ++answers;
      last = r.status();
    });
  };
  get();
  loop.Advance(std::chrono::milliseconds(99));
  EXPECT_EQ(answers, 0);
  loop.Advance(std::chrono::milliseconds(1));
  EXPECT_EQ(answers, 1);
  EXPECT_TRUE(last.ok());
  server.SetDown(true);
  get();
  loop.Advance(std::chrono::milliseconds(100));
  EXPECT_TRUE(absl::IsUnavailable(last));
}

TEST_F(MemoryKubeApiTest, DestroyedApiCallsNobodyBack) {
  int answers = 0;
  api->Get({kNamespaces, "", "kube-system", ""}, [&](const absl::StatusOr<Json>&) { ++answers; });
  api.reset();
  loop.RunReady();
  EXPECT_EQ(answers, 0);
}

}  // namespace
}  // namespace slicelet::kube
