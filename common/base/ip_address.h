#pragma once

#include <string>

namespace slicelet {

/// Whether the text is an IPv4 or IPv6 address as inet_pton(3) takes it, without a zone, and nothing more.
bool IsIpAddress(const std::string& text);

}  // namespace slicelet
