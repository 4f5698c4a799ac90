#pragma once

#include <string>

#include "provider/fleet/targeting.h"

namespace slicelet::provider {

/// A line for each pod, with its hosts and what it lost each of them to: to be compared and read.
inline std::string Shown(const Targets& targets) {
  std::string text;
  for (const auto& [uid, hosts] : targets) {
    text += uid.value() + ":";
    for (const auto& [host, verdict] : hosts)
      text += " " + host.value() + (verdict.superseded.empty() ? "" : "(" + verdict.superseded + ")");
    text += "\n";
  }
  return text;
}

}  // namespace slicelet::provider
