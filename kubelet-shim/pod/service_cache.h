#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/random.h"
#include "common/loop/loop.h"
#include "kube/reflector.h"
#include "kubelet-shim/env/service_variables.h"
#include "kubelet-shim/pod/service_selectors.h"

namespace slicelet::shim {

/// The addresses and selectors of all Services, over one watch however many nodes there are: the variables of
/// a new pod must know the newest, and reading them for each pod would cost its start a round trip.
class ServiceCache {
 public:
  /// `on_ready` is called after the first list, `on_change` whenever they may have changed.
  ServiceCache(Loop& loop, Random& random, std::function<void()> on_ready, std::function<void()> on_change);

  /// Watches with `api` from now on; what is known stays until the first list through it. Null stops
  /// watching.
  void Use(std::shared_ptr<kube::KubeApi> api);
  [[nodiscard]] const kube::KubeApi* api() const { return api_.get(); }

  /// Null before the first list.
  [[nodiscard]] const std::vector<ServiceAddress>* services() const { return ready_ ? &list_ : nullptr; }
  [[nodiscard]] ServiceSelectors& selectors() { return selectors_; }

 private:
  void Learn(const kube::Json& object);
  void Rebuild();

  Loop& loop_;
  Random& random_;
  const std::function<void()> on_ready_;
  const std::function<void()> on_change_;
  std::shared_ptr<kube::KubeApi> api_;
  std::unique_ptr<kube::Reflector> reflector_;
  std::map<std::pair<std::string, std::string>, ServiceAddress> services_;
  std::vector<ServiceAddress> list_;
  ServiceSelectors selectors_;
  bool ready_ = false;
};

}  // namespace slicelet::shim
