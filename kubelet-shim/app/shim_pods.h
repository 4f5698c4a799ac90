#pragma once

#include <string>
#include <vector>

#include "kubelet-shim/api/kubelet_api.h"
#include "kubelet-shim/shim/shim.h"

namespace slicelet::shim {

/// The shim's memory as the kubelet API asks for it.
class ShimPods final : public NodePods {
 public:
  /// Set once the shim exists; requests that come earlier see no nodes.
  void Attach(const Shim& shim) { shim_ = &shim; }

  [[nodiscard]] std::vector<std::string> Nodes() const override {
    return shim_ == nullptr ? std::vector<std::string>() : shim_->Nodes();
  }
  [[nodiscard]] std::vector<kube::Json> Pods(const std::string& node) const override {
    return shim_ == nullptr ? std::vector<kube::Json>() : shim_->Pods(node);
  }
  [[nodiscard]] std::vector<kube::Json> RunningPods(const std::string& node) const override {
    return shim_ == nullptr ? std::vector<kube::Json>() : shim_->RunningPods(node);
  }
  [[nodiscard]] absl::StatusOr<std::string> FindContainer(const std::string& node, const std::string& ns,
                                                          const std::string& pod, const std::string& uid,
                                                          const std::string& container) const override {
    if (shim_ == nullptr) return absl::NotFoundError("pod does not exist");
    return shim_->FindContainer(node, ns, pod, uid, container);
  }

 private:
  const Shim* shim_ = nullptr;
};

}  // namespace slicelet::shim
