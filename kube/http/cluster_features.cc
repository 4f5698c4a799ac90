#include "kube/http/cluster_features.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/utf8.h"
#include "common/json/json.h"
#include "kube/object.h"

namespace slicelet::kube {
namespace {

/// Of what a foreign server says.
constexpr std::size_t kMaxSaid = 512;

std::string Said(const std::string& text) { return std::string(Beginning(text, kMaxSaid)); }

/// The older name counts, too, as it does for Kubernetes.
bool IsDefault(const Json& storage_class) {
  for (const char* name :
       {"storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"}) {
    if (TextAt(storage_class, {"metadata", "annotations", name}) == "true") return true;
  }
  return false;
}

/// What one node shows of its network.
ClusterFeature NetworkOf(const Json& node) {
  const std::string name = "node " + Said(NameOf(node));
  const Json* ready = ConditionOf(node, "Ready");
  const Json* network = ConditionOf(node, "NetworkUnavailable");
  const std::string why = ready == nullptr ? "" : TextAt(*ready, {"message"});
  if (network != nullptr && TextAt(*network, {"status"}) == "True") {
    return {"False", "NetworkUnavailable", name + ": " + Said(TextAt(*network, {"message"}))};
  }
  if (ready != nullptr && TextAt(*ready, {"status"}) == "True") {
    return {"True", "Found", name + " is Ready, and does not say that its network is missing"};
  }
  // The kubelet has no condition of its own for what its runtime says of the network.
  if (why.find("NetworkReady=false") != std::string::npos) {
    return {"False", "NetworkUnavailable", name + ": " + Said(why)};
  }
  return {"Unknown", "NoNodeReady", name + " is not Ready"};
}

/// The more, the more it decides.
int WeightOf(const ClusterFeature& feature) {
  if (feature.status == "True") return 3;
  if (feature.status == "False") return 2;
  return feature.reason == "NoNodeReady" ? 1 : 0;
}

}  // namespace

ClusterFeature DefaultStorageClassIn(const Json& list) {
  std::string all;
  for (const Json& storage_class : GetArray(list, "/items")) {
    const std::string name = Said(NameOf(storage_class));
    if (IsDefault(storage_class)) return {"True", "Found", "StorageClass " + name};
    all += (all.empty() ? "" : ", ") + name;
  }
  return {"False", "NoDefaultStorageClass",
          (all.empty() ? "there is no StorageClass" : "none is the default: " + Said(all)) +
              ": a claim that names none stays Pending"};
}

ClusterFeature NetworkPluginOn(const Json& nodes, ClusterFeature so_far) {
  for (const Json& node : GetArray(nodes, "/items")) {
    ClusterFeature here = NetworkOf(node);
    if (WeightOf(here) > WeightOf(so_far)) so_far = std::move(here);
  }
  return so_far;
}

ClusterFeature NetworkWithoutNodes() {
  return {"Unknown", "NoNodes", "it has no nodes, but for those of hubs"};
}

ClusterFeature Unreadable(const absl::Status& status, const std::string& right) {
  if (absl::IsPermissionDenied(status)) {
    return {"Unknown", "AccessDenied", Said(Message(status)) + ": to have it told, let its user " + right};
  }
  return {"Unknown", "NotAnswered", Said(Message(status))};
}

}  // namespace slicelet::kube
