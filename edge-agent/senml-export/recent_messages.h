#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <unordered_set>
#include <vector>

#include "common/base/ids.h"

namespace slicelet::senml {

/// The last messages that were taken, by the first 64 bits of their digests: a ring.
class RecentMessages {
 public:
  explicit RecentMessages(std::size_t capacity) : ring_(capacity) {}

  static std::uint64_t KeyOf(const Digest& digest) {
    std::uint64_t key = 0;
    std::memcpy(&key, digest.value().data(), std::min(sizeof(key), digest.value().size()));
    return key;
  }

  [[nodiscard]] bool Contains(std::uint64_t key) const { return keys_.count(key) != 0; }
  /// Counts from 0; the next one to be `Put`.
  [[nodiscard]] std::uint64_t next() const { return next_; }
  [[nodiscard]] std::size_t SlotOf(std::uint64_t number) const { return number % ring_.size(); }

  /// `number`: at least `next()`.
  void Put(std::uint64_t number, std::uint64_t key) {
    auto& slot = ring_[SlotOf(number)];
    if (slot.used) keys_.erase(slot.key);
    slot = {key, true};
    keys_.insert(key);
    next_ = number + 1;
  }

 private:
  struct Slot {
    std::uint64_t key = 0;
    bool used = false;
  };
  std::vector<Slot> ring_;
  std::unordered_set<std::uint64_t> keys_;
  std::uint64_t next_ = 0;
};

}  // namespace slicelet::senml
