#include "kubelet-shim/pod/service_cache.h"

#include <nlohmann/json.hpp>

#include "common/log/log.h"
#include "kube/object.h"

namespace slicelet::shim {

ServiceCache::ServiceCache(Loop& loop, Random& random, std::function<void()> on_ready,
                           std::function<void()> on_change)
    : loop_(loop), random_(random), on_ready_(std::move(on_ready)), on_change_(std::move(on_change)) {}

void ServiceCache::Use(std::shared_ptr<kube::KubeApi> api) {
  if (api == api_) return;
  reflector_.reset();
  api_ = std::move(api);
  if (!api_) return;
  kube::Reflector::Handler handler;
  handler.on_list = [this](const std::vector<kube::Json>& items, const std::string&) {
    services_.clear();
    selectors_.Clear();
    for (const auto& item : items) {
      Learn(item);
    }
    Rebuild();
    if (!ready_) {
      ready_ = true;
      on_ready_();
    }
    on_change_();
  };
  handler.on_event = [this](kube::WatchEventType type, const kube::Json& object) {
    services_.erase({kube::NamespaceOf(object), kube::NameOf(object)});
    selectors_.Forget(kube::NamespaceOf(object), kube::NameOf(object));
    if (type != kube::WatchEventType::kDeleted) {
      Learn(object);
    }
    Rebuild();
    on_change_();
  };
  handler.on_trouble = [](const absl::Status& status) {
    LogWarning("services not readable", {{"error", Describe(status)}});
  };
  reflector_ = std::make_unique<kube::Reflector>(
      loop_, random_, *api_,
      kube::Reflector::Options{
          .resource = kube::kServices, .ns = "", .field_selector = "", .label_selector = ""},
      std::move(handler));
  reflector_->Start();
}

void ServiceCache::Learn(const kube::Json& object) {
  selectors_.Learn(object);
  auto service = ParseService(object);
  if (!service) return;
  std::pair key(service->ns, service->name);
  services_.insert_or_assign(std::move(key), *std::move(service));
}

void ServiceCache::Rebuild() {
  list_.clear();
  for (const auto& [key, service] : services_) list_.push_back(service);
}

}  // namespace slicelet::shim
