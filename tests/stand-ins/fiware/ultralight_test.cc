#include "tests/stand-ins/fiware/ultralight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slicelet::fiware {
namespace {

using testing::HasSubstr;

/// Measures as text: `time: name=value name=value; ...`.
std::string Shown(const std::vector<Measure>& measures) {
  std::string text;
  for (const auto& measure : measures) {
    if (!text.empty()) text += "; ";
    text += measure.time + ":";
    for (const auto& [name, value] : measure.values) text.append(" ").append(name).append("=").append(value);
  }
  return text;
}

struct Understood {
  const char* message;
  const char* measures;
};
class UltraLightUnderstands : public testing::TestWithParam<Understood> {};

TEST_P(UltraLightUnderstands, TheMessage) {
  const auto message = ParseUltraLight(GetParam().message);
  EXPECT_EQ(message.error, "");
  EXPECT_EQ(Shown(message.measures), GetParam().measures);
}

INSTANTIATE_TEST_SUITE_P(
    Messages, UltraLightUnderstands,
    testing::Values(Understood{"a|1", ": a=1"}, Understood{"a|1|b|2", ": a=1 b=2"},
                    Understood{"a|1#a|2", ": a=1; : a=2"}, Understood{"a|1|b|2#c|3", ": a=1 b=2; : c=3"},
                    Understood{"2026-01-31T10:00:00Z|a|1", "2026-01-31T10:00:00Z: a=1"},
                    Understood{"2026-01-31T10:00:00.25Z|a|1#b|2", "2026-01-31T10:00:00.25Z: a=1; : b=2"},
                    // Two fields are always a name and a value, whatever they look like.
                    Understood{"2026-01-31T10:00:00Z|1", ": 2026-01-31T10:00:00Z=1"},
                    Understood{"a|", ": a="}, Understood{"a| warm and dry ", ": a= warm and dry "}));

struct Refused {
  const char* message;
  const char* says;
};
class UltraLightRefuses : public testing::TestWithParam<Refused> {};

TEST_P(UltraLightRefuses, TheMessage) {
  const auto message = ParseUltraLight(GetParam().message);
  EXPECT_THAT(message.error, HasSubstr(GetParam().says));
  EXPECT_TRUE(message.measures.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Messages, UltraLightRefuses,
    testing::Values(Refused{"", "odd number"}, Refused{"a", "odd number"}, Refused{"a|1|b", "odd number"},
                    Refused{"a|1#", "odd number"}, Refused{"a|1##b|2", "odd number"},
                    Refused{"#", "odd number"}, Refused{"2026-01-31T10:00:00Z", "odd number"},
                    Refused{"2026-01-31 10:00:00Z|a|1", "odd number"},
                    Refused{"2026-01-31T10:00:00|a|1", "odd number"},
                    Refused{"2026-01-31T10:00:00.Z|a|1", "odd number"},
                    Refused{"yesterday|a|1", "odd number"}, Refused{"|1", "without a name"},
                    Refused{"|", "without a name"}, Refused{"a|1||2", "without a name"},
                    Refused{"robot@turn|left", "commands"}, Refused{"a|1@b", "commands"}));

}  // namespace
}  // namespace slicelet::fiware
