#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "slicelet/v1/envelope.pb.h"

namespace slicelet {

/// Joins contents that travel in parts. Parts may come in any order; a set that stays incomplete gives way to
/// newer ones.
class PartJoiner {
 public:
  static constexpr std::uint32_t kMaxParts = 1'024;
  static constexpr std::size_t kMaxSets = 4;
  static constexpr std::size_t kMaxBytes = std::size_t{8} * 1024 * 1024;

  /// The content when this part completes it. InvalidArgument for parts that contradict each other;
  /// ResourceExhausted when a set is too large.
  absl::StatusOr<std::optional<std::string>> Add(const v1::Part& part, std::string slice);
  void Clear() { sets_.clear(); }

 private:
  struct Set {
    std::vector<std::optional<std::string>> slices;
    std::size_t missing = 0;
    std::size_t bytes = 0;
  };
  std::map<std::uint64_t, Set> sets_;
};

}  // namespace slicelet
