#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/base/time.h"

namespace slicelet::agent {

/// Labels every sandbox and container carries, so that state survives the loss of the agent's store.
inline constexpr char kPodNameLabel[] = "io.kubernetes.pod.name";
inline constexpr char kPodNamespaceLabel[] = "io.kubernetes.pod.namespace";
inline constexpr char kPodUidLabel[] = "io.kubernetes.pod.uid";
inline constexpr char kContainerNameLabel[] = "io.kubernetes.container.name";
/// Marks what is ours: other clients of the same containerd are never touched.
inline constexpr char kManagedLabel[] = "slicelet.io/managed";

struct NamespaceModes {
  bool host_network = false;
  bool host_pid = false;
  bool host_ipc = false;
  bool share_process = false;
};

struct PortMapping {
  std::string protocol;
  std::int32_t container_port = 0;
  std::int32_t host_port = 0;
  std::string host_ip;
};

struct SandboxConfig {
  std::string name, ns, uid;
  std::uint32_t attempt = 0;
  std::string hostname;
  std::string log_directory;
  std::string cgroup_parent;
  NamespaceModes namespaces;
  std::vector<std::string> dns_servers, dns_searches, dns_options;
  std::vector<PortMapping> ports;
  std::map<std::string, std::string> labels, annotations, sysctls;
  bool privileged = false;
  std::optional<std::int64_t> run_as_user, run_as_group;
  std::vector<std::int64_t> supplemental_groups;
  bool seccomp_unconfined = false;
};

enum class Propagation { kPrivate, kHostToContainer, kBidirectional };

struct MountConfig {
  std::string host_path, container_path;
  bool read_only = false;
  Propagation propagation = Propagation::kPrivate;
};

struct ContainerConfig {
  std::string name;
  std::uint32_t attempt = 0;
  std::string image;       // what to run: the image id
  std::string image_name;  // as the user wrote it
  std::vector<std::string> command, args;
  std::string working_dir;
  std::vector<std::pair<std::string, std::string>> env;
  std::vector<MountConfig> mounts;
  std::map<std::string, std::string> labels, annotations;
  std::string log_path;  // relative to the sandbox's log directory
  bool stdin_open = false, stdin_once = false, tty = false;
  // Linux resources; 0 leaves the runtime's default.
  std::int64_t cpu_shares = 0, cpu_quota = 0, cpu_period = 0, memory_limit = 0, oom_score_adj = 0;
  bool privileged = false, read_only_root = false, no_new_privileges = false;
  std::vector<std::string> add_capabilities, drop_capabilities;
  std::optional<std::int64_t> run_as_user, run_as_group;
  std::string run_as_username;
  std::vector<std::int64_t> supplemental_groups;
  NamespaceModes namespaces;
  std::string seccomp;  // "", "runtime/default", "unconfined", "localhost/PATH"
};

struct Sandbox {
  std::string id, name, ns, uid;
  std::uint32_t attempt = 0;
  bool ready = false;
  std::int64_t created_at = 0;  // Unix nanoseconds
  std::map<std::string, std::string> labels, annotations;
};

/// What `SandboxStatus` adds to a listing.
struct SandboxStatus {
  Sandbox sandbox;
  std::vector<std::string> ips;
  bool host_network = false;
};

enum class ContainerPhase { kCreated, kRunning, kExited, kUnknown };

/// A container as listed or, with the fields below `created_at`, as its status tells.
struct Container {
  std::string id, sandbox_id, name, image, image_ref;
  std::uint32_t attempt = 0;
  ContainerPhase phase = ContainerPhase::kUnknown;
  std::map<std::string, std::string> labels, annotations;
  std::int64_t created_at = 0;
  std::int64_t started_at = 0, finished_at = 0;
  std::int32_t exit_code = 0;
  std::string reason, message;
};

struct Image {
  std::string id;  // sha256:...
  std::vector<std::string> tags, digests;
  std::uint64_t size = 0;
  std::optional<std::int64_t> user;  // numeric USER of the image
  std::string username;              // textual USER of the image
  bool pinned = false;               // the runtime needs it itself
};

struct RegistryAuth {
  std::string username, password, auth, server_address, identity_token;
};

struct ExecResult {
  std::int32_t exit_code = 0;
  std::string out, err;
};

struct ExecOptions {
  std::string container_id;
  std::vector<std::string> command;
  bool stdin_open = false, out = false, err = false, tty = false;
};

struct RuntimeInfo {
  std::string name, version;
  bool runtime_ready = false, network_ready = false;
  std::string message;
};

/// The container runtime interface (CRI v1) as the agent uses it. Asynchronous; results arrive on the loop.
/// All Stop and Remove calls are idempotent: what does not exist any more is OK. Errors carry the runtime's
/// text; Unavailable means the runtime cannot be reached and says nothing about containers.
class ContainerRuntime {
 public:
  virtual ~ContainerRuntime() = default;

