#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "common/base/ids.h"
#include "common/base/random.h"
#include "common/base/time.h"
#include "common/loop/loop.h"
#include "kube/kube_api.h"
#include "provider/fleet/edge_host.h"
#include "provider/fleet/host_status_writer.h"

namespace slicelet::kube {
class Reflector;
}

namespace slicelet::provider {

/// The hosts of a hub. EdgeHost objects are the only truth about who may connect.
class HostRegistry {
 public:
  static constexpr std::size_t kMaxTags = 64;
  static constexpr std::size_t kMaxTagBytes = 256;

  /// `changed` is called with the hosts that came, went or differ; the first time for all of them. Everything
  /// else must outlive this object.
  HostRegistry(Loop& loop, const Clock& clock, Random& random, kube::KubeApi& api, const std::string& ns,
               std::function<void(const std::set<HostId>&)> changed);
  ~HostRegistry();

  void Start();
  /// The objects have been listed once.
  [[nodiscard]] bool listed() const { return listed_; }
  /// Null for a host without an object.
  [[nodiscard]] const EdgeHost* Find(const HostId& host) const;
  [[nodiscard]] const std::map<HostId, EdgeHost>& hosts() const { return hosts_; }
  /// Unavailable before the first list, NotFound, or PermissionDenied with the remedy.
  [[nodiscard]] absl::Status MayConnect(const HostId& host) const;

  /// Written to the object's status, with condition Ready, when it changed.
  void SetStatus(const HostId& host, const HostStatus& status);

 private:
  void OnList(const std::vector<kube::Json>& items);
  void OnEvent(kube::WatchEventType type, const kube::Json& object);

  const std::function<void(const std::set<HostId>&)> changed_;
  HostStatusWriter statuses_;
  std::map<HostId, EdgeHost> hosts_;
  bool listed_ = false;
  std::unique_ptr<kube::Reflector> reflector_;
};

}  // namespace slicelet::provider
