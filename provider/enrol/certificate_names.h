#pragma once

#include <algorithm>
#include <string>

#include "common/tls/pki.h"

namespace slicelet::provider {

/// An IPv4 or IPv6 address, as opposed to a DNS name.
inline bool LooksLikeAddress(const std::string& name) {
  return name.find(':') != std::string::npos || name.find_first_not_of("0123456789.") == std::string::npos;
}

/// Puts a name or an address where it belongs in a certificate, once.
inline void AddName(CertificateTemplate& contents, const std::string& name) {
  auto& names = LooksLikeAddress(name) ? contents.ip_addresses : contents.dns_names;
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

}  // namespace slicelet::provider
