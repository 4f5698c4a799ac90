#pragma once

#include <memory>
#include <string>

#include "kube/kube_api.h"

namespace slicelet::kube {

/// An API server that never answers. A test overrides what it is asked for.
class SilentKubeApi : public KubeApi {
 public:
  void Get(const ObjectRef&, Callback<Json>) override {}
  void List(const Resource&, const std::string&, const ListOptions&, Callback<ObjectList>) override {}
  std::unique_ptr<Watch> StartWatch(const Resource&, const std::string&, const ListOptions&,
                                    WatchHandler) override {
    return nullptr;
  }
  void Create(const ObjectRef&, const Json&, Callback<Json>) override {}
  void Update(const ObjectRef&, const Json&, Callback<Json>) override {}
  void Patch(const ObjectRef&, PatchType, const Json&, Callback<Json>) override {}
  void Delete(const ObjectRef&, const DeleteOptions&, StatusCallback) override {}
};

}  // namespace slicelet::kube
