#pragma once

#include <map>
#include <set>
#include <string>

#include "common/base/ids.h"
#include "slicelet/v1/provider.pb.h"

namespace slicelet::provider {

/// The ConfigMaps and Secrets that pods refer to, each held once, however many pods do.
class Referents {
 public:
  struct Referent {
    /// A serialized FileSet, sorted by key.
    std::string content;
    bool secret = false;
    /// The present shim sent it, maybe just ahead of the pod that needs it.
    bool fresh = true;
  };

  /// True when the content is new or changed. Kinds that no pod can refer to by content id are ignored.
  bool Apply(const v1::ReferentApply& referent);
  /// What pods already hold of it they keep, as in Kubernetes.
  bool Delete(const v1::ReferentDelete& referent);
  [[nodiscard]] const Referent* Find(const std::string& ns, const ContentId& content) const;

  /// The shim that sent them is gone; the next one sends again what it needs.
  void Outdate();
  /// Drops those that are neither fresh nor among `used` (namespace, content id).
  void Retain(const std::set<std::pair<std::string, ContentId>>& used);

 private:
  std::map<std::pair<std::string, ContentId>, Referent> referents_;
};

/// "configmap/NAME" or "secret/NAME"; empty for other kinds.
ContentId ContentIdOf(const std::string& kind, const std::string& name);

}  // namespace slicelet::provider
