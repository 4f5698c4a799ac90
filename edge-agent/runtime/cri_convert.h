#pragma once

#include "cri/v1/runtime.pb.h"
#include "edge-agent/runtime/container_runtime.h"

/// Between our words and CRI's messages. Pure functions.
namespace slicelet::agent::cri {

runtime::v1::PodSandboxConfig ToCri(const SandboxConfig& config);
runtime::v1::ContainerConfig ToCri(const ContainerConfig& config);
runtime::v1::AuthConfig ToCri(const RegistryAuth& auth);

Sandbox FromCri(const runtime::v1::PodSandbox& sandbox);
SandboxStatus FromCri(const runtime::v1::PodSandboxStatus& status);
Container FromCri(const runtime::v1::Container& container);
Container FromCri(const runtime::v1::ContainerStatus& status);
Image FromCri(const runtime::v1::Image& image);

}  // namespace slicelet::agent::cri
