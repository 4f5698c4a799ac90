#include "kubelet-shim/api/log_options.h"

#include <gmock/gmock.h>

namespace slicelet::shim {
namespace {

struct Case {
  std::string query;
  absl::StatusCode code;
  std::string options;  // ShortDebugString
};

class ReadLogOptionsTest : public testing::TestWithParam<Case> {};

TEST_P(ReadLogOptionsTest, FollowsTheKubelet) {
  const auto options = ReadLogOptions(ParseTarget("/containerLogs/a/b/c?" + GetParam().query).value());
  EXPECT_EQ(options.status().code(), GetParam().code) << options.status();
  if (options.ok()) {
    EXPECT_EQ(options->ShortDebugString(), GetParam().options);
  }
}

constexpr auto kOk = absl::StatusCode::kOk;
constexpr auto k400 = absl::StatusCode::kInvalidArgument;
constexpr auto k422 = absl::StatusCode::kFailedPrecondition;

INSTANTIATE_TEST_SUITE_P(
    Table, ReadLogOptionsTest,
    testing::Values(Case{"", kOk, ""},
                    Case{"follow=true&timestamps=1&previous", kOk,
                         "follow: true previous: true timestamps: true"},
                    Case{"follow=false&timestamps=0", kOk, ""}, Case{"tailLines=0", kOk, "tail_lines: 0"},
                    Case{"tailLines=-1", k422, ""}, Case{"tailLines=", k400, ""},
                    Case{"tailLines=ten", k400, ""}, Case{"tail=all&tailLines=3", kOk, ""},
                    Case{"tail=5&tailLines=3", kOk, "tail_lines: 5"},
                    Case{"limitBytes=1", kOk, "limit_bytes: 1"}, Case{"limitBytes=0", k422, ""},
                    Case{"sinceSeconds=1", kOk, "since_seconds: 1"}, Case{"sinceSeconds=0", k422, ""},
                    Case{"sinceTime=1970-01-01T00%3A00%3A01Z", kOk, "since_time: 1000000000"},
                    Case{"sinceTime=yesterday", k400, ""},
                    Case{"sinceTime=1970-01-01T00:00:01Z&sinceSeconds=5", k422, ""},
                    Case{"stream=All", kOk, ""}, Case{"stream=Stderr", k400, ""}));

}  // namespace
}  // namespace slicelet::shim
