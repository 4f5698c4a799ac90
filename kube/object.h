#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace slicelet::kube {

using Json = nlohmann::json;

/// The member that the path of keys leads to, or null when a key is missing or leads through something that
/// is not an object. `Find(pod, {"spec", "nodeName"})`.
const Json* Find(const Json& object, std::initializer_list<std::string_view> path);

/// The text at the path; empty when there is none, or it is not a string.
std::string TextAt(const Json& object, std::initializer_list<std::string_view> path);
/// The integer at the path, or `otherwise`.
std::int64_t IntegerAt(const Json& object, std::initializer_list<std::string_view> path,
                       std::int64_t otherwise);

std::string NameOf(const Json& object);
std::string NamespaceOf(const Json& object);
std::string UidOf(const Json& object);
std::string ResourceVersionOf(const Json& object);
/// Holds metadata.deletionTimestamp.
bool BeingDeleted(const Json& object);

/// The entry of status.conditions of that type; null when there is none.
const Json* ConditionOf(const Json& object, std::string_view type);
/// Its status: "True", "False" or "Unknown"; empty when there is none.
std::string ConditionStatus(const Json& object, std::string_view type);

/// A resourceVersion as a number, 0 when it is not one. Versions are opaque by contract, but the evidence
/// rule has to see that a cluster went back in time, and since Kubernetes 1.35 they are specified to be
/// comparable decimals.
std::uint64_t VersionNumber(std::string_view resource_version);

}  // namespace slicelet::kube
