#include "kube/cluster/access.h"

#include <nlohmann/json.hpp>

#include "kube/object.h"
#include "kube/paths.h"

namespace slicelet::kube {
namespace {

constexpr std::string_view kNodePrefix = "system:node:";

const char* NameOf(Verb verb) {
  switch (verb) {
    case Verb::kGet:
      return "get";
    case Verb::kList:
      return "list";
    case Verb::kWatch:
      return "watch";
    case Verb::kCreate:
      return "create";
    case Verb::kUpdate:
      return "update";
    case Verb::kPatch:
      return "patch";
    case Verb::kDelete:
      return "delete";
  }
  return "";
}

bool Reads(Verb verb) { return verb == Verb::kGet || verb == Verb::kList || verb == Verb::kWatch; }

/// True when some member named `key` anywhere under `value` is the text `name`, or an object whose "name" or
/// "secretName" is. Enough to find what a pod spec refers to without listing every place.
bool Mentions(const Json& value, const std::string& name) {
  if (value.is_string()) return value.get_ref<const std::string&>() == name;
  if (!value.is_structured()) return false;
  for (const auto& element : value) {
    if (Mentions(element, name)) return true;
  }
  return false;
}

bool Refers(const Json& value, const std::string& kind, const std::string& name) {
  if (value.is_array()) {
    for (const auto& element : value) {
      if (Refers(element, kind, name)) return true;
    }
    return false;
  }
  if (!value.is_object()) return false;
  const bool secrets = kind == "Secret";
  for (const auto& [key, member] : value.items()) {
    const bool names =
        secrets ? key == "secret" || key == "secretRef" || key == "secretKeyRef" || key == "imagePullSecrets"
                : key == "configMap" || key == "configMapRef" || key == "configMapKeyRef";
    if (names && Mentions(member, name)) return true;
    if (Refers(member, kind, name)) return true;
  }
  return false;
}

class NodeRules {
 public:
  NodeRules(const MemoryCluster& cluster, std::string user)
      : cluster_(cluster), user_(std::move(user)), node_(user_.substr(kNodePrefix.size())) {}

  [[nodiscard]] absl::Status Check(const Access& access) const {
    const Resource& resource = access.ref.resource;
    if (resource == kNodes) return CheckNode(access);
    if (resource == kPods) return CheckPod(access);
    if (resource == kSecrets || resource == kConfigMaps) return CheckReferent(access);
    if (resource == kServices) return Allow(access, Reads(access.verb));
    if (resource == kLeases) {
      const bool single = access.verb != Verb::kList && access.verb != Verb::kWatch;
      return Allow(access, single && access.ref.ns == "kube-node-lease" && access.ref.name == node_);
    }
    if (resource == kEvents) {
      return Allow(access, access.verb == Verb::kCreate || access.verb == Verb::kUpdate ||
                               access.verb == Verb::kPatch);
    }
    if (resource == kCertificateSigningRequests) {
      return Allow(access,
                   access.ref.subresource.empty() && (Reads(access.verb) || access.verb == Verb::kCreate));
    }
    if (resource == kServiceAccounts) return CheckToken(access);
    return Allow(access, false);
  }

 private:
  [[nodiscard]] absl::Status Allow(const Access& access, bool allowed) const {
    if (allowed) return absl::OkStatus();
    std::string what = GroupResource(access.ref.resource);
    if (!access.ref.subresource.empty()) what += "/" + access.ref.subresource;
    return absl::PermissionDeniedError(what + " \"" + access.ref.name + "\" is forbidden: User \"" + user_ +
                                       "\" cannot " + NameOf(access.verb) + " resource \"" + what + "\"");
  }

  [[nodiscard]] absl::Status CheckNode(const Access& access) const {
    if (access.verb == Verb::kList || access.verb == Verb::kWatch) {
      return Allow(access, access.selector->RequiredField("metadata.name") == node_);
    }
    if (access.ref.name != node_ || access.verb == Verb::kDelete) return Allow(access, false);
    if (access.object == nullptr) return absl::OkStatus();
    const auto before = cluster_.Peek(kNodes, "", node_);
    if (before != nullptr && access.ref.subresource.empty()) {
      const Json* was = Find(*before, {"spec", "taints"});
      const Json* is = Find(*access.object, {"spec", "taints"});
      if ((was == nullptr ? Json() : *was) != (is == nullptr ? Json() : *is)) {
        return absl::PermissionDeniedError("nodes \"" + node_ +
                                           "\" is forbidden: is not allowed to modify taints");
      }
    }
    return CheckLabels(before, *access.object);
  }

