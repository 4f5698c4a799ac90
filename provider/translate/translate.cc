#include "provider/translate/translate.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <set>

#include "provider/translate/parts.h"

namespace slicelet::provider {
namespace {

constexpr std::int64_t kDefaultGraceSeconds = 30;
constexpr std::int64_t kMaxSeconds = 2'147'483'647;
constexpr std::size_t kMaxHostname = 63;
constexpr std::size_t kMaxUid = 128;

bool IsUid(const std::string& uid) {
  return !uid.empty() && uid.size() <= kMaxUid && std::ranges::all_of(uid, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

void TranslateMetadata(FieldReader& metadata, v1::Workload& out) {
  out.set_uid(metadata.RequiredString("uid"));
  if (!out.uid().empty() && !IsUid(out.uid())) metadata.Refuse("uid", "\"" + out.uid() + "\" is no uid");
  out.set_name(metadata.RequiredString("name"));
  if (!out.name().empty() && !IsDnsSubdomain(out.name())) {
    metadata.Refuse("name", "\"" + out.name() + "\" is no DNS subdomain");
  }
  out.set_namespace_(metadata.String("namespace", "default"));
  if (!IsDnsLabel(out.namespace_()))
    metadata.Refuse("namespace", "\"" + out.namespace_() + "\" is no DNS label");
}

/// A DaemonSet's controller tolerates the usual taints by itself; ours has to be named by a person.
void RefuseStrayDaemon(FieldReader& metadata, FieldReader& spec, const std::string& taint_key) {
  bool daemon = false;
  metadata.Each("ownerReferences", [&](FieldReader& owner) {
    daemon = daemon || owner.String("kind") == "DaemonSet";
    owner.AcceptAll();
  });
  bool tolerated = false;
  spec.Each("tolerations", [&](FieldReader& toleration) {
    tolerated = tolerated || toleration.String("key") == taint_key;
    toleration.AcceptAll();
  });
  if (daemon && !tolerated) {
    spec.Refuse("tolerations",
                "DaemonSet pods run on edge hosts only if they tolerate \"" + taint_key +
                    "\" by name; add that toleration, or keep the DaemonSet off nodes with label "
                    "type=virtual-kubelet",
                kUnsupported);
  }
}

void TranslateRestartPolicy(FieldReader& spec, v1::Workload& out) {
  const std::string policy = spec.String("restartPolicy", "Always");
  if (policy == "OnFailure")
    out.set_restart_policy(v1::RESTART_POLICY_ON_FAILURE);
  else if (policy == "Never")
    out.set_restart_policy(v1::RESTART_POLICY_NEVER);
  else if (policy != "Always") {
    spec.Refuse("restartPolicy", "is \"" + policy + "\", should be Always, OnFailure or Never");
  }
}

void TranslateNames(FieldReader& spec, v1::Workload& out) {
  std::string hostname = spec.String("hostname");
  if (!hostname.empty() && !IsDnsLabel(hostname))
    spec.Refuse("hostname", "\"" + hostname + "\" is no DNS label");
  if (hostname.empty() && !out.host_network()) {
    // As the kubelet: the pod's name, cut to what the kernel takes.
    hostname = out.name().substr(0, kMaxHostname);
    while (!hostname.empty() && (hostname.back() == '-' || hostname.back() == '.')) hostname.pop_back();
  }
  out.set_hostname(hostname);
  out.set_subdomain(spec.String("subdomain"));
  if (!out.subdomain().empty() && !IsDnsLabel(out.subdomain())) {
    spec.Refuse("subdomain", "\"" + out.subdomain() + "\" is no DNS label");
  }
  if (spec.Bool("setHostnameAsFQDN")) {
    spec.Refuse("setHostnameAsFQDN", "not supported on edge hosts, which have no cluster domain; remove it",
                kUnsupported);
  }
  spec.Unsupported("hostnameOverride", "use hostname");
  spec.Each("hostAliases", [&](FieldReader& alias) {
    auto& to = *out.add_host_aliases();
    to.set_ip(alias.RequiredString("ip"));
    for (std::string& name : alias.Strings("hostnames")) to.add_hostnames(std::move(name));
  });
}

void TranslateDns(FieldReader& spec, v1::Dns& out) {
  const std::string policy = spec.String("dnsPolicy", "ClusterFirst");
  if (policy == "Default")
    out.set_policy(v1::Dns::DEFAULT);
  else if (policy == "None")
    out.set_policy(v1::Dns::NONE);
  else if (policy == "ClusterFirstWithHostNet")
    out.set_policy(v1::Dns::CLUSTER_FIRST_WITH_HOST_NET);
  else if (policy != "ClusterFirst") {
    spec.Refuse("dnsPolicy",
                "is \"" + policy + "\", should be ClusterFirst, ClusterFirstWithHostNet, Default or None");
  }
  FieldReader config = spec.Object("dnsConfig");
  for (std::string& server : config.Strings("nameservers")) out.add_nameservers(std::move(server));
  for (std::string& search : config.Strings("searches")) out.add_searches(std::move(search));
  config.Each("options", [&](FieldReader& option) {
    const std::string name = option.RequiredString("name");
    const std::string value = option.String("value");
    out.add_options(value.empty() ? name : name + ":" + value);
  });
  if (policy == "None" && out.nameservers().empty()) {
    config.Refuse("nameservers", "is required with dnsPolicy None");
  }
}

void TranslatePullSecrets(FieldReader& spec, PodParts& parts) {
  spec.Each("imagePullSecrets", [&](FieldReader& secret) {
    const std::string name = secret.String("name");
    // The API server lets an empty name pass; it refers to nothing.
    if (name.empty()) return;
    if (!IsDnsSubdomain(name)) secret.Refuse("name", "\"" + name + "\" is no object name");
    parts.workload.add_pull_secrets("secret/" + name);
    parts.contents.insert("secret/" + name);
  });
}

void RefusePodFeatures(FieldReader& spec) {
  spec.Unsupported("resourceClaims", "devices are given by the host's policy: use a hostPath volume");
  spec.Unsupported("resources", "set resources on the containers", "PodLevelResourcesNotSupported");
  spec.Unsupported("runtimeClassName", "remove it; every container runs in the host's default runtime");
  if (!spec.Bool("hostUsers", true)) {
    spec.Refuse("hostUsers", "false is not supported on edge hosts; remove it", kUnsupported);
  }
  FieldReader os = spec.Object("os");
  os.UnsupportedUnless("name", "linux", "edge hosts run Linux");
}

/// What the API server, the scheduler or the shim acts on.
void AcceptElsewhere(FieldReader& spec) {
  for (const char* key : {"serviceAccount", "automountServiceAccountToken", "nodeSelector", "affinity",
                          "schedulerName", "priorityClassName", "preemptionPolicy", "readinessGates",
                          "enableServiceLinks", "topologySpreadConstraints", "schedulingGates"}) {
    spec.Accept(key);
  }
}

void TranslateContainers(FieldReader& spec, PodParts& parts) {
  std::set<std::string> names;
  const auto translate = [&](FieldReader& from, bool init, v1::Container& out) {
    TranslateContainer(from, init, parts, out);
    if (!names.insert(out.name()).second) from.Refuse("name", "\"" + out.name() + "\" is used twice");
  };
  spec.Each("initContainers",
            [&](FieldReader& from) { translate(from, true, *parts.workload.add_init_containers()); });
  spec.Each("containers",
            [&](FieldReader& from) { translate(from, false, *parts.workload.add_containers()); });
  if (parts.workload.containers().empty()) spec.Refuse("containers", "is required");
}

void TranslateSpec(FieldReader& spec, Translation& out, PodParts& parts) {
  v1::Workload& workload = out.workload;
  workload.set_node_name(spec.String("nodeName"));
  workload.set_service_account(spec.String("serviceAccountName", spec.String("serviceAccount", "default")));
  TranslateRestartPolicy(spec, workload);
  workload.set_termination_grace_seconds(
      spec.Int("terminationGracePeriodSeconds", kDefaultGraceSeconds, 0, kMaxSeconds));
  if (const auto deadline = spec.OptionalInt("activeDeadlineSeconds", 1, kMaxSeconds)) {
    workload.set_active_deadline_seconds(*deadline);
  }
  workload.set_host_network(spec.Bool("hostNetwork"));
  workload.set_host_pid(spec.Bool("hostPID"));
  workload.set_host_ipc(spec.Bool("hostIPC"));
  workload.set_share_process_namespace(spec.Bool("shareProcessNamespace"));
  TranslateNames(spec, workload);
  TranslateDns(spec, *workload.mutable_dns());
  if (spec.Has("securityContext")) {
    FieldReader security = spec.Object("securityContext");
    TranslatePodSecurity(security, *workload.mutable_security());
  }
  TranslatePullSecrets(spec, parts);
  RefusePodFeatures(spec);
  AcceptElsewhere(spec);
  // Volumes first: mounts refer to them.
  spec.Each("volumes", [&](FieldReader& volume) { TranslateVolume(volume, parts); });
  TranslateContainers(spec, parts);
}

}  // namespace

std::variant<Translation, v1::Refusal> Translate(const nlohmann::json& pod,
                                                 const std::vector<v1::ContainerEnvironment>& environment,
                                                 const TranslateOptions& options) {
  Translation out;
  Diagnosis diagnosis;
  {
    PodParts parts{.workload = out.workload, .environment = environment, .contents = {}, .credentials = {}};
    FieldReader root(&pod, "", diagnosis);
    FieldReader metadata = root.Object("metadata");
    FieldReader spec = root.Object("spec");
    TranslateMetadata(metadata, out.workload);
    // The annotation replaces it, and may be smaller.
    out.priority = static_cast<std::int32_t>(spec.Int("priority", 0, std::numeric_limits<std::int32_t>::min(),
                                                      std::numeric_limits<std::int32_t>::max()));
    TranslateAnnotations(metadata, options, out, parts.api_access);
    RefuseStrayDaemon(metadata, spec, options.taint_key);
    TranslateSpec(spec, out, parts);
    FieldReader annotations = metadata.Object("annotations");
    TranslateStartOrder(annotations, out.workload);
    TranslateHostAliases(annotations, out.workload);
    TranslateRole(annotations, out);
    for (const std::string& id : parts.contents) out.contents.emplace_back(id);
    TranslatePerHostSecrets(annotations, out);
    // What is ignored was said when they were read the first time.
    annotations.AcceptAll();
    // The rest of these is the API server's business.
    metadata.AcceptAll();
    root.AcceptAll();
    out.credentials.assign(parts.credentials.begin(), parts.credentials.end());
  }
  if (diagnosis.refusal()) return *diagnosis.refusal();
  if (out.fleet && out.fleet->azure && options.connector != nullptr) {
    if (auto refusal = ApplyConnectorMaps(*options.connector, out.workload, out.connector))
      return *std::move(refusal);
    if (!out.connector.docker_config.empty()) {
      out.workload.add_pull_secrets(kConnectorRegistry);
      out.contents.emplace_back(kConnectorRegistry);
      std::sort(out.contents.begin(), out.contents.end());
    }
  }
  out.ignored = diagnosis.ignored();
  out.ignored.insert(out.ignored.end(), out.connector.ignored.begin(), out.connector.ignored.end());
  return out;
}

namespace {

std::string Serialize(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    // Otherwise the order of maps depends on the process.
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

}  // namespace

std::string SerializeDeployment(const Translation& translation) {
  switch (translation.role) {
    case v1::ROLE_GATEWAY: {
      v1::GatewayDeployment gateway = translation.gateway;
      *gateway.mutable_workload() = translation.workload;
      return Serialize(gateway);
    }
    case v1::ROLE_SERVER: {
      v1::ServerDeployment server = translation.server;
      *server.mutable_workload() = translation.workload;
      return Serialize(server);
    }
    default:
      return Serialize(translation.workload);
  }
}

std::optional<v1::Workload> ParseDeployment(v1::Role role, const std::string& bytes) {
  v1::GatewayDeployment gateway;
  v1::ServerDeployment server;
  v1::Workload workload;
  switch (role) {
    case v1::ROLE_GATEWAY:
      if (!gateway.ParseFromString(bytes)) return std::nullopt;
      return gateway.workload();
    case v1::ROLE_SERVER:
      if (!server.ParseFromString(bytes)) return std::nullopt;
      return server.workload();
    default:
      if (!workload.ParseFromString(bytes)) return std::nullopt;
      return workload;
  }
}

}  // namespace slicelet::provider
