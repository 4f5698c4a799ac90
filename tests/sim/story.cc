#include "tests/sim/story.h"

#include <cstdio>

namespace slicelet::sim {

std::string Story::At() const {
  const double seconds = std::chrono::duration<double>(loop_.Now() - start_).count();
  char text[32];
  std::snprintf(text, sizeof text, "[%9.3f] ", seconds);
  return text;
}

std::string For(Duration time) {
  return " for " + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

}  // namespace slicelet::sim
