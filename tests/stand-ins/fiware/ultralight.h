#pragma once

#include <string>
#include <utility>
#include <vector>

namespace slicelet::fiware {

/// Values that were measured together.
struct Measure {
  std::string time;  // ISO 8601; "" when the message does not say
  std::vector<std::pair<std::string, std::string>> values;
};

struct UltraLightMessage {
  std::vector<Measure> measures;
  std::string error;  // "" when it was understood; then there is at least one measure
};

/// An UltraLight 2.0 message of a device: `name|value` pairs, groups joined by `#`, each of which may begin
/// with its time. Nothing is quoted, so `|`, `#` and `@` can not be part of a value. Commands and their
/// results are refused.
UltraLightMessage ParseUltraLight(const std::string& text);

}  // namespace slicelet::fiware
