#include "common/mqtt/part_joiner.h"

#include <utility>

namespace slicelet {

absl::StatusOr<std::optional<std::string>> PartJoiner::Add(const v1::Part& part, std::string slice) {
  if (part.parts() < 2 || part.parts() > kMaxParts || part.part() >= part.parts()) {
    return absl::InvalidArgumentError("part " + std::to_string(part.part()) + " of " +
                                      std::to_string(part.parts()) + " is not a part");
  }
  auto it = sets_.find(part.set());
  if (it == sets_.end()) {
    // The oldest is the one that lost a part.
    if (sets_.size() >= kMaxSets) {
      if (part.set() < sets_.begin()->first) return std::optional<std::string>();
      sets_.erase(sets_.begin());
    }
    it = sets_.emplace(part.set(), Set{}).first;
    it->second.slices.resize(part.parts());
    it->second.missing = part.parts();
  }
  Set& set = it->second;
  if (set.slices.size() != part.parts()) {
    return absl::InvalidArgumentError("the parts of a set differ in their number");
  }
  std::optional<std::string>& place = set.slices[part.part()];
  if (place) return std::optional<std::string>();
  set.bytes += slice.size();
  if (set.bytes > kMaxBytes) {
    sets_.erase(it);
    return absl::ResourceExhaustedError("a message in parts is larger than " + std::to_string(kMaxBytes) +
                                        " bytes");
  }
  place = std::move(slice);
  if (--set.missing > 0) return std::optional<std::string>();
  std::string whole;
  whole.reserve(set.bytes);
  for (const auto& one : set.slices) whole += *one;
  sets_.erase(it);
  return std::optional(std::move(whole));
}

}  // namespace slicelet
