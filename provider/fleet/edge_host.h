#pragma once

#include <map>
#include <string>

namespace slicelet::provider {

/// An EdgeHost object as its operator wrote it.
struct EdgeHost {
  bool approved = false;
  bool revoked = false;
  /// It keeps what it runs and gets nothing new.
  bool maintenance = false;
  std::map<std::string, std::string> tags;

  friend bool operator==(const EdgeHost&, const EdgeHost&) = default;
};

}  // namespace slicelet::provider
