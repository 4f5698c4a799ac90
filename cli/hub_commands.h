#pragma once

#include <string>

#include "common/base/status.h"
#include "provider/enrol/hub_directory.h"

namespace slicelet::cli {

/// `slicectl hub init`: makes a hub's directory and says what to do next.
absl::Status RunHubInit(std::string directory, provider::HubOptions options);

/// `slicectl hub secret`: the Secret for the chart, on standard output.
absl::Status RunHubSecret(const std::string& directory, const std::string& name, const std::string& ns);

/// `slicectl hub revoke`: the list of what the hub's broker refuses, and what is to be done with it.
absl::Status RunHubRevoke(const std::string& directory, const std::string& host);

/// `slicectl hub renew`: new certificates for the hub's own keys, what has to be done for them to count, and
/// which hosts are next.
absl::Status RunHubRenew(const std::string& directory);

struct HostAddOptions {
  std::string directory;
  std::string host;
  std::string ns;
};
/// `slicectl host add`: the host's credentials, and its EdgeHost object: into the standalone directory where
/// there is one, else as YAML on standard output, ready for `kubectl apply -f -`. Advice goes to standard
/// error.
absl::Status RunHostAdd(HostAddOptions options);

/// `slicectl host add --renew`: the same credentials with a new certificate. No EdgeHost is printed: the one
/// that is there says more than a new one would.
absl::Status RunHostRenew(HostAddOptions options);

}  // namespace slicelet::cli
