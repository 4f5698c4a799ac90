#pragma once

#include <compare>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::shim {

/// A ConfigMap or Secret that a pod refers to.
struct ReferentKey {
  enum class Kind { kConfigMap, kSecret };

  Kind kind = Kind::kConfigMap;
  std::string ns;
  std::string name;

  friend auto operator<=>(const ReferentKey&, const ReferentKey&) = default;
};

/// "ConfigMap", "Secret".
std::string KindName(ReferentKey::Kind kind);
/// What workloads and manifests call it: "configmap/NAME", "secret/NAME".
std::string ContentIdOf(const ReferentKey& key);

/// What is known of a referent.
struct Referent {
  enum class State {
    kUnread,      ///< not answered yet
    kPresent,     ///< everything below holds
    kMissing,     ///< the API server said 404
    kUnreadable,  ///< any other failure; `error` says which
  };

  State state = State::kUnread;
  std::string error;
  std::string resource_version;
  /// A Secret's type.
  std::string type;
  std::map<std::string, std::string> data;
  /// A ConfigMap's; never a source of environment variables.
  std::map<std::string, std::string> binary_data;
};

/// From the object the API server gave: base64 is decoded. InvalidArgument names the entry that is not
/// base64.
absl::StatusOr<Referent> ParseReferent(ReferentKey::Kind kind, const nlohmann::json& object);
/// data and binaryData, sorted by key.
v1::FileSet ContentOf(const Referent& referent);

/// Finds what is known of a referent; null is the same as kUnread.
using ReferentLookup = std::function<const Referent*(const ReferentKey&)>;

/// One place in a pod that names a referent.
struct Reference {
  enum class Use { kEnvironment, kVolume, kPullSecret };

  ReferentKey key{};
  Use use = Use::kEnvironment;
  /// A missing object or key is skipped. Pull secrets always are.
  bool optional = false;
  /// kVolume: the volume, and the keys its items name.
  std::string volume{};
  std::vector<std::string> keys{};
};

/// Every reference of env, envFrom, configMap, secret and projected volumes and imagePullSecrets, in spec
/// order.
std::vector<Reference> CollectReferences(const nlohmann::json& pod);

/// The ConfigMaps that belong to a pod of the Azure IoT Edge connector by their names: one per container,
/// `edgehub` and `edgeagent`. Empty for other pods. All are optional.
std::set<ReferentKey> CollectConnectorMaps(const nlohmann::json& pod);

}  // namespace slicelet::shim
