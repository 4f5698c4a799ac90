#include "edge-agent/pod/container_config.h"

#include <algorithm>

#include "edge-agent/pod/expansion.h"

namespace slicelet::agent {
namespace {

constexpr std::size_t kLongestHostname = 63;
constexpr std::int64_t kMinShares = 2;
constexpr std::int64_t kQuotaPeriod = 100'000;  // microseconds
constexpr std::int64_t kMinQuota = 1'000;
constexpr std::int64_t kGuaranteedOomScore = -997;
constexpr std::int64_t kBestEffortOomScore = 1000;
constexpr std::uint64_t kLargestResolvConf = std::uint64_t{64} * 1024;

void AddResolvConf(const std::string& text, SandboxConfig& config) {
  std::string line;
  for (const char c : text + "\n") {
    if (c != '\n') {
      line.push_back(c == '\t' ? ' ' : c);
      continue;
    }
    std::vector<std::string> words(1);
    for (const char d : line) {
      if (d == ' ') {
        if (!words.back().empty()) words.emplace_back();
      } else {
        words.back().push_back(d);
      }
    }
    if (words.back().empty()) words.pop_back();
    line.clear();
    if (words.size() < 2) continue;
    if (words[0] == "nameserver") config.dns_servers.push_back(words[1]);
    if (words[0] == "search") config.dns_searches.assign(words.begin() + 1, words.end());
    if (words[0] == "options")
      config.dns_options.insert(config.dns_options.end(), words.begin() + 1, words.end());
  }
}

template <typename List>
void Append(std::vector<std::string>& to, const List& from) {
  for (const auto& item : from) {
    if (std::find(to.begin(), to.end(), item) == to.end()) to.push_back(item);
  }
}

std::map<std::string, std::string> PodLabels(const PodSupervisor::Options& options,
                                             const v1::Workload& workload) {
  return {{kPodNameLabel, workload.name()},
          {kPodNamespaceLabel, workload.namespace_()},
          {kPodUidLabel, workload.uid()},
          {kHostLabel, options.host.value()},
          {kManagedLabel, "true"}};
}

NamespaceModes Namespaces(const v1::Workload& workload) {
  return {workload.host_network(), workload.host_pid(), workload.host_ipc(),
          workload.share_process_namespace()};
}

enum class Qos { kGuaranteed, kBurstable, kBestEffort };

Qos QosOf(const v1::Workload& workload) {
  bool any = false;
  bool guaranteed = true;
  const auto look = [&](const v1::Container& container) {
    const auto& requests = container.requests();
    const auto& limits = container.limits();
    any = any || requests.cpu_milli() > 0 || requests.memory_bytes() > 0 || limits.cpu_milli() > 0 ||
          limits.memory_bytes() > 0;
    guaranteed = guaranteed && limits.cpu_milli() > 0 && limits.memory_bytes() > 0 &&
                 (!requests.has_cpu_milli() || requests.cpu_milli() == limits.cpu_milli()) &&
                 (!requests.has_memory_bytes() || requests.memory_bytes() == limits.memory_bytes());
  };
  for (const auto& container : workload.init_containers()) look(container);
  for (const auto& container : workload.containers()) look(container);
  if (!any) return Qos::kBestEffort;
  return guaranteed ? Qos::kGuaranteed : Qos::kBurstable;
}

std::int64_t OomScore(const PodSupervisor::Options& options, const v1::Workload& workload,
                      const v1::Container& container) {
  switch (QosOf(workload)) {
    case Qos::kGuaranteed:
      return kGuaranteedOomScore;
    case Qos::kBestEffort:
      return kBestEffortOomScore;
    case Qos::kBurstable:
      break;
  }
  if (options.allocatable_memory_bytes <= 0) return kBestEffortOomScore - 1;
  const std::int64_t request = container.requests().has_memory_bytes() ? container.requests().memory_bytes()
                                                                       : container.limits().memory_bytes();
  const double share = static_cast<double>(request) / static_cast<double>(options.allocatable_memory_bytes);
  const auto score = static_cast<std::int64_t>(1000.0 - 1000.0 * std::min(share, 1.0));
  return std::clamp<std::int64_t>(score, 1000 + kGuaranteedOomScore, kBestEffortOomScore - 1);
}

void SetResources(const PodSupervisor::Options& options, const v1::Workload& workload,
                  const v1::Container& container, ContainerConfig& config) {
  const std::int64_t request = container.requests().has_cpu_milli() ? container.requests().cpu_milli()
                                                                    : container.limits().cpu_milli();
  config.cpu_shares = std::max(kMinShares, request * 1024 / 1000);
  if (container.limits().cpu_milli() > 0) {
    config.cpu_period = kQuotaPeriod;
    config.cpu_quota = std::max(kMinQuota, container.limits().cpu_milli() * kQuotaPeriod / 1000);
  }
  config.memory_limit = container.limits().memory_bytes();
  config.oom_score_adj = OomScore(options, workload, container);
}

absl::Status SetUser(const v1::Workload& workload, const v1::Container& container, const Image& image,
                     ContainerConfig& config) {
  const v1::ContainerSecurity& own = container.security();
  const v1::PodSecurity& pod = workload.security();
  if (own.has_run_as_user()) {
    config.run_as_user = own.run_as_user();
  } else if (pod.has_run_as_user()) {
    config.run_as_user = pod.run_as_user();
  } else if (image.user) {
    config.run_as_user = image.user;
  } else {
    config.run_as_username = image.username;
  }
  if (own.has_run_as_group()) {
    config.run_as_group = own.run_as_group();
  } else if (pod.has_run_as_group()) {
    config.run_as_group = pod.run_as_group();
  }
  const bool non_root = own.has_run_as_non_root() ? own.run_as_non_root() : pod.run_as_non_root();
  if (non_root) {
    if (config.run_as_user && *config.run_as_user == 0) {
      return absl::FailedPreconditionError(
          "container has runAsNonRoot and image will run as root (container: " + container.name() + ")");
    }
    if (!config.run_as_user && !config.run_as_username.empty()) {
      return absl::FailedPreconditionError("container has runAsNonRoot and image has non-numeric user (" +
                                           config.run_as_username + "), cannot verify user is non-root");
    }
    if (!config.run_as_user) {
      return absl::FailedPreconditionError(
          "container has runAsNonRoot and image will run as root (container: " + container.name() + ")");
    }
  }
  // The runtime takes a group only together with a user.
  if (config.run_as_group && !config.run_as_user && config.run_as_username.empty()) config.run_as_user = 0;
  for (const auto group : pod.supplemental_groups()) config.supplemental_groups.push_back(group);
  if (pod.has_fs_group()) config.supplemental_groups.push_back(pod.fs_group());
  return absl::OkStatus();
}

/// A pod that says nothing gets the runtime's profile: else leaving it out would be the way around the
/// policy.
std::string SeccompOf(const PodSupervisor::Options& options, const v1::Workload& workload,
                      const v1::Container& container) {
  const v1::Seccomp& seccomp =
      container.security().has_seccomp() ? container.security().seccomp() : workload.security().seccomp();
  switch (seccomp.profile()) {
    case v1::Seccomp::UNCONFINED:
      return "unconfined";
    case v1::Seccomp::LOCALHOST:
      // The owner's files, as the kubelet has them: the hub can write none there.
      return "localhost/" + options.root + "/seccomp/" + seccomp.localhost_path();
    default:
      return "runtime/default";
  }
}

Propagation PropagationOf(v1::Mount::Propagation propagation) {
  switch (propagation) {
    case v1::Mount::HOST_TO_CONTAINER:
      return Propagation::kHostToContainer;
    case v1::Mount::BIDIRECTIONAL:
      return Propagation::kBidirectional;
    default:
      return Propagation::kPrivate;
  }
}

/// Nobody writes to what the agent projects: it would be changed under the other containers, and under the
/// agent.
bool IsProjection(const v1::Workload& workload, const std::string& volume) {
  return std::any_of(workload.volumes().begin(), workload.volumes().end(), [&](const v1::Volume& candidate) {
    return candidate.name() == volume && candidate.has_projection();
  });
}

void SetMounts(const v1::Workload& workload, const v1::Container& container, const ContainerInputs& inputs,
               ContainerConfig& config) {
  bool own_hosts = false;
  for (int i = 0; i < container.mounts_size(); ++i) {
    const v1::Mount& mount = container.mounts(i);
    config.mounts.push_back({inputs.mount_sources.at(static_cast<std::size_t>(i)), mount.path(),
                             mount.read_only() || IsProjection(workload, mount.volume()),
                             PropagationOf(mount.propagation())});
    own_hosts = own_hosts || mount.path() == "/etc/hosts";
  }
  if (!inputs.hosts_file.empty() && !own_hosts) {
    config.mounts.push_back({inputs.hosts_file, "/etc/hosts", config.read_only_root, Propagation::kPrivate});
  }
  if (!inputs.termination_log.empty() && !container.termination_message_path().empty()) {
    config.mounts.push_back(
        {inputs.termination_log, container.termination_message_path(), false, Propagation::kPrivate});
  }
}

}  // namespace

std::string ContainerNameOf(const Container& container) {
  const auto label = container.labels.find(kContainerNameLabel);
  return label == container.labels.end() || label->second.empty() ? container.name : label->second;
}

std::string PodLogDirectory(const PodSupervisor::Options& options, const std::string& ns,
                            const std::string& name, const std::string& uid) {
  return options.log_root + "/" + ns + "_" + name + "_" + uid;
}

std::string HostnameOf(const v1::Workload& workload) {
  std::string name = workload.hostname().empty() ? workload.name() : workload.hostname();
  if (name.size() > kLongestHostname) name.resize(kLongestHostname);
  while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
  return name;
}

absl::StatusOr<SandboxConfig> MakeSandboxConfig(const PodSupervisor::Options& options,
                                                const v1::Workload& workload, std::uint32_t attempt,
                                                FileSystem& files) {
  SandboxConfig config;
  config.name = workload.name();
  config.ns = workload.namespace_();
  config.uid = workload.uid();
  config.attempt = attempt;
  config.log_directory = PodLogDirectory(options, workload.namespace_(), workload.name(), workload.uid());
  config.cgroup_parent = options.cgroup_parent;
  config.namespaces = Namespaces(workload);
  config.labels = PodLabels(options, workload);
  config.annotations[kGraceAnnotation] = std::to_string(workload.termination_grace_seconds());
  if (!workload.host_network()) {
    config.hostname = HostnameOf(workload);
    const auto add = [&](const v1::Container& container) {
      for (const auto& port : container.ports()) {
        if (port.host_port() <= 0) continue;
        config.ports.push_back({port.protocol().empty() ? "TCP" : port.protocol(), port.container_port(),
                                port.host_port(), port.host_ip()});
      }
    };
    for (const auto& container : workload.init_containers()) add(container);
    for (const auto& container : workload.containers()) add(container);
  }
  const v1::Dns& dns = workload.dns();
  const bool adds = !dns.nameservers().empty() || !dns.searches().empty() || !dns.options().empty();
  if (adds && dns.policy() != v1::Dns::NONE) {
    // Without additions the runtime copies the host's file itself.
    SLICELET_ASSIGN_OR_RETURN(const std::string text, files.Read("/etc/resolv.conf", kLargestResolvConf));
    AddResolvConf(text, config);
  }
  Append(config.dns_servers, dns.nameservers());
  Append(config.dns_searches, dns.searches());
  Append(config.dns_options, dns.options());

  const v1::PodSecurity& security = workload.security();
  for (const auto& [key, value] : security.sysctls()) config.sysctls[key] = value;
  if (security.has_run_as_user()) config.run_as_user = security.run_as_user();
  if (security.has_run_as_group() && security.has_run_as_user())
    config.run_as_group = security.run_as_group();
  for (const auto group : security.supplemental_groups()) config.supplemental_groups.push_back(group);
  if (security.has_fs_group()) config.supplemental_groups.push_back(security.fs_group());
  config.seccomp_unconfined = security.seccomp().profile() == v1::Seccomp::UNCONFINED;
  const auto privileged = [](const auto& containers) {
    return std::any_of(containers.begin(), containers.end(),
                       [](const v1::Container& container) { return container.security().privileged(); });
  };
  config.privileged = privileged(workload.containers()) || privileged(workload.init_containers());
  return config;
}

absl::StatusOr<ContainerConfig> MakeContainerConfig(const PodSupervisor::Options& options,
                                                    const v1::Workload& workload,
                                                    const v1::Container& container,
                                                    const ContainerInputs& inputs) {
  ContainerConfig config;
  config.name = container.name();
  config.attempt = inputs.attempt;
  config.image = inputs.image.id;
  config.image_name = container.image();
  for (const auto& word : container.command())
    config.command.push_back(Expand(word, inputs.environment.values));
  for (const auto& word : container.args()) config.args.push_back(Expand(word, inputs.environment.values));
  config.working_dir = container.working_dir();
  config.env = inputs.environment.list;
  config.labels = PodLabels(options, workload);
  config.labels[kContainerNameLabel] = container.name();
  config.annotations[kImageAnnotation] = container.image();
  config.annotations[kRestartCountAnnotation] = std::to_string(inputs.restart_count);
  config.annotations[kInitAnnotation] = inputs.init ? "true" : "false";
  config.annotations[kGraceAnnotation] = std::to_string(workload.termination_grace_seconds());
  config.log_path = container.name() + "/" + std::to_string(inputs.attempt) + ".log";
  config.stdin_open = container.stdin();
  config.stdin_once = container.stdin_once();
  config.tty = container.tty();
  config.namespaces = Namespaces(workload);
  SetResources(options, workload, container, config);

  const v1::ContainerSecurity& security = container.security();
  config.privileged = security.privileged();
  config.read_only_root = security.read_only_root();
  config.no_new_privileges =
      security.has_allow_privilege_escalation() && !security.allow_privilege_escalation();
  config.add_capabilities.assign(security.add_capabilities().begin(), security.add_capabilities().end());
  config.drop_capabilities.assign(security.drop_capabilities().begin(), security.drop_capabilities().end());
  config.seccomp = SeccompOf(options, workload, container);
  SLICELET_RETURN_IF_ERROR(SetUser(workload, container, inputs.image, config));
  SetMounts(workload, container, inputs, config);
  return config;
}

}  // namespace slicelet::agent
