#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "common/base/ids.h"
#include "common/base/status.h"

namespace slicelet::provider {

/// The addresses under which the API shows pods: unique within the hub, because the hosts' own pod networks
/// collide.
///
/// Nothing is stored. What the API already shows of a pod is learnt from its status.podIP; a new address is
/// looked for from a place that the uid gives, so that a restarted provider rarely finds another one.
class AddressPool {
 public:
  /// "198.18.0.0/16"; at least 4 and at most 2^20 addresses. InvalidArgument names what is wrong.
  static absl::StatusOr<AddressPool> Make(const std::string& cidr);

  /// The API shows the pod under this address: it stays. Ignored when it is not ours or another pod has it.
  void Learn(const PodUid& uid, const std::string& address);
  /// The pod's address, allocated at the first call; empty when all are taken.
  std::string AddressOf(const PodUid& uid);
  void Release(const PodUid& uid);
  [[nodiscard]] std::size_t used() const { return by_pod_.size(); }

 private:
  AddressPool(std::uint32_t first, std::uint32_t count) : first_(first), count_(count) {}

  // Without the first (network) and the last (broadcast) one.
  std::uint32_t first_;
  std::uint32_t count_;
  std::map<PodUid, std::uint32_t> by_pod_;
  std::set<std::uint32_t> taken_;
};

}  // namespace slicelet::provider
