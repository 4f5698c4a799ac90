#pragma once

#include <cstdint>
#include <string>

#include "common/base/time.h"

namespace slicelet::provider {

/// A line of a log file, written so many seconds after 2026-01-01T00:00:00Z.
inline std::string LogFileLine(int second, const std::string& text) {
  return FormatMicroTime(FromUnixNanos(1'767'225'600'000'000'000 + second * std::int64_t{1'000'000'000})) +
         " stdout F " + text + "\n";
}
inline std::int64_t LogTime(int second) {
  return 1'767'225'600'000'000'000 + second * std::int64_t{1'000'000'000};
}

}  // namespace slicelet::provider
