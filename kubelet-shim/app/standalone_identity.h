#pragma once

#include <string>
#include <utility>

#include "kubelet-shim/shim/shim.h"

namespace slicelet::shim {

/// Without a cluster nobody tells nodes apart: all see the directory, and share one listener.
class StandaloneIdentity final : public NodeIdentity {
 public:
  /// `directory` must outlive everything that was handed out.
  StandaloneIdentity(Loop& loop, kube::KubeApi& directory, Endpoint endpoint)
      : loop_(loop), directory_(directory), endpoint_(std::move(endpoint)) {}

  void ApiFor(const std::string&, Callback<std::shared_ptr<kube::KubeApi>> done) override {
    loop_.Post([this, done = std::move(done)] {
      // Not owned: an empty control block.
      done(std::shared_ptr<kube::KubeApi>(std::shared_ptr<void>(), &directory_));
    });
  }
  void EndpointFor(const std::string&, Callback<Endpoint> done) override {
    loop_.Post([endpoint = endpoint_, done = std::move(done)] { done(endpoint); });
  }
  void Retire(const std::string&) override {}

 private:
  Loop& loop_;
  kube::KubeApi& directory_;
  const Endpoint endpoint_;
};

}  // namespace slicelet::shim
