#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "common/base/file_system.h"
#include "common/base/time.h"

namespace slicelet::agent {

/// How much comes in over the host's network interfaces: the mean of the last five minutes.
///
/// Counted from the kernel's counters of the interfaces that have a device behind them; what containers,
/// bridges and tunnels carry comes in over one of those. Where none has a device (a virtual machine made of
/// namespaces) all but loopback count. A counter that went back began anew: what it shows since then counts.
/// Time is monotonic, so that a clock that is set changes nothing.
class TrafficMeter {
 public:
  static constexpr Duration kWindow = std::chrono::minutes(5);
  /// Looks that come sooner than this after the former one are left out.
  static constexpr Duration kLeastStep = std::chrono::seconds(5);

  /// `files` must outlive this object.
  explicit TrafficMeter(FileSystem& files) : files_(files) {}

  /// Reads the counters. Call every minute or so.
  void Look(MonotonicTime now);
  /// Bytes per second; nullopt before the second look, and while the counters can not be read.
  [[nodiscard]] std::optional<std::uint64_t> Rate() const;

 private:
  using Counters = std::map<std::string, std::uint64_t>;
  struct Sample {
    MonotonicTime at;
    /// Received since the meter began.
    std::uint64_t total = 0;
  };

  [[nodiscard]] std::optional<Counters> Read();

  FileSystem& files_;
  std::optional<Counters> last_;
  std::uint64_t total_ = 0;
  std::deque<Sample> samples_;
};

}  // namespace slicelet::agent
