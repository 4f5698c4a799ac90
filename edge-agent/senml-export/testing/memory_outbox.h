#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "edge-agent/senml-export/outbox.h"

namespace slicelet::senml {

/// An outbox without a disk, which can be told to fail.
class MemoryOutbox : public Outbox {
 public:
  absl::Status failure;
  /// Of what is added, alone.
  absl::Status full;

  absl::StatusOr<bool> Add(const std::string& pack, const Digest& message) override {
    SLICELET_RETURN_IF_ERROR(CanAdd());
    if (!messages_.insert(message).second) return false;
    packs_[++last_] = pack;
    return true;
  }
  absl::Status CanAdd() override { return failure.ok() ? full : failure; }
  absl::StatusOr<std::vector<Item>> After(std::uint64_t id, std::size_t count) override {
    if (!failure.ok()) return failure;
    std::vector<Item> items;
    for (auto it = packs_.upper_bound(id); it != packs_.end() && items.size() < count; ++it)
      items.push_back({it->first, it->second});
    return items;
  }
  absl::Status Remove(std::uint64_t id) override {
    if (failure.ok()) packs_.erase(id);
    return failure;
  }
  [[nodiscard]] Totals totals() const override {
    Totals totals;
    totals.packs = packs_.size();
    for (const auto& [id, pack] : packs_) totals.bytes += pack.size();
    return totals;
  }

 private:
  std::map<std::uint64_t, std::string> packs_;
  std::set<Digest> messages_;
  std::uint64_t last_ = 0;
};

}  // namespace slicelet::senml
