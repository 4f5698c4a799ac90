#pragma once

#include <string>
#include <string_view>

#include "kube/kube_api.h"

namespace slicelet::kube {

/// "/api/v1/namespaces/NS/pods", "/apis/GROUP/VERSION/PLURAL"; all namespaces with an empty `ns`.
std::string CollectionPath(const Resource& resource, const std::string& ns);
/// The object's path with its subresource. Without a name: the collection's.
std::string ObjectPath(const ObjectRef& ref);
/// "pods", "leases.coordination.k8s.io": how the API server names the kind in messages.
std::string GroupResource(const Resource& resource);
/// "apiVersion" of the kind.
std::string ApiVersion(const Resource& resource);

}  // namespace slicelet::kube
