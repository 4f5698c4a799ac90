#include "common/logs/log_tail_rule.h"

#include <chrono>

#include "common/base/shown_text.h"
#include "common/base/time.h"
#include "common/config/config_reader.h"

namespace slicelet {
namespace {

constexpr Duration kShortest = std::chrono::minutes(1);
constexpr Duration kLongest = std::chrono::days(7);

}  // namespace

absl::StatusOr<v1::LogTailRule> ParseLogTailRule(const std::string& text) {
  v1::LogTailRule rule;
  if (text == "off") return rule;
  rule.set_at_exit(true);
  if (text == "exit") return rule;
  const auto every = ParseDuration(text);
  if (!every.ok() || *every < kShortest || *every > kLongest)
    return absl::InvalidArgumentError("is \"" + ShownText(text) +
                                      "\", should be off, exit or a duration of 1m to 7d");
  rule.set_every_ms(std::chrono::duration_cast<std::chrono::milliseconds>(*every).count());
  return rule;
}

}  // namespace slicelet
