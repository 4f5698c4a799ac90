#pragma once

#include <map>
#include <string>

#include "common/loop/loop.h"

namespace slicelet::shim {

/// Controllers replace Failed pods at once, so the refusals of one owner are spaced: the first is written at
/// once, the next 10 s later, doubling to 5 min. An owner that was quiet for 10 min starts anew.
class RefusalSpacing {
 public:
  static constexpr Duration kBase = std::chrono::seconds(10);
  static constexpr Duration kCap = std::chrono::minutes(5);
  static constexpr Duration kForget = std::chrono::minutes(10);
  /// Beyond this many owners the quietest is forgotten.
  static constexpr std::size_t kMaxOwners = 4'096;

  explicit RefusalSpacing(Loop& loop) : loop_(loop) {}

  /// How long the next refusal of `owner` (a controller's uid; empty for none, which never waits) has to
  /// wait. Every call takes a turn.
  Duration Take(const std::string& owner);

 private:
  struct Turn {
    MonotonicTime next;
    Duration gap = kBase;
  };

  Loop& loop_;
  std::map<std::string, Turn> owners_;
};

}  // namespace slicelet::shim
