#pragma once

#include <string>
#include <vector>

#include "kube/kube_api.h"
#include "provider/rest/answer.h"

namespace slicelet::provider {

/// One of our kinds as the admin API shows it.
struct RestKind {
  kube::Resource resource;
  /// "gateways": the last part of its collection's path.
  std::string path;
  /// "IotGateway": the first part of its schemas' names, and how messages call it.
  std::string noun;
  /// It lives in its slice's namespace, otherwise in the hub's.
  bool in_slice = false;
  /// spec.slice says so too: it is what the path says, and not for the body to say.
  bool names_slice = false;
};

const std::vector<RestKind>& RestKinds();
const RestKind& KindOf(const kube::Resource& resource);

/// Adds, per kind, the schemas NOUN (what is answered), NOUNList, NOUNCreate and NOUNPatch (what is sent) to
/// `schemas`. They are those of the CustomResourceDefinitions in charts/slicelet-hub/crds, which are built
/// in: a field of a kind is described in one place.
absl::Status AddKindSchemas(Json& schemas);

/// The object as it is answered; `slice` is left out when empty.
Json ShownObject(const Json& object, const std::string& slice);

}  // namespace slicelet::provider
