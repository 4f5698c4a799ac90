#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "slicelet/v1/provider.pb.h"

namespace slicelet::shim {

/// What a pod of the API says of itself. Pure.

/// The part of a pod that means something to a host, and `apply` beside it, as one value to compare. Status
/// writes, ours above all, change nothing in it.
std::string Fingerprint(const nlohmann::json& pod, const v1::PodApply& apply);

/// The uid of the owner that controls it, empty without one.
std::string ControllerOf(const nlohmann::json& pod);

/// A container of it (of that name, unless empty) ran, as far as the API knows.
bool EverStarted(const nlohmann::json& pod, const std::string& container = "");

/// A container of it runs, as far as the API knows.
bool ShowsRunningContainer(const nlohmann::json& pod);

/// How an Event names one of its containers: spec.containers{NAME} or spec.initContainers{NAME}.
std::string FieldPathOf(const nlohmann::json& pod, const std::string& container);

}  // namespace slicelet::shim
