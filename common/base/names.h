#pragma once

#include <string>

namespace slicelet {

/// RFC 1123 label: 1 to 63 of a-z, 0-9 and '-', not '-' at the ends.
bool IsDnsLabel(const std::string& text);
/// RFC 1123 subdomain, as Kubernetes has it: at most 253 characters, parts of any length.
bool IsDnsSubdomain(const std::string& text);
/// A relative path that leads nowhere but down: no "..", no zero byte.
bool IsInnerPath(const std::string& path);
/// Names one entry of a directory, and not the directory itself or the one above it.
bool IsPathComponent(const std::string& text);

}  // namespace slicelet
