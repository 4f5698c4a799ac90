#pragma once

#include <bitset>
#include <cstdint>

namespace slicelet {

/// Which numbers of a counting sender were seen: each counts once, in any order, unless it lies further back
/// than the window.
class SequenceWindow {
 public:
  static constexpr std::size_t kSize = 1'024;

  /// True the first time; 0 is never a number.
  bool Take(std::uint64_t sequence) {
    if (sequence == 0) return false;
    if (sequence > highest_) {
      const std::uint64_t ahead = sequence - highest_;
      seen_ = ahead >= kSize ? std::bitset<kSize>() : seen_ << ahead;
      highest_ = sequence;
      seen_.set(0);
      return true;
    }
    const std::uint64_t back = highest_ - sequence;
    if (back >= kSize || seen_.test(back)) return false;
    seen_.set(back);
    return true;
  }

 private:
  std::uint64_t highest_ = 0;
  /// Bit n: highest_ - n.
  std::bitset<kSize> seen_;
};

}  // namespace slicelet
