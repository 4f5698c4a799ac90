#include "provider/controllers/slices.h"

#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "kube/object.h"
#include "provider/controllers/slice_parts.h"
#include "provider/controllers/slice_quota.h"

namespace slicelet::provider {
namespace {

std::vector<std::string> NamedNodes(const Json& slice) {
  std::vector<std::string> names;
  const Json* nodes = kube::Find(slice, {"spec", "edge", "nodes"});
  if (nodes == nullptr || !nodes->is_array()) return names;
  for (const Json& name : *nodes) {
    if (name.is_string()) names.push_back(name.get<std::string>());
  }
  return names;
}

/// The oldest first: who came later yields.
std::vector<const Json*> ByAge(const std::map<ObjectName, Json>& objects) {
  std::set<std::tuple<std::string, std::string, const Json*>> sorted;
  for (const auto& [name, object] : objects) {
    sorted.emplace(kube::TextAt(object, {"metadata", "creationTimestamp"}), name.name, &object);
  }
  std::vector<const Json*> result;
  result.reserve(sorted.size());
  for (const auto& [created, name, object] : sorted) result.push_back(object);
  return result;
}

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

class SliceController final : public Controller {
 public:
  SliceController(const ControllerSettings& settings, ClusterWorlds worlds)
      : settings_(settings), parts_(settings, std::move(worlds)) {}

  [[nodiscard]] const kube::Resource& kind() const override { return kube::kIotSlices; }

  [[nodiscard]] Outcome At(const World& world, const Json& slice, const Look& look) const override {
    const std::string ns = NamespaceOfSlice(slice);
    const Json* made = Ours(world, slice, ns);
    const Json* quota = made == nullptr ? nullptr : world.Find(kube::kResourceQuotas, ns, kQuotaName);
    Plan plan(slice, look.failure, look.now);
    const int gateways = Count(world, kube::kIotGateways, slice, ns);
    const int servers = Count(world, kube::kIotServers, slice, ns);
    const int devices = static_cast<int>(made == nullptr ? 0 : world.In(kube::kIotDevices, ns).size());
    plan.Set("namespace", ns);
    plan.Set("gateways", gateways);
    plan.Set("servers", servers);
    plan.Set("devices", devices);
    if (kube::BeingDeleted(slice)) {
      if (gateways + servers + devices > 0) {
        plan.Guard(Finding{"InUse", "namespace " + ns + " still has " + std::to_string(gateways) +
                                        " IotGateways, " + std::to_string(servers) + " IotServers and " +
                                        std::to_string(devices) + " IotDevices: delete them first"});
      }
      parts_.Undo(plan, world, slice);
      plan.Unmake("Quota", kube::kResourceQuotas, quota);
      plan.Unmake("Namespace", kube::kNamespaces, made);
      plan.Release(kind());
      return plan.Finish("Terminating", {});
    }
    plan.Check(parts_.Problem(world, slice, "edge"));
    plan.Check(parts_.Problem(world, slice, "cloud"));
    plan.Check(NamespaceProblem(world, slice, ns));
    plan.Hold(kind());
    plan.Make("Namespace", made != nullptr, ns, [&] {
      Json object = {{"metadata", {{"labels", Labels(slice)}}}};
      return Write{.verb = Write::Verb::kCreate, .ref = {kube::kNamespaces, "", ns, ""}, .body = object};
    });
    MakeQuota(plan, "Quota", slice, Labels(slice), quota);
    const std::string waits = AwaitNodes(plan, world, slice);
    parts_.Make(plan, world, slice);
    const std::string phase = plan.complete() ? "Ready" : plan.failed() ? "Error" : "Pending";
    return plan.Finish(phase, {"Ready", waits});
  }

  [[nodiscard]] std::vector<ObjectName> Concerned(const World& world, const kube::Resource& of,
                                                  const Json& changed) const override {
    std::vector<ObjectName> names;
    // Another slice may let go of a namespace or a node.
    if (of == kube::kNodes || of == kube::kIotClusters || of == kube::kIotSlices) {
      for (const auto& [name, slice] : world.All(kube::kIotSlices)) names.push_back(name);
    } else if (of == kube::kNamespaces || of == kube::kResourceQuotas) {
      names.push_back({settings_.ns, kube::TextAt(changed, {"metadata", "labels", kSliceLabel})});
    } else if (of == kube::kIotGateways || of == kube::kIotServers || of == kube::kIotDevices) {
      for (const auto& [name, slice] : world.All(kube::kIotSlices)) {
        if (NamespaceOfSlice(slice) == kube::NamespaceOf(changed)) names.push_back(name);
      }
    }
    return names;
  }

 private:
  [[nodiscard]] Json Labels(const Json& slice) const {
    return {{kHubLabel, settings_.hub_id}, {kSliceLabel, kube::NameOf(slice)}};
  }

  /// The slice's namespace, if it is this slice's own.
  [[nodiscard]] const Json* Ours(const World& world, const Json& slice, const std::string& ns) const {
    const Json* found = world.Find(kube::kNamespaces, "", ns);
    if (found == nullptr) return nullptr;
    const auto label = [&](const char* key) { return kube::TextAt(*found, {"metadata", "labels", key}); };
    return label(kHubLabel) == settings_.hub_id && label(kSliceLabel) == kube::NameOf(slice) ? found
                                                                                             : nullptr;
  }

