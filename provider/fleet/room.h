#pragma once

#include <cstdint>

namespace slicelet::provider {

/// CPU and memory as placement counts them.
struct Room {
  /// What a container that leaves its request out counts as. CPU as in the Kubernetes scheduler; of memory
  /// less than there (200 MiB), or a gateway of 1 GiB would have no room for six small services.
  static constexpr std::int64_t kDefaultCpuMilli = 100;
  static constexpr std::int64_t kDefaultMemoryBytes = std::int64_t{64} << 20;
  /// `MaxReplicas` of what takes nothing.
  static constexpr std::int64_t kNoLimit = 1'000'000;

  std::int64_t cpu_milli = 0;
  std::int64_t memory_bytes = 0;

  Room& operator+=(const Room& other) {
    cpu_milli += other.cpu_milli;
    memory_bytes += other.memory_bytes;
    return *this;
  }
  friend Room operator-(const Room& a, const Room& b) {
    return {a.cpu_milli - b.cpu_milli, a.memory_bytes - b.memory_bytes};
  }
  friend bool operator==(const Room&, const Room&) = default;
};

/// min(⌊free CPU ∕ app's CPU⌋, ⌊free memory ∕ app's memory⌋), 0 where less than nothing is free.
std::int64_t MaxReplicas(const Room& free, const Room& app);

}  // namespace slicelet::provider
