#pragma once

#include <map>
#include <set>
#include <string>

#include "provider/fleet/target_condition.h"

namespace slicelet::provider {

/// Hosts by what conditions ask of them. `Host` is whatever stands for one; it is never looked into.
template <typename Host>
class HostIndex {
 public:
  void Add(Host* host, const TargetFacts& facts) {
    ForEach(facts, [host](std::set<Host*>& hosts) { hosts.insert(host); });
  }
  /// `facts` as they were added.
  void Remove(Host* host, const TargetFacts& facts) {
    ForEach(facts, [host](std::set<Host*>& hosts) { hosts.erase(host); });
  }
  /// Every host that has what is demanded, once.
  template <typename Visit>
  void Find(const TargetCondition::Demand& demand, Visit visit) const {
    const auto path = hosts_.find({demand.of, demand.path});
    if (path == hosts_.end()) return;
    for (const std::string& value : demand.values) {
      const auto found = path->second.find(value);
      if (found == path->second.end()) continue;
      for (Host* host : found->second) visit(*host);
    }
  }

 private:
  using Of = TargetCondition::Demand::Of;

  template <typename Change>
  void ForEach(const TargetFacts& facts, Change change) {
    const auto at = [&](Of of, const std::string& path, const std::string& value) {
      auto& values = hosts_[{of, path}];
      const auto it = values.try_emplace(value).first;
      change(it->second);
      if (it->second.empty()) values.erase(it);
    };
    at(Of::kHost, "", facts.host);
    for (const auto& [path, value] : facts.tags) at(Of::kTag, path, value);
    for (const auto& [path, value] : facts.reported) at(Of::kReported, path, value);
  }

  std::map<std::pair<Of, std::string>, std::map<std::string, std::set<Host*>>> hosts_;
};

}  // namespace slicelet::provider
