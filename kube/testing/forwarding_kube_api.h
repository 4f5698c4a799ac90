#pragma once

#include <memory>
#include <string>
#include <utility>

#include "kube/kube_api.h"

namespace slicelet::kube {

/// Passes everything on to another API. For tests that change one of the calls.
class ForwardingKubeApi : public KubeApi {
 public:
  explicit ForwardingKubeApi(std::unique_ptr<KubeApi> inner) : inner_(std::move(inner)) {}

  void Get(const ObjectRef& ref, Callback<Json> done) override { inner_->Get(ref, std::move(done)); }
  void List(const Resource& resource, const std::string& ns, const ListOptions& options,
            Callback<ObjectList> done) override {
    inner_->List(resource, ns, options, std::move(done));
  }
  std::unique_ptr<Watch> StartWatch(const Resource& resource, const std::string& ns,
                                    const ListOptions& options, WatchHandler handler) override {
    return inner_->StartWatch(resource, ns, options, std::move(handler));
  }
  void Create(const ObjectRef& ref, const Json& object, Callback<Json> done) override {
    inner_->Create(ref, object, std::move(done));
  }
  void Update(const ObjectRef& ref, const Json& object, Callback<Json> done) override {
    inner_->Update(ref, object, std::move(done));
  }
  void Patch(const ObjectRef& ref, PatchType type, const Json& patch, Callback<Json> done) override {
    inner_->Patch(ref, type, patch, std::move(done));
  }
  void Delete(const ObjectRef& ref, const DeleteOptions& options, StatusCallback done) override {
    inner_->Delete(ref, options, std::move(done));
  }

 private:
  const std::unique_ptr<KubeApi> inner_;
};

}  // namespace slicelet::kube
