#pragma once

#include <cstdint>

#include "slicelet/v1/link.pb.h"

namespace slicelet::provider {

/// Which status reports of one session count. Level-triggered: the newest full report wins; a change counts
/// only when nothing before it is missing.
class StatusSequence {
 public:
  enum class Verdict {
    kApply,
    /// Seen already, or overtaken by a newer full report.
    kOld,
    /// Something before it is missing: ask for a full report.
    kGap,
  };

  Verdict Judge(const v1::StatusReport& report) {
    if (report.sequence() <= highest_) return Verdict::kOld;
    if (!report.full() && (highest_ == 0 || report.sequence() != highest_ + 1)) return Verdict::kGap;
    highest_ = report.sequence();
    return Verdict::kApply;
  }
  /// Up to here nothing is missing.
  [[nodiscard]] std::uint64_t highest() const { return highest_; }

 private:
  std::uint64_t highest_ = 0;
};

}  // namespace slicelet::provider
