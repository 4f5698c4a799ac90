#pragma once

#include <chrono>

#include "common/base/random.h"
#include "common/base/time.h"

namespace slicelet {

/// Full-jitter exponential backoff for reconnecting links.
///
/// Each delay is drawn uniformly from [0, min(cap, base * 2^n)], so that a thousand hosts cut off by the same
/// outage do not return in the same second. Not thread-safe; owned by one `Loop`.
class Backoff {
 public:
  struct Options {
    Duration base = std::chrono::seconds(1);
    Duration cap = std::chrono::minutes(5);
  };

  /// `random` must outlive this object.
  Backoff(Options options, Random& random) : options_(options), random_(random) {}

  /// The delay before the next attempt; every call counts as one more failure.
  [[nodiscard]] Duration Next() {
    Duration limit = options_.base;
    for (int i = 0; i < failures_ && limit < options_.cap; ++i) limit *= 2;
    if (limit >= options_.cap)
      limit = options_.cap;
    else
      ++failures_;
    return random_.Below(limit + Duration(1));
  }

  /// Call once the link has been healthy long enough to forget past failures.
  void Reset() { failures_ = 0; }

 private:
  const Options options_;
  Random& random_;
  int failures_ = 0;
};

}  // namespace slicelet
