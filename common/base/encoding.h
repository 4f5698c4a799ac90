#pragma once

#include <string>
#include <string_view>

#include "common/base/ids.h"
#include "common/base/status.h"

namespace slicelet {

/// Lower-case hexadecimal.
std::string HexEncode(std::string_view bytes);
absl::StatusOr<std::string> HexDecode(std::string_view text);

/// RFC 4648 base64 with padding, as Kubernetes Secrets use it.
std::string Base64Encode(std::string_view bytes);
absl::StatusOr<std::string> Base64Decode(std::string_view text);

/// For one segment of a URL's path, or one value of its query: RFC 3986 unreserved characters stay,
/// everything else becomes %XX.
std::string PercentEncode(std::string_view text);

/// SHA-256: 32 raw bytes.
Digest Sha256(std::string_view bytes);

/// The first 12 hex digits, for log lines.
std::string Short(const Digest& digest);

/// RFC 4122 version 5 (SHA-1) UUID of `name` in the namespace `space` (a UUID's text).
std::string UuidV5(std::string_view space, std::string_view name);

}  // namespace slicelet
