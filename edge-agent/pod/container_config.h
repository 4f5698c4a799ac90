#pragma once

#include <string>
#include <vector>

#include "common/base/file_system.h"
#include "edge-agent/pod/environment.h"
#include "edge-agent/pod/pod_supervisor.h"
#include "edge-agent/runtime/container_runtime.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// Annotations that let the agent rebuild a pod's record from the runtime alone.
inline constexpr char kHostLabel[] = "slicelet.io/host";
inline constexpr char kImageAnnotation[] = "slicelet.io/image";
inline constexpr char kRestartCountAnnotation[] = "slicelet.io/restart-count";
inline constexpr char kInitAnnotation[] = "slicelet.io/init";
inline constexpr char kGraceAnnotation[] = "slicelet.io/termination-grace-seconds";

/// The name in a listed container's label, or the runtime's own where it has none.
std::string ContainerNameOf(const Container& container);

/// LOG_ROOT/NAMESPACE_NAME_UID, as the kubelet names it.
std::string PodLogDirectory(const PodSupervisor::Options& options, const std::string& ns,
                            const std::string& name, const std::string& uid);

/// spec.hostname, else the pod's name cut to 63 characters.
std::string HostnameOf(const v1::Workload& workload);

/// What RunSandbox gets. Reads the host's resolv.conf where the pod adds to it.
absl::StatusOr<SandboxConfig> MakeSandboxConfig(const PodSupervisor::Options& options,
                                                const v1::Workload& workload, std::uint32_t attempt,
                                                FileSystem& files);

/// What differs from attempt to attempt.
struct ContainerInputs {
  std::uint32_t attempt = 0;
  std::int32_t restart_count = 0;
  bool init = false;
  Image image;
  Environment environment;
  /// Host paths of the container's mounts, in the order of `Container.mounts`.
  std::vector<std::string> mount_sources;
  /// Mounted at /etc/hosts unless the container mounts something there; "" for none.
  std::string hosts_file;
  std::string termination_log;
};

/// What CreateContainer gets. FailedPrecondition where runAsNonRoot can not be kept.
absl::StatusOr<ContainerConfig> MakeContainerConfig(const PodSupervisor::Options& options,
                                                    const v1::Workload& workload,
                                                    const v1::Container& container,
                                                    const ContainerInputs& inputs);

}  // namespace slicelet::agent
