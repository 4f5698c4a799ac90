#include "provider/controllers/slice_parts.h"

#include <utility>

#include "kube/object.h"
#include "provider/controllers/slice_quota.h"
#include "provider/controllers/slices.h"

namespace slicelet::provider {
namespace {

constexpr char kFormer[] = "Former";

/// "Edge" or "Cloud": what the slice names the cluster for.
std::string PrefixOf(const Json& slice, const std::string& cluster) {
  return kube::TextAt(slice, {"spec", "edge", "cluster"}) == cluster ? "Edge" : "Cloud";
}

/// The namespace of the slice there; another's is null.
const Json* PartIn(const World& there, const Json& slice) {
  const Json* found = there.Find(kube::kNamespaces, "", NamespaceOfSlice(slice));
  const bool own =
      found != nullptr && kube::TextAt(*found, {"metadata", "labels", kSliceUidLabel}) == kube::UidOf(slice);
  return own ? found : nullptr;
}

/// Why nothing is known of the cluster.
std::string ReasonOf(const absl::Status& status) {
  return absl::IsPermissionDenied(status) ? "AccessDenied" : "ClusterNotReached";
}

}  // namespace

SliceParts::SliceParts(ControllerSettings settings, ClusterWorlds worlds)
    : settings_(std::move(settings)), worlds_(std::move(worlds)) {}

Json SliceParts::Labels(const Json& slice) const {
  return {{kHubLabel, settings_.hub_id},
          {kSliceLabel, kube::NameOf(slice)},
          {kSliceUidLabel, kube::UidOf(slice)}};
}

std::optional<Finding> SliceParts::Problem(const World& world, const Json& slice,
                                           const std::string& side) const {
  const std::string name = kube::TextAt(slice, {"spec", side, "cluster"});
  if (name.empty()) return std::nullopt;
  const std::string field = "spec." + side + ".cluster: ";
  const Json* cluster = world.Find(kube::kIotClusters, settings_.ns, name);
  if (cluster == nullptr) {
    return Finding{"ClusterNotFound", field + "there is no IotCluster " + name + " in namespace " +
                                          settings_.ns + ": register it, or name another"};
  }
  if (kube::Find(*cluster, {"spec", "kubeconfigSecret"}) == nullptr) return std::nullopt;
  if (kube::TextAt(*cluster, {"status", "uid"}).empty()) {
    return Finding{"ClusterNotReady",
                   field + "IotCluster " + name + " is not registered yet: see its condition Ready"};
  }
  if (kube::BeingDeleted(*cluster) && RecordedClusters(slice).count(name) == 0) {
    return Finding{"ClusterTerminating", field + "IotCluster " + name + " is being deleted"};
  }
  const Json* nodes = kube::Find(slice, {"spec", "edge", "nodes"});
  if (side == "edge" && nodes != nullptr && !nodes->empty()) {
    return Finding{"NodesElsewhere", "spec.edge.nodes: the nodes of hub " + settings_.hub_id +
                                         " are in its own cluster, and not in IotCluster " + name +
                                         ": name either nodes or that cluster"};
  }
  return std::nullopt;
}

bool SliceParts::MayBeLeft(const World& world, const Json& slice, const std::string& cluster) const {
  // Of one that nobody can reach any more nothing can be said.
  if (world.Find(kube::kIotClusters, settings_.ns, cluster) == nullptr) return false;
  const auto there = worlds_(cluster);
  return !there.ok() || PartIn(**there, slice) != nullptr;
}

void SliceParts::Make(Plan& plan, const World& world, const Json& slice) const {
  const std::vector<std::string> wanted = ClustersElsewhere(world, settings_, slice);
  const std::set<std::string> recorded = RecordedClusters(slice);
  std::set<std::string> record(wanted.begin(), wanted.end());
  for (const std::string& cluster : recorded) {
    if (MayBeLeft(world, slice, cluster)) record.insert(cluster);
  }
  plan.Set("clusters", record.empty() ? Json() : Json(record));
  for (const std::string& cluster : wanted) {
    if (recorded.count(cluster) != 0) {
      MakePart(plan, slice, cluster);
    } else {
      plan.Await(PrefixOf(slice, cluster) + "Namespace", false, "is being recorded");
    }
  }
  for (const std::string& cluster : wanted) record.erase(cluster);
  RemoveFormer(plan, slice, record);
}

void SliceParts::MakePart(Plan& plan, const Json& slice, const std::string& cluster) const {
  const std::string prefix = PrefixOf(slice, cluster);
  const std::string ns = NamespaceOfSlice(slice);
  const auto there = worlds_(cluster);
  const Json* part = there.ok() ? PartIn(**there, slice) : nullptr;
  if (!there.ok()) {
    plan.Await(prefix + "Namespace", false, Message(there.status()), ReasonOf(there.status()));
  } else {
    plan.Make(prefix + "Namespace", part != nullptr && !kube::BeingDeleted(*part), ns + " in " + cluster,
              [&] {
                return Write{.verb = Write::Verb::kCreate,
                             .ref = {kube::kNamespaces, "", ns, ""},
                             .body = {{"metadata", {{"labels", Labels(slice)}}}},
                             .cluster = cluster};
              });
  }
  const Json* quota = part == nullptr ? nullptr : (*there)->Find(kube::kResourceQuotas, ns, kQuotaName);
  MakeQuota(plan, prefix + "Quota", slice, Labels(slice), quota, cluster);
}

void SliceParts::RemoveFormer(Plan& plan, const Json& slice, const std::set<std::string>& clusters) const {
  for (const std::string& cluster : clusters) {
    const auto there = worlds_(cluster);
    if (!there.ok()) return plan.Await(kFormer, false, Message(there.status()), ReasonOf(there.status()));
    const Json& part = *PartIn(**there, slice);
    if (kube::BeingDeleted(part)) {
      return plan.Await(kFormer, false, "its namespace in " + cluster + " is being removed");
    }
    return plan.Make(kFormer, false, "", [&] {
      Write write = DeleteOf(kube::kNamespaces, part);
      write.cluster = cluster;
      return write;
    });
  }
}

void SliceParts::Undo(Plan& plan, const World& world, const Json& slice) const {
  int formers = 0;
  for (const std::string& cluster : RecordedClusters(slice)) {
    const Json* object = world.Find(kube::kIotClusters, settings_.ns, cluster);
    const bool named = kube::TextAt(slice, {"spec", "edge", "cluster"}) == cluster ||
                       kube::TextAt(slice, {"spec", "cloud", "cluster"}) == cluster;
    const std::string step =
        named ? PrefixOf(slice, cluster) + "Namespace" : kFormer + std::to_string(++formers);
    // Nobody can reach it any more; or nobody wants to wait for it.
    if (object == nullptr) continue;
    const auto there = worlds_(cluster);
    const bool in_reach =
        kube::TextAt(*object, {"status", "phase"}) == "Enabled" && !absl::IsPermissionDenied(there.status());
    if (GivenUp(slice) && !in_reach) continue;
    if (!there.ok()) {
      plan.AwaitUndone(step, false,
                       Message(there.status()) + "; to leave behind what is there, annotate the slice with " +
                           kGiveUp + ": \"true\"");
    } else {
      plan.Unmake(step, kube::kNamespaces, PartIn(**there, slice), cluster);
    }
  }
}

}  // namespace slicelet::provider
