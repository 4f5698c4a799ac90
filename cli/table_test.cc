#include "cli/table.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace slicelet::cli {
namespace {

const WallTime kNow = *ParseTime("2026-11-21T12:00:00Z");

TEST(Table, AlignsColumns) {
  EXPECT_EQ(FormatTable({{"NAME", "READY"}, {"a-long-name", "1/1"}}),
            "NAME          READY\na-long-name   1/1\n");
}

TEST(Table, ShowsAgesAsKubectlDoes) {
  EXPECT_EQ(FormatAge("2026-11-21T11:59:55Z", kNow), "5s");
  EXPECT_EQ(FormatAge("2026-11-21T11:56:48Z", kNow), "3m12s");
  EXPECT_EQ(FormatAge("2026-11-21T07:58:00Z", kNow), "4h2m");
  EXPECT_EQ(FormatAge("2026-11-09T12:00:00Z", kNow), "12d");
  EXPECT_EQ(FormatAge("yesterday", kNow), "<unknown>");
}

TEST(Table, ShowsTheMostTellingStateOfAPod) {
  const auto state = [](const char* text) {
    return PodRows({nlohmann::json::parse(text)}, false, false, kNow)[1][2];
  };
  EXPECT_EQ(state(R"({"status":{"phase":"Running"}})"), "Running");
  EXPECT_EQ(state(R"({"metadata":{"deletionTimestamp":"x"},"status":{"phase":"Running"}})"), "Terminating");
  EXPECT_EQ(
      state(
          R"({"status":{"phase":"Running","containerStatuses":[{"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}})"),
      "CrashLoopBackOff");
  EXPECT_EQ(
      state(
          R"({"status":{"phase":"Pending","initContainerStatuses":[{"state":{"waiting":{"reason":"ErrImagePull"}}}]}})"),
      "Init:ErrImagePull");
}

TEST(Table, CountsReadyContainersAndRestarts) {
  const auto row = PodRows({nlohmann::json::parse(
                               R"({"metadata":{"name":"p","creationTimestamp":"2026-11-21T11:59:00Z"},
                                   "spec":{"containers":[{},{}]},
                                   "status":{"phase":"Running","containerStatuses":[{"ready":true,"restartCount":2},
                                             {"ready":false,"restartCount":1}]}})")},
                           false, false, kNow)[1];
  EXPECT_EQ(row, (Row{"p", "1/2", "Running", "3", "60s"}));
}

}  // namespace
}  // namespace slicelet::cli