  /// Labels in the kubernetes.io and k8s.io domains are the node's only where the kubelet writes them too.
  [[nodiscard]] absl::Status CheckLabels(const StoredObject& before, const Json& after) const {
    const Json* labels = Find(after, {"metadata", "labels"});
    if (labels == nullptr || !labels->is_object()) return absl::OkStatus();
    for (const auto& [key, value] : labels->items()) {
      const Json* former = before == nullptr ? nullptr : Find(*before, {"metadata", "labels", key});
      if (former != nullptr && *former == value) continue;
      const auto slash = key.find('/');
      const std::string domain = slash == std::string::npos ? std::string() : key.substr(0, slash);
      const auto under = [&](const std::string& parent) {
        return domain == parent ||
               (domain.size() > parent.size() &&
                domain.compare(domain.size() - parent.size() - 1, std::string::npos, "." + parent) == 0);
      };
      if (!under("kubernetes.io") && !under("k8s.io")) continue;
      static const char* const kOwn[] = {"kubernetes.io/hostname",
                                         "kubernetes.io/os",
                                         "kubernetes.io/arch",
                                         "topology.kubernetes.io/zone",
                                         "topology.kubernetes.io/region",
                                         "node.kubernetes.io/instance-type"};
      bool allowed = under("kubelet.kubernetes.io") || under("node.kubernetes.io");
      for (const char* own : kOwn) allowed = allowed || key == own;
      if (!allowed) {
        return absl::PermissionDeniedError("nodes \"" + node_ +
                                           "\" is forbidden: is not allowed to modify labels: " + key);
      }
    }
    return absl::OkStatus();
  }

  [[nodiscard]] bool IsOwn(const StoredObject& pod) const {
    return pod != nullptr && TextAt(*pod, {"spec", "nodeName"}) == node_;
  }

  [[nodiscard]] absl::Status CheckPod(const Access& access) const {
    if (access.verb == Verb::kList || access.verb == Verb::kWatch) {
      return Allow(access, access.selector->RequiredField("spec.nodeName") == node_);
    }
    const auto pod = cluster_.Peek(kPods, access.ref.ns, access.ref.name);
    // Related pods and rights come from the authorizer's graph; what is not in it is forbidden.
    if (access.verb == Verb::kCreate || !IsOwn(pod)) return Allow(access, false);
    if (access.verb == Verb::kUpdate || access.verb == Verb::kPatch) {
      if (access.ref.subresource != "status") return Allow(access, false);
      const Json* was = Find(*pod, {"metadata", "labels"});
      const Json* is = access.object == nullptr ? was : Find(*access.object, {"metadata", "labels"});
      if ((was == nullptr ? Json::object() : *was) != (is == nullptr ? Json::object() : *is)) {
        return absl::PermissionDeniedError("pods \"" + access.ref.name + "\" is forbidden: node \"" + node_ +
                                           "\" cannot update labels through pod status");
      }
    }
    return absl::OkStatus();
  }

  [[nodiscard]] absl::Status CheckReferent(const Access& access) const {
    if (!Reads(access.verb)) return Allow(access, false);
    const std::string name =
        access.verb == Verb::kGet ? access.ref.name : access.selector->RequiredField("metadata.name");
    if (name.empty()) return Allow(access, false);
    for (const auto& pod : cluster_.All(kPods)) {
      if (!IsOwn(pod) || NamespaceOf(*pod) != access.ref.ns) continue;
      const Json* spec = Find(*pod, {"spec"});
      if (spec != nullptr && Refers(*spec, access.ref.resource.kind, name)) return absl::OkStatus();
    }
    return Allow(access, false);
  }

  [[nodiscard]] absl::Status CheckToken(const Access& access) const {
    if (access.verb != Verb::kCreate || access.ref.subresource != "token" || access.object == nullptr) {
      return Allow(access, false);
    }
    const Json* bound = Find(*access.object, {"spec", "boundObjectRef"});
    if (bound == nullptr || TextAt(*bound, {"kind"}) != "Pod") return Allow(access, false);
    const auto pod = cluster_.Peek(kPods, access.ref.ns, TextAt(*bound, {"name"}));
    return Allow(access, IsOwn(pod) && UidOf(*pod) == TextAt(*bound, {"uid"}) &&
                             TextAt(*pod, {"spec", "serviceAccountName"}) == access.ref.name);
  }

  const MemoryCluster& cluster_;
  const std::string user_;
  const std::string node_;
};

}  // namespace

bool IsNodeUser(const User& user) { return user.rfind(kNodePrefix, 0) == 0; }

absl::Status CheckAccess(const MemoryCluster& cluster, const User& user, const Access& access) {
  if (!IsNodeUser(user)) return absl::OkStatus();
  return NodeRules(cluster, user).Check(access);
}

}  // namespace slicelet::kube