  static int Count(const World& world, const kube::Resource& of, const Json& slice, const std::string& ns) {
    int count = 0;
    for (const Json* object : world.In(of, ns)) {
      if (kube::TextAt(*object, {"spec", "slice"}) == kube::NameOf(slice)) ++count;
    }
    return count;
  }

  static std::optional<Finding> NamespaceProblem(const World& world, const Json& slice,
                                                 const std::string& ns) {
    for (const Json* other : ByAge(world.All(kube::kIotSlices))) {
      if (kube::UidOf(*other) == kube::UidOf(slice)) return std::nullopt;
      if (NamespaceOfSlice(*other) == ns) {
        return Finding{"NamespaceTaken", "namespace " + ns + " belongs to IotSlice " + kube::NameOf(*other) +
                                             ": give another spec.namespace"};
      }
    }
    return std::nullopt;
  }

  /// Returns what there is to say of a slice that is Ready.
  [[nodiscard]] std::string AwaitNodes(Plan& plan, const World& world, const Json& slice) const {
    const std::string name = kube::NameOf(slice);
    const auto owners = NodesOfSlices(world, settings_);
    int count = 0;
    for (const auto& [node, object] : world.All(kube::kNodes)) {
      if (kube::TextAt(object, {"metadata", "labels", kSliceLabel}) == name) ++count;
    }
    std::vector<std::string> missing, taken, late;
    for (const std::string& node : NamedNodes(slice)) {
      const Json* object = world.Find(kube::kNodes, "", node);
      const auto owner = owners.find(node);
      if (object == nullptr || owner == owners.end()) {
        missing.push_back(node);
      } else if (owner->second != name) {
        taken.push_back(node + " (" + owner->second + ")");
      } else if (kube::TextAt(*object, {"metadata", "labels", kSliceLabel}) != name) {
        late.push_back(node);
      }
    }
    plan.Set("nodes", count);
    std::string message;
    if (!missing.empty()) message = "hub " + settings_.hub_id + " has no node " + Joined(missing);
    if (!taken.empty())
      message += (message.empty() ? "" : "; ") + ("belongs to another slice: " + Joined(taken));
    if (!late.empty()) message += (message.empty() ? "" : "; ") + ("is being labelled: " + Joined(late));
    plan.Await("Nodes", message.empty(), message.empty() ? std::to_string(count) + " nodes" : message);
    return std::to_string(count) + " nodes in namespace " + NamespaceOfSlice(slice);
  }

  const ControllerSettings settings_;
  const SliceParts parts_;
};

}  // namespace

std::string NamespaceOfSlice(const Json& slice) {
  const std::string own = kube::TextAt(slice, {"spec", "namespace"});
  return own.empty() ? kube::NameOf(slice) : own;
}

std::map<std::string, std::string> NodesOfSlices(const World& world, const ControllerSettings& settings) {
  const std::vector<const Json*> slices = ByAge(world.All(kube::kIotSlices));
  std::map<std::string, std::string> named;
  const Json* rest = nullptr;
  for (const Json* slice : slices) {
    // Its edge is there, and none of this hub's nodes are.
    if (HasEdgeElsewhere(world, settings, *slice)) continue;
    const std::vector<std::string> nodes = NamedNodes(*slice);
    for (const std::string& node : nodes) named.emplace(node, kube::NameOf(*slice));
    if (nodes.empty() && rest == nullptr) rest = slice;
  }
  std::map<std::string, std::string> owners;
  if (slices.empty()) return owners;
  for (const auto& [name, node] : world.All(kube::kNodes)) {
    if (kube::TextAt(node, {"metadata", "labels", kHubLabel}) != settings.hub_id) continue;
    if (const auto it = named.find(name.name); it != named.end()) {
      owners.emplace(name.name, it->second);
    } else if (rest != nullptr) {
      owners.emplace(name.name, kube::NameOf(*rest));
    }
  }
  return owners;
}

bool OfAnotherHub(const World& world, const ControllerSettings& settings, const std::string& ns) {
  const Json* found = world.Find(kube::kNamespaces, "", ns);
  if (found == nullptr) return false;
  const std::string hub = kube::TextAt(*found, {"metadata", "labels", kHubLabel});
  return !hub.empty() && hub != settings.hub_id;
}

std::optional<Finding> SliceProblem(const World& world, const ControllerSettings& settings,
                                    const std::string& slice, const std::string& ns) {
  const Json* found = world.Find(kube::kNamespaces, "", ns);
  const std::string owner = found == nullptr ? "" : kube::TextAt(*found, {"metadata", "labels", kSliceLabel});
  if (owner.empty()) {
    return Finding{
        "NotInASlice",
        "namespace " + ns + " belongs to no IotSlice: make the object in the namespace of its slice"};
  }
  if (owner != slice) {
    return Finding{"WrongNamespace",
                   "spec.slice: namespace " + ns + " is that of IotSlice " + owner + ", not of " + slice};
  }
  const Json* made = world.Find(kube::kIotSlices, settings.ns, slice);
  if (made == nullptr || kube::BeingDeleted(*made)) {
    return Finding{"SliceTerminating", "spec.slice: IotSlice " + slice + " is being deleted"};
  }
  return std::nullopt;
}

std::unique_ptr<Controller> MakeSliceController(const ControllerSettings& settings, ClusterWorlds worlds) {
  return std::make_unique<SliceController>(settings, std::move(worlds));
}

}  // namespace slicelet::provider
