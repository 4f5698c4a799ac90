#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/status.h"

namespace slicelet {

/// What a request line names, decoded.
struct RequestTarget {
  /// "/a/b%2Fc/" is {"a", "b/c", ""}: split before it is decoded, so that an encoded slash never makes a
  /// segment.
  std::vector<std::string> segments;
  /// In order, repeated keys included.
  std::vector<std::pair<std::string, std::string>> query;

  /// The first value of a key.
  [[nodiscard]] std::optional<std::string> Query(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> QueryAll(std::string_view key) const;
};

/// Reads an origin-form target (RFC 9112 section 3.2.1): "/path?query". InvalidArgument for anything else,
/// for bad percent encoding and for control characters.
absl::StatusOr<RequestTarget> ParseTarget(std::string_view target);

/// Where a server listens.
struct ListenAddress {
  /// Numeric; "" for all addresses.
  std::string host;
  int port = 0;
};

/// Reads "HOST:PORT". InvalidArgument names the text.
absl::StatusOr<ListenAddress> ParseListenAddress(const std::string& text);

}  // namespace slicelet
