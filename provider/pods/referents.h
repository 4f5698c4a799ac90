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
  /// What `host` gets of one that is divided among hosts: the keys "HOST.KEY" of its own name, as "KEY";
  /// nothing of what is another host's or nobody's. A serialized FileSet, empty for a host without any.
  [[nodiscard]] const std::string& ForHost(const std::string& ns, const ContentId& content,
                                           const HostId& host) const;

  /// The shim that sent them is gone; the next one sends again what it needs.
  void Outdate();
  /// Drops those that are neither fresh nor among `used` (namespace, content id).
  void Retain(const std::set<std::pair<std::string, ContentId>>& used);

 private:
  using Key = std::pair<std::string, ContentId>;
  std::map<Key, Referent> referents_;
  /// Of those that somebody has asked for by host: made once for all hosts, because each asks at every
  /// change.
  mutable std::map<Key, std::map<std::string, std::string>> divided_;
};

/// "configmap/NAME" or "secret/NAME"; empty for other kinds.
ContentId ContentIdOf(const std::string& kind, const std::string& name);

}  // namespace slicelet::provider
