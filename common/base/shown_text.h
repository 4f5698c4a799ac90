#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/base/utf8.h"

namespace slicelet {

/// So much of what a user wrote is repeated in a message about it: a value may have megabytes.
inline constexpr std::size_t kMostShown = 200;

/// `text` as a message repeats it: whole, or its first 200 bytes, without half a character at their end, and
/// "[...]".
inline std::string ShownText(std::string_view text) {
  if (text.size() <= kMostShown) return std::string(text);
  return std::string(Beginning(text, kMostShown)) + "[...]";
}

}  // namespace slicelet
