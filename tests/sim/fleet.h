#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace slicelet::sim {

/// The node that stands for all hosts.
inline constexpr char kFleet[] = "fleet";

/// What operators write about a host; empty and 0: nothing.
struct HostTags {
  std::string site;
  int ring = 0;
};

/// Of an EdgeHost object.
HostTags TagsOf(const nlohmann::json& edge_host);

/// A target condition, and what it means in words of another kind.
struct FleetCondition {
  const char* text;
  bool (*matches)(const std::string& host, const HostTags& tags);
};

const std::vector<FleetCondition>& FleetConditions();

}  // namespace slicelet::sim
