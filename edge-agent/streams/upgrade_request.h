#pragma once

#include <string>

#include "common/base/status.h"
#include "slicelet/v1/stream.pb.h"

namespace slicelet::agent {

/// "http://127.0.0.1:10010/exec/TOKEN" taken apart. InvalidArgument for anything but plain HTTP to a host and
/// port.
struct StreamingUrl {
  std::string host;
  std::string port;
  std::string target;  // path and query
};
absl::StatusOr<StreamingUrl> ParseStreamingUrl(const std::string& url);

/// The request that asks the streaming server for the upgrade. InvalidArgument names a method or header that
/// does not belong into one.
absl::StatusOr<std::string> MakeUpgradeRequest(const StreamingUrl& url, const v1::UpgradeTarget& target);

}  // namespace slicelet::agent
