#include <absl/strings/cord.h>

#include <algorithm>
#include <charconv>

#include "common/base/encoding.h"
#include "kube/kube_api.h"
#include "kube/paths.h"

namespace slicelet::kube {
namespace {

constexpr char kRetryAfter[] = "slicelet.io/retry-after";

}  // namespace

const Resource kPods{"", "v1", "pods", "Pod", true};
const Resource kNodes{"", "v1", "nodes", "Node", false};
const Resource kLeases{"coordination.k8s.io", "v1", "leases", "Lease", true};
const Resource kConfigMaps{"", "v1", "configmaps", "ConfigMap", true};
const Resource kSecrets{"", "v1", "secrets", "Secret", true};
const Resource kServices{"", "v1", "services", "Service", true};
const Resource kEvents{"", "v1", "events", "Event", true};
const Resource kServiceAccounts{"", "v1", "serviceaccounts", "ServiceAccount", true};
const Resource kNamespaces{"", "v1", "namespaces", "Namespace", false};
const Resource kResourceQuotas{"", "v1", "resourcequotas", "ResourceQuota", true};
const Resource kCertificateSigningRequests{"certificates.k8s.io", "v1", "certificatesigningrequests",
                                           "CertificateSigningRequest", false};
const Resource kEdgeHosts{"slicelet.io", "v1alpha1", "edgehosts", "EdgeHost", true};
const Resource kIotClusters{"slicelet.io", "v1alpha1", "iotclusters", "IotCluster", true};
const Resource kIotSlices{"slicelet.io", "v1alpha1", "iotslices", "IotSlice", true};
const Resource kIotGateways{"slicelet.io", "v1alpha1", "iotgateways", "IotGateway", true};
const Resource kIotServers{"slicelet.io", "v1alpha1", "iotservers", "IotServer", true};
const Resource kIotDevices{"slicelet.io", "v1alpha1", "iotdevices", "IotDevice", true};

std::optional<std::int64_t> RetryAfterSeconds(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryAfter);
  if (!payload.has_value()) return std::nullopt;
  const std::string text(*payload);
  std::int64_t seconds = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || at != text.data() + text.size()) return std::nullopt;
  return seconds;
}

void SetRetryAfterSeconds(absl::Status& status, std::int64_t seconds) {
  // By way of a view: the constructor for strings is a template whose name GCC, which built the library,
  // spells otherwise than clang.
  const std::string text = std::to_string(std::clamp<std::int64_t>(seconds, 0, kMaxRetryAfterSeconds));
  status.SetPayload(kRetryAfter, absl::Cord(absl::string_view(text)));
}

std::string ApiVersion(const Resource& resource) {
  return resource.group.empty() ? resource.version : resource.group + "/" + resource.version;
}

std::string GroupResource(const Resource& resource) {
  return resource.group.empty() ? resource.plural : resource.plural + "." + resource.group;
}

std::string CollectionPath(const Resource& resource, const std::string& ns) {
  std::string path = (resource.group.empty() ? "/api/" : "/apis/") + ApiVersion(resource);
  if (resource.namespaced && !ns.empty()) path += "/namespaces/" + PercentEncode(ns);
  return path + "/" + resource.plural;
}

std::string ObjectPath(const ObjectRef& ref) {
  std::string path = CollectionPath(ref.resource, ref.ns);
  if (ref.name.empty()) return path;
  path += "/" + PercentEncode(ref.name);
  if (!ref.subresource.empty()) path += "/" + ref.subresource;
  return path;
}

}  // namespace slicelet::kube
