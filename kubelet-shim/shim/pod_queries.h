#pragma once

#include <string>
#include <vector>

#include "kubelet-shim/pod/pod_sync.h"

namespace slicelet::shim {

/// What the kubelet API asks about one node's pods. `pods` may be null: a node without any.
std::vector<kube::Json> DesiredPods(const PodSync* pods);
/// Pods with a running container and no deletionTimestamp.
std::vector<kube::Json> RunningPodsOf(const PodSync* pods);
/// The uid of the pod that has this container; an empty `uid` is any, an empty `container` asks for the pod
/// alone. NotFound names what is missing.
absl::StatusOr<std::string> FindContainerIn(const PodSync* pods, const std::string& ns,
                                            const std::string& pod, const std::string& uid,
                                            const std::string& container);

}  // namespace slicelet::shim
