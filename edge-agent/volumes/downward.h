#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// What only the host knows when a reference is resolved.
struct HostFacts {
  std::vector<std::string> pod_ips;
  std::string host_ip;
  std::int64_t allocatable_cpu_milli = 0;
  std::int64_t allocatable_memory_bytes = 0;
  std::int64_t allocatable_ephemeral_bytes = 0;
};

/// The value of a fieldRef, as the kubelet gives it (fieldpath.ExtractFieldPathAsString, and status.* of the
/// runtime). InvalidArgument for a path that has no value on a host.
absl::StatusOr<std::string> ResolveField(const v1::Workload& workload, const std::string& path,
                                         const HostFacts& facts);

/// The value of a resourceFieldRef: ceil(quantity / divisor). A limit that is not set is the host's
/// allocatable; a request that is not set is 0. `container` is used where the field names none.
absl::StatusOr<std::string> ResolveResource(const v1::Workload& workload, const v1::ResourceField& field,
                                            const std::string& container, const HostFacts& facts);

}  // namespace slicelet::agent
