// Any text as a target condition: it is refused with a column, or evaluates without a crash.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "provider/fleet/target_condition.h"

using slicelet::provider::TargetCondition;
using slicelet::provider::TargetFacts;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto condition = TargetCondition::Parse(text);
  if (!condition.ok()) {
    if (slicelet::Message(condition.status()).rfind("column ", 0) != 0) std::abort();
    return 0;
  }
  const TargetFacts facts{.host = "gw-1",
                          .tags = {{"site", "north"}, {"floor", "10"}},
                          .reported = {{"architecture", "arm64"}, {"cpuMilli", "4000"}}};
  const bool matches = condition->Matches(facts);
  // Written again it means the same.
  const auto again = TargetCondition::Parse(condition->text());
  if (!again.ok() || again->Matches(facts) != matches) std::abort();
  return 0;
}
