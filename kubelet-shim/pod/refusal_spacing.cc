#include "kubelet-shim/pod/refusal_spacing.h"

#include <algorithm>

namespace slicelet::shim {

Duration RefusalSpacing::Take(const std::string& owner) {
  if (owner.empty()) return Duration::zero();
  const MonotonicTime now = loop_.Now();
  auto it = owners_.find(owner);
  if (it != owners_.end() && now > it->second.next + kForget) {
    owners_.erase(it);
    it = owners_.end();
  }
  if (it == owners_.end()) {
    if (owners_.size() >= kMaxOwners) {
      owners_.erase(std::min_element(owners_.begin(), owners_.end(), [](const auto& a, const auto& b) {
        return a.second.next < b.second.next;
      }));
    }
    owners_[owner] = {.next = now + kBase};
    return Duration::zero();
  }
  Turn& turn = it->second;
  const MonotonicTime at = std::max(now, turn.next);
  turn.gap = std::min(turn.gap * 2, kCap);
  turn.next = at + turn.gap;
  return at - now;
}

}  // namespace slicelet::shim
