#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "provider/fleet/target_condition.h"

namespace slicelet::provider {

/// How many of a pod's hosts must be ready before the pod is: all that can be reached, a number, or a share
/// of those that are targeted. At least one in any case.
struct MinReady {
  std::optional<int> number;
  std::optional<int> percent;

  /// Whether `ready` of `reachable` (of `targeted`) hosts are enough.
  [[nodiscard]] bool Met(std::size_t ready, std::size_t reachable, std::size_t targeted) const;
};

/// What the annotations of a fleet node's pod say about its hosts.
struct FleetTerms {
  enum class Placement { kAll, kWorstFit, kBestFit, kTrafficMost };
  static constexpr int kMaxHosts = 10'000;

  TargetCondition condition = TargetCondition::Everything();
  Placement placement = Placement::kAll;
  /// How many hosts to choose, unless `placement` is kAll.
  int hosts = 1;
  MinReady min_ready;
  /// False: it competes with others of its kind for being the host's base deployment.
  bool layered = true;
  /// isEdgeDeployment: the keys and ConfigMaps of the Azure IoT Edge connector count.
  bool azure = false;
  /// `kubectl logs` shows all hosts, not the first ready one.
  bool all_logs = false;
  /// From the connector's priority key.
  std::optional<std::int32_t> priority;
  /// The annotations that were read, to tell whether anything changed.
  std::map<std::string, std::string> source;

  friend bool operator==(const FleetTerms& a, const FleetTerms& b) { return a.source == b.source; }
};

struct AnnotationError {
  std::string key;
  /// "is \"x\", should be ..."
  std::string message;
};

/// As users write it.
const char* NameOf(FleetTerms::Placement placement);

/// Every annotation key that `ReadFleetTerms` understands.
const std::vector<std::string>& FleetAnnotationKeys();

/// Reads them. What is wrong comes back by key and leaves its default in `terms`.
std::vector<AnnotationError> ReadFleetTerms(const std::map<std::string, std::string>& annotations,
                                            FleetTerms& terms);

}  // namespace slicelet::provider
