#pragma once

#include <string>

#include "common/base/file_system.h"
#include "common/base/status.h"

namespace slicelet::provider {

/// The Secret that the chart mounts, as JSON (which `kubectl apply` takes as YAML): the keys and certificates
/// that provider, shim and, where the hub has one, broker need, and no others. The keys of the hub's
/// authority and root stay in `directory`. NotFound when that holds no hub; InvalidArgument when `name` or
/// `ns` is not a DNS label.
absl::StatusOr<std::string> HubSecret(const std::string& directory, const std::string& name,
                                      const std::string& ns, FileSystem& files);

}  // namespace slicelet::provider
