#pragma once

#include <cstdint>
#include <string>

#include "common/base/time.h"

namespace slicelet::provider {

/// The object `adminRest` of provider.yaml.
struct AdminRestOptions {
  /// HOST:PORT with a numeric host.
  std::string listen;
  /// PEM files that it serves with; they may be replaced meanwhile.
  std::string certificate_file;
  std::string key_file;
  /// Lines of NAME:ROLE:HASH.
  std::string users_file;
  Duration token_lifetime = std::chrono::hours(8);
  /// Of one user; twice as many at once.
  std::uint64_t requests_per_second = 20;
};

}  // namespace slicelet::provider
