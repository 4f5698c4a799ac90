#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "common/base/time.h"
#include "slicelet/v1/provider.pb.h"

namespace slicelet::shim {

/// The annotation that shows a pod's address on its host, where the API shows another one.
inline constexpr char kHostPodIpAnnotation[] = "slicelet.io/host-pod-ip";

/// What a pod's status is made of, beside the API object.
struct StatusSources {
  /// Null before the provider's first report.
  const v1::PodReport* report = nullptr;
  /// Why containers wait that never reached a host: container name to the kubelet's message.
  std::map<std::string, std::string> config_errors;
  /// The pod is refused, and its owner's turn has come.
  std::optional<v1::Refusal> refusal;
  /// Everything has stopped and is gone from the hosts: the phase becomes terminal whatever the report says.
  bool gone = false;
};

/// The parts of `pod`'s status that belong to the node, as they should be, or null when there is nothing to
/// say: the API's phase is terminal already (it is never left), or nothing is known.
///
/// Pure. lastTransitionTime moves only when a condition's status flips; conditions of other writers do not
/// appear. Restart counts never fall, and a container whose policy does not restart it never leaves
/// Terminated, because the API server would refuse the whole write.
nlohmann::json ComposeStatus(const nlohmann::json& pod, const StatusSources& sources, WallTime now);

/// The strategic merge patch that turns `pod`'s status into `desired`, with metadata.uid as precondition;
/// null when nothing differs.
nlohmann::json StatusPatch(const nlohmann::json& pod, const nlohmann::json& desired,
                           const std::string& host_pod_ip);

bool IsTerminalPhase(const std::string& phase);

}  // namespace slicelet::shim
