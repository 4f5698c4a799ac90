#pragma once

#include <compare>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "kube/kube_api.h"

namespace slicelet::provider {

using kube::Json;

/// Names one object of a kind.
struct ObjectName {
  /// Empty for kinds without namespaces.
  std::string ns;
  std::string name;

  friend auto operator<=>(const ObjectName&, const ObjectName&) = default;
  friend bool operator==(const ObjectName&, const ObjectName&) = default;
};

/// What the API server holds, as far as the watches have told: the one thing that controllers look at.
/// Deterministic: objects are sorted by namespace and name.
class World {
 public:
  /// Null: there is none, or it has not been seen yet.
  [[nodiscard]] const Json* Find(const kube::Resource& kind, const std::string& ns,
                                 const std::string& name) const;
  [[nodiscard]] const std::map<ObjectName, Json>& All(const kube::Resource& kind) const;
  /// Those of one namespace.
  [[nodiscard]] std::vector<const Json*> In(const kube::Resource& kind, const std::string& ns) const;

  /// Takes a state in, unless a newer one is known. True when it changed anything.
  bool Put(const kube::Resource& kind, Json object);
  /// True when it was known.
  bool Remove(const kube::Resource& kind, const ObjectName& name);
  /// All objects of a kind at once; returns those that came, went or differ, as they were known last.
  std::vector<Json> Replace(const kube::Resource& kind, std::vector<Json> objects);

 private:
  std::map<std::string, std::map<ObjectName, Json>> kinds_;
};

/// The name under which the world keeps it.
ObjectName NameIn(const kube::Resource& kind, const Json& object);

}  // namespace slicelet::provider
