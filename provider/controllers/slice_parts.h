#pragma once

#include <optional>
#include <set>
#include <string>

#include "provider/controllers/other_clusters.h"
#include "provider/controllers/plan.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {

/// On a slice's namespace in another cluster: the slice's uid. Names are not enough there: another hub may
/// have a slice of the same name.
inline constexpr char kSliceUidLabel[] = "slicelet.io/slice-uid";

/// What a slice has in the clusters that it names beside the hub's own: its namespace, with its quota.
///
/// A cluster is on record in status.clusters before anything is made there, and until nothing of the slice is
/// left there. So what a slice does not name any more is removed, and a slice that is deleted leaves nothing
/// behind, unless it is given up.
class SliceParts {
 public:
  SliceParts(ControllerSettings settings, ClusterWorlds worlds);

  /// Why the slice can not have what it names; `side` is edge or cloud.
  [[nodiscard]] std::optional<Finding> Problem(const World& world, const Json& slice,
                                               const std::string& side) const;
  /// The steps that make them, and remove what is not named any more.
  void Make(Plan& plan, const World& world, const Json& slice) const;
  void Undo(Plan& plan, const World& world, const Json& slice) const;

 private:
  [[nodiscard]] bool MayBeLeft(const World& world, const Json& slice, const std::string& cluster) const;
  void MakePart(Plan& plan, const Json& slice, const std::string& cluster) const;
  /// `clusters`: those that the slice does not name any more, and has left something in.
  void RemoveFormer(Plan& plan, const Json& slice, const std::set<std::string>& clusters) const;
  [[nodiscard]] Json Labels(const Json& slice) const;

  const ControllerSettings settings_;
  const ClusterWorlds worlds_;
};

}  // namespace slicelet::provider
