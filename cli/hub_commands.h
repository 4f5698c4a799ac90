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

struct HostAddOptions {
  std::string directory;
  std::string host;
  std::string ns = "slicelet";
};
/// `slicectl host add`: the host's credentials, and its EdgeHost object: into the standalone directory where
/// there is one, else as YAML on standard output, ready for `kubectl apply -f -`. Advice goes to standard
/// error.
absl::Status RunHostAdd(HostAddOptions options);

}  // namespace slicelet::cli
