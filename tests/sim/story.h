#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/loop/loop.h"

namespace slicelet::sim {

/// What happened in one run, line by line, and the first invariant that was broken.
class Story {
 public:
  explicit Story(const Loop& loop, bool told) : loop_(loop), start_(loop.Now()), told_(told) {}

  [[nodiscard]] bool told() const { return told_; }
  /// Adds a line if the story is told.
  void Tell(const std::string& line) {
    if (told_) lines_.push_back(At() + line);
  }
  /// An invariant is broken; only the first one counts, because the others may follow from it.
  void Violate(const std::string& what) {
    if (violation_) return;
    violation_ = At() + what;
    if (told_) lines_.push_back("*** " + *violation_);
  }
  [[nodiscard]] const std::optional<std::string>& violation() const { return violation_; }
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }
  /// "[  12.345] ": seconds since the beginning.
  [[nodiscard]] std::string At() const;

 private:
  const Loop& loop_;
  const MonotonicTime start_;
  const bool told_;
  std::vector<std::string> lines_;
  std::optional<std::string> violation_;
};

/// " for 12 s".
std::string For(Duration time);

}  // namespace slicelet::sim
