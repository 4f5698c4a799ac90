#include "edge-agent/runtime/cri_convert.h"

#include <string>
#include <utility>

namespace slicelet::agent::cri {
namespace {

namespace v1 = runtime::v1;

/// What the kubelet hides from containers that are not privileged (procMount Default); CRI applies only what
/// it is told.
constexpr const char* kMaskedPaths[] = {"/proc/acpi",
                                        "/proc/asound",
                                        "/proc/interrupts",
                                        "/proc/kcore",
                                        "/proc/keys",
                                        "/proc/latency_stats",
                                        "/proc/sched_debug",
                                        "/proc/scsi",
                                        "/proc/timer_list",
                                        "/proc/timer_stats",
                                        "/sys/devices/virtual/powercap",
                                        "/sys/firmware"};
constexpr const char* kReadOnlyPaths[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                          "/proc/sysrq-trigger"};

template <typename Map>
void CopyMap(const std::map<std::string, std::string>& from, Map* to) {
  for (const auto& [key, value] : from) (*to)[key] = value;
}

template <typename Map>
std::map<std::string, std::string> CopyMap(const Map& from) {
  return {from.begin(), from.end()};
}

void SetNamespaces(const NamespaceModes& modes, bool sandbox, v1::NamespaceOption* out) {
  out->set_network(modes.host_network ? v1::NODE : v1::POD);
  out->set_ipc(modes.host_ipc ? v1::NODE : v1::POD);
  if (modes.host_pid)
    out->set_pid(v1::NODE);
  else if (modes.share_process)
    out->set_pid(v1::POD);
  else
    out->set_pid(sandbox ? v1::POD : v1::CONTAINER);
}

/// The kubelet's words: "runtime/default", "unconfined", "localhost/PATH".
void SetSeccomp(const std::string& profile, v1::SecurityProfile* out) {
  constexpr char kLocalhost[] = "localhost/";
  if (profile == "runtime/default") {
    out->set_profile_type(v1::SecurityProfile::RuntimeDefault);
  } else if (profile.rfind(kLocalhost, 0) == 0) {
    out->set_profile_type(v1::SecurityProfile::Localhost);
    out->set_localhost_ref(profile.substr(sizeof(kLocalhost) - 1));
  } else {
    out->set_profile_type(v1::SecurityProfile::Unconfined);
  }
}

v1::Protocol ToProtocol(const std::string& protocol) {
  if (protocol == "UDP") return v1::UDP;
  if (protocol == "SCTP") return v1::SCTP;
  return v1::TCP;
}

v1::MountPropagation ToPropagation(Propagation propagation) {
  switch (propagation) {
    case Propagation::kPrivate:
      return v1::PROPAGATION_PRIVATE;
    case Propagation::kHostToContainer:
      return v1::PROPAGATION_HOST_TO_CONTAINER;
    case Propagation::kBidirectional:
      return v1::PROPAGATION_BIDIRECTIONAL;
  }
  return v1::PROPAGATION_PRIVATE;
}

ContainerPhase ToPhase(v1::ContainerState state) {
  switch (state) {
    case v1::CONTAINER_CREATED:
      return ContainerPhase::kCreated;
    case v1::CONTAINER_RUNNING:
      return ContainerPhase::kRunning;
    case v1::CONTAINER_EXITED:
      return ContainerPhase::kExited;
    default:
      return ContainerPhase::kUnknown;
  }
}

/// `Source` is a listed or an asked-for sandbox: the fields have the same names.
template <typename Source>
Sandbox ToSandbox(const Source& from) {
  Sandbox to;
  to.id = from.id();
  to.name = from.metadata().name();
  to.ns = from.metadata().namespace_();
  to.uid = from.metadata().uid();
  to.attempt = from.metadata().attempt();
  to.ready = from.state() == v1::SANDBOX_READY;
  to.created_at = from.created_at();
  to.labels = CopyMap(from.labels());
  to.annotations = CopyMap(from.annotations());
  return to;
}

template <typename Source>
Container ToContainer(const Source& from) {
  Container to;
  to.id = from.id();
  to.name = from.metadata().name();
  to.attempt = from.metadata().attempt();
  to.image = from.image().user_specified_image().empty() ? from.image().image()
                                                         : from.image().user_specified_image();
  to.image_ref = from.image_ref();
  to.phase = ToPhase(from.state());
  to.created_at = from.created_at();
  to.labels = CopyMap(from.labels());
  to.annotations = CopyMap(from.annotations());
  return to;
}

}  // namespace

v1::PodSandboxConfig ToCri(const SandboxConfig& from) {
  v1::PodSandboxConfig to;
  to.mutable_metadata()->set_name(from.name);
  to.mutable_metadata()->set_uid(from.uid);
  to.mutable_metadata()->set_namespace_(from.ns);
  to.mutable_metadata()->set_attempt(from.attempt);
  to.set_log_directory(from.log_directory);
  if (!from.dns_servers.empty() || !from.dns_searches.empty() || !from.dns_options.empty()) {
    auto* dns = to.mutable_dns_config();
    for (const auto& server : from.dns_servers) dns->add_servers(server);
    for (const auto& search : from.dns_searches) dns->add_searches(search);
    for (const auto& option : from.dns_options) dns->add_options(option);
  }
  // On the host's network both would be the host's business.
  if (!from.namespaces.host_network) {
    to.set_hostname(from.hostname);
    for (const auto& port : from.ports) {
      auto* mapping = to.add_port_mappings();
      mapping->set_protocol(ToProtocol(port.protocol));
      mapping->set_container_port(port.container_port);
      mapping->set_host_port(port.host_port);
      mapping->set_host_ip(port.host_ip);
    }
  }
  CopyMap(from.labels, to.mutable_labels());
  CopyMap(from.annotations, to.mutable_annotations());
  auto* linux_part = to.mutable_linux();
  linux_part->set_cgroup_parent(from.cgroup_parent);
  CopyMap(from.sysctls, linux_part->mutable_sysctls());
  auto* security = linux_part->mutable_security_context();
  SetNamespaces(from.namespaces, true, security->mutable_namespace_options());
  security->set_privileged(from.privileged);
  if (from.run_as_user) security->mutable_run_as_user()->set_value(*from.run_as_user);
  if (from.run_as_group) security->mutable_run_as_group()->set_value(*from.run_as_group);
  for (const auto group : from.supplemental_groups) security->add_supplemental_groups(group);
  SetSeccomp(from.seccomp_unconfined ? "unconfined" : "runtime/default", security->mutable_seccomp());
  return to;
}

v1::ContainerConfig ToCri(const ContainerConfig& from) {
  v1::ContainerConfig to;
  to.mutable_metadata()->set_name(from.name);
  to.mutable_metadata()->set_attempt(from.attempt);
  to.mutable_image()->set_image(from.image);
  to.mutable_image()->set_user_specified_image(from.image_name);
  for (const auto& word : from.command) to.add_command(word);
  for (const auto& word : from.args) to.add_args(word);
  to.set_working_dir(from.working_dir);
  for (const auto& [name, value] : from.env) {
    auto* variable = to.add_envs();
    variable->set_key(name);
    variable->set_value(value);
  }
  for (const auto& mount : from.mounts) {
    auto* out = to.add_mounts();
    out->set_container_path(mount.container_path);
    out->set_host_path(mount.host_path);
    out->set_readonly(mount.read_only);
    out->set_propagation(ToPropagation(mount.propagation));
  }
  CopyMap(from.labels, to.mutable_labels());
  CopyMap(from.annotations, to.mutable_annotations());
  to.set_log_path(from.log_path);
  to.set_stdin(from.stdin_open);
  to.set_stdin_once(from.stdin_once);
  to.set_tty(from.tty);

  auto* resources = to.mutable_linux()->mutable_resources();
  resources->set_cpu_shares(from.cpu_shares);
  resources->set_cpu_quota(from.cpu_quota);
  resources->set_cpu_period(from.cpu_period);
  resources->set_memory_limit_in_bytes(from.memory_limit);
  resources->set_oom_score_adj(from.oom_score_adj);

  auto* security = to.mutable_linux()->mutable_security_context();
  security->set_privileged(from.privileged);
  security->set_readonly_rootfs(from.read_only_root);
  security->set_no_new_privs(from.no_new_privileges);
  for (const auto& capability : from.add_capabilities) {
    security->mutable_capabilities()->add_add_capabilities(capability);
  }
  for (const auto& capability : from.drop_capabilities) {
    security->mutable_capabilities()->add_drop_capabilities(capability);
  }
  SetNamespaces(from.namespaces, false, security->mutable_namespace_options());
  if (from.run_as_user) security->mutable_run_as_user()->set_value(*from.run_as_user);
  if (from.run_as_group) security->mutable_run_as_group()->set_value(*from.run_as_group);
  security->set_run_as_username(from.run_as_username);
  for (const auto group : from.supplemental_groups) security->add_supplemental_groups(group);
  if (!from.seccomp.empty()) SetSeccomp(from.seccomp, security->mutable_seccomp());
  if (!from.privileged) {
    for (const auto* path : kMaskedPaths) security->add_masked_paths(path);
    for (const auto* path : kReadOnlyPaths) security->add_readonly_paths(path);
  }
  return to;
}

v1::AuthConfig ToCri(const RegistryAuth& from) {
  v1::AuthConfig to;
  to.set_username(from.username);
  to.set_password(from.password);
  to.set_auth(from.auth);
  to.set_server_address(from.server_address);
  to.set_identity_token(from.identity_token);
  return to;
}

Sandbox FromCri(const v1::PodSandbox& from) { return ToSandbox(from); }

SandboxStatus FromCri(const v1::PodSandboxStatus& from) {
  SandboxStatus to;
  to.sandbox = ToSandbox(from);
  to.host_network = from.linux().namespaces().options().network() == v1::NODE;
  if (!from.network().ip().empty()) to.ips.push_back(from.network().ip());
  for (const auto& ip : from.network().additional_ips()) to.ips.push_back(ip.ip());
  return to;
}

Container FromCri(const v1::Container& from) {
  Container to = ToContainer(from);
  to.sandbox_id = from.pod_sandbox_id();
  return to;
}

Container FromCri(const v1::ContainerStatus& from) {
  Container to = ToContainer(from);
  to.started_at = from.started_at();
  to.finished_at = from.finished_at();
  to.exit_code = from.exit_code();
  to.reason = from.reason();
  to.message = from.message();
  return to;
}

Image FromCri(const v1::Image& from) {
  Image to;
  to.id = from.id();
  to.tags = {from.repo_tags().begin(), from.repo_tags().end()};
  to.digests = {from.repo_digests().begin(), from.repo_digests().end()};
  to.size = from.size();
  if (from.has_uid()) to.user = from.uid().value();
  to.username = from.username();
  to.pinned = from.pinned();
  return to;
}

}  // namespace slicelet::agent::cri