  virtual void GetInfo(Callback<RuntimeInfo> done) = 0;

  virtual void RunSandbox(const SandboxConfig& config, Callback<std::string> done) = 0;
  virtual void StopSandbox(const std::string& id, StatusCallback done) = 0;
  virtual void RemoveSandbox(const std::string& id, StatusCallback done) = 0;
  virtual void GetSandbox(const std::string& id, Callback<SandboxStatus> done) = 0;
  /// Only sandboxes that carry `kManagedLabel`.
  virtual void ListSandboxes(Callback<std::vector<Sandbox>> done) = 0;

  virtual void CreateContainer(const std::string& sandbox_id, const ContainerConfig& config,
                               const SandboxConfig& sandbox, Callback<std::string> done) = 0;
  virtual void StartContainer(const std::string& id, StatusCallback done) = 0;
  /// SIGTERM, then SIGKILL after `grace`. Completes when it has stopped.
  virtual void StopContainer(const std::string& id, Duration grace, StatusCallback done) = 0;
  virtual void RemoveContainer(const std::string& id, StatusCallback done) = 0;
  virtual void GetContainer(const std::string& id, Callback<Container> done) = 0;
  virtual void ListContainers(Callback<std::vector<Container>> done) = 0;
  virtual void ReopenLog(const std::string& id, StatusCallback done) = 0;
  virtual void ExecSync(const std::string& id, const std::vector<std::string>& command, Duration timeout,
                        Callback<ExecResult> done) = 0;

  /// NotFound when it is not on the host.
  virtual void GetImage(const std::string& name, Callback<Image> done) = 0;
  virtual void PullImage(const std::string& name, const std::optional<RegistryAuth>& auth,
                         Callback<std::string> done) = 0;
  virtual void ListImages(Callback<std::vector<Image>> done) = 0;
  virtual void RemoveImage(const std::string& id, StatusCallback done) = 0;
  /// Ids and names of the images that containers were made from, ours or not, and of those that the runtime
  /// needs itself.
  virtual void ListUsedImages(Callback<std::vector<std::string>> done) = 0;
  /// A path on the file system that images lie on.
  virtual void GetImageRoot(Callback<std::string> done) = 0;

  /// URLs of the runtime's streaming server: single use, one minute. Never leave the host.
  virtual void ExecUrl(const ExecOptions& options, Callback<std::string> done) = 0;
  virtual void AttachUrl(const ExecOptions& options, Callback<std::string> done) = 0;
  virtual void PortForwardUrl(const std::string& sandbox_id, const std::vector<std::int32_t>& ports,
                              Callback<std::string> done) = 0;

  struct WakeUp {
    /// Container id, or empty: anything may have changed (the event stream began or broke), list everything.
    std::string container_id;
  };
  /// Events are wake-ups, never truth. Call once.
  virtual void OnWakeUp(std::function<void(WakeUp)> wake_up) = 0;
};

}  // namespace slicelet::agent
