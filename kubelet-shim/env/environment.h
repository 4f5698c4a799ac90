#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "kubelet-shim/env/referents.h"
#include "kubelet-shim/env/service_variables.h"
#include "slicelet/v1/provider.pb.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::shim {

/// What a pod's references come to, given what is known of the referents.
struct Environment {
  /// An Event about the pod.
  struct Notice {
    bool warning = true;
    std::string reason{};
    std::string message{};
    std::string container{};

    friend auto operator<=>(const Notice&, const Notice&) = default;
  };

  /// Some referent has not been read yet: nothing below is final.
  bool unread = false;
  /// Ordered variables per container: init containers, containers, ephemeral ones. A container in
  /// `config_errors` has none here.
  std::vector<v1::ContainerEnvironment> containers;
  /// Content ids the pod refers to and that exist, sorted.
  std::vector<std::string> references;
  /// Containers that wait with CreateContainerConfigError, and the kubelet's message for each.
  std::map<std::string, std::string> config_errors;
  /// Why volumes can not be set up (the kubelet's FailedMount); while not empty every container waits.
  std::vector<std::string> mount_errors;
  std::vector<Notice> notices;
  /// Something no amount of waiting cures.
  std::optional<v1::Refusal> refusal;

  /// Nothing is missing that the whole pod needs. Containers in `config_errors` wait alone.
  [[nodiscard]] bool pod_complete() const { return !unread && mount_errors.empty() && !refusal.has_value(); }
  [[nodiscard]] bool complete() const { return pod_complete() && config_errors.empty(); }
};

/// The kubelet's rules for a container's variables (pkg/kubelet makeEnvironmentVariables). Pure.
///
/// The list is ordered and later entries win: service variables, then envFrom, then env. Values of a
/// ConfigMap are literals, values of a Secret stay references, status.podIP(s) and status.hostIP(s) stay host
/// fields, and resource fields whose default is the host's allocatable stay resource fields. Only env[].value
/// is marked for expansion.
Environment ResolveEnvironment(const nlohmann::json& pod, const ReferentLookup& referents,
                               const std::vector<ServiceAddress>& services);

}  // namespace slicelet::shim
