#include "tests/sim/cluster_upkeep.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "kube/object.h"

namespace slicelet::sim {

using kube::Json;

namespace {

constexpr char kUpkeep[] = "system:controllers";
constexpr char kFinalizer[] = "kubernetes";
/// Between two looks for pods of a node that is gone.
constexpr Duration kNodeDelay = std::chrono::seconds(20);
/// From a change to what follows from it.
constexpr Duration kDelay = std::chrono::milliseconds(300);

const std::vector<kube::Resource>& Contents() {
  static const std::vector<kube::Resource> kAll = {kube::kPods,          kube::kConfigMaps, kube::kSecrets,
                                                   kube::kIotGateways,   kube::kIotServers, kube::kIotDevices,
                                                   kube::kResourceQuotas};
  return kAll;
}

}  // namespace

ClusterUpkeep::ClusterUpkeep(Loop& loop, kube::MemoryApiServer& api, Story& story,
                             std::function<void(const Json& pod)> deletes)
    : loop_(loop), api_(api), story_(story), deletes_(std::move(deletes)) {
  // What may be an owner, belong to one, or be a namespace.
  std::set<std::string> keys = {kube::MemoryCluster::CollectionKey(kube::kNamespaces)};
  for (const kube::Resource& kind : Contents()) keys.insert(kube::MemoryCluster::CollectionKey(kind));
  api_.cluster().AddListener([this, keys](const std::string& collection) {
    if (keys.contains(collection)) Soon();
  });
}

void ClusterUpkeep::Soon() {
  if (std::exchange(waiting_, true)) return;
  loop_.RunAfter(kDelay, [this] {
    waiting_ = false;
    Work();
  });
}

absl::Status ClusterUpkeep::Admit(const kube::KubeCall& call) const {
  if (call.verb != kube::Verb::kCreate || call.ref.ns.empty()) return absl::OkStatus();
  const auto ns = api_.cluster().Peek(kube::kNamespaces, "", call.ref.ns);
  if (ns == nullptr) return absl::NotFoundError("namespaces \"" + call.ref.ns + "\" not found");
  if (!kube::BeingDeleted(*ns)) return absl::OkStatus();
  return absl::PermissionDeniedError(call.ref.resource.plural + " \"" + call.ref.name +
                                     "\" is forbidden: unable to create new content in namespace " +
                                     call.ref.ns + " because it is being terminated");
}

void ClusterUpkeep::AfterCall(const kube::KubeCall& call, const absl::Status& outcome) {
  if (!outcome.ok() || call.verb != kube::Verb::kCreate || call.ref.resource != kube::kNamespaces) return;
  (void)api_.cluster().Patch(kUpkeep, {kube::kNamespaces, "", call.ref.name, ""}, kube::PatchType::kMerge,
                             {{"metadata", {{"finalizers", Json::array({kFinalizer})}}}});
}

void ClusterUpkeep::Work() {
  // They are programs beside the API server, and ask it like everybody else.
  if (api_.down()) return Soon();
  CollectGarbage();
  EndNamespaces();
  RemovePodsOfNodes();
}

void ClusterUpkeep::NodeGoes(const std::string& node) {
  going_nodes_.insert(node);
  Soon();
}

void ClusterUpkeep::RemovePodsOfNodes() {
  if (going_nodes_.empty()) return;
  for (const auto& pod : api_.cluster().All(kube::kPods)) {
    const std::string node = kube::TextAt(*pod, {"spec", "nodeName"});
    if (!going_nodes_.contains(node) || api_.cluster().Peek(kube::kNodes, "", node) != nullptr) continue;
    story_.Tell("cluster: removes pod " + kube::NameOf(*pod) + " of a node that is gone");
    Delete(kube::kPods, *pod, {.uid = kube::UidOf(*pod), .grace_seconds = 0});
  }
  loop_.RunAfter(kNodeDelay, [this] { Soon(); });
}

bool ClusterUpkeep::OwnerIsGone(const Json& object) const {
  const Json* owners = kube::Find(object, {"metadata", "ownerReferences"});
  if (owners == nullptr || owners->empty()) return false;
  for (const Json& owner : *owners) {
    for (const kube::Resource& kind : {kube::kIotGateways, kube::kIotServers}) {
      if (kube::TextAt(owner, {"kind"}) != kind.kind) continue;
      const auto found = api_.cluster().Peek(kind, kube::NamespaceOf(object), kube::TextAt(owner, {"name"}));
      if (found == nullptr || kube::UidOf(*found) != kube::TextAt(owner, {"uid"})) return true;
    }
  }
  return false;
}

void ClusterUpkeep::CollectGarbage() {
  for (const kube::Resource& kind : {kube::kPods, kube::kConfigMaps, kube::kSecrets}) {
    for (const auto& object : api_.cluster().All(kind)) {
      if (kube::BeingDeleted(*object) || !OwnerIsGone(*object)) continue;
      story_.Tell("cluster: collects " + kind.kind + " " + kube::NameOf(*object) + ", whose owner is gone");
      Delete(kind, *object);
    }
  }
}

void ClusterUpkeep::EndNamespaces() {
  for (const auto& ns : api_.cluster().All(kube::kNamespaces)) {
    if (!kube::BeingDeleted(*ns)) continue;
    bool empty = true;
    for (const kube::Resource& kind : Contents()) {
      for (const auto& object : api_.cluster().All(kind)) {
        if (kube::NamespaceOf(*object) != kube::NameOf(*ns)) continue;
        empty = false;
        if (!kube::BeingDeleted(*object)) Delete(kind, *object);
      }
    }
    if (!empty) continue;
    story_.Tell("cluster: namespace " + kube::NameOf(*ns) + " is empty and goes");
    (void)api_.cluster().Patch(kUpkeep, {kube::kNamespaces, "", kube::NameOf(*ns), ""},
                               kube::PatchType::kMerge, {{"metadata", {{"finalizers", Json::array()}}}});
  }
}

void ClusterUpkeep::Delete(const kube::Resource& kind, const Json& object,
                           const kube::DeleteOptions& options) {
  if (kind == kube::kPods) deletes_(object);
  (void)api_.cluster().Delete(kUpkeep, {kind, kube::NamespaceOf(object), kube::NameOf(object), ""}, options);
}

}  // namespace slicelet::sim
