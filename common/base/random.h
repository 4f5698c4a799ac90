#pragma once

#include <cstdint>
#include <string>

#include "common/base/time.h"

namespace slicelet {

/// A source of chance. Seeded in tests, so that every run can be repeated.
class Random {
 public:
  virtual ~Random() = default;

  /// 64 uniformly distributed bits.
  virtual std::uint64_t Next() = 0;

  /// Uniform in [0, bound); 0 for bound 0. The bias of the modulus is below 2^-32 for the bounds used here.
  std::uint64_t Below(std::uint64_t bound) { return bound == 0 ? 0 : Next() % bound; }

  /// Uniform in [0, bound), for spreading what many do at a time; zero for bound zero.
  Duration Below(Duration bound) {
    return Duration(static_cast<Duration::rep>(Below(static_cast<std::uint64_t>(bound.count()))));
  }

  /// `bytes` random bytes as lower-case hex.
  std::string Hex(int bytes);

  /// A version 4 UUID.
  std::string Uuid();
};

/// The operating system's generator: fit for keys and nonces.
class SystemRandom : public Random {
 public:
  std::uint64_t Next() override;
};

/// SplitMix64: the same seed gives the same sequence everywhere. For tests and simulation only.
class SeededRandom : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next() override;

 private:
  std::uint64_t state_;
};

}  // namespace slicelet
