#pragma once

#include "provider/rest/answer.h"
#include "slicelet/v1/admin.pb.h"

namespace slicelet::provider {

/// What one of a pod's hosts says of it (schema WorkloadHost).
Json ShownHost(const v1::PodHostsReply::Entry& entry);

/// What every host is to a pod, and why (schema Placement, without the pod's own names): what the hub thinks
/// of each (`explained`), joined with what those that have the pod say (`hosts`, WorkloadHosts). An
/// explanation that there is none of becomes member "reason", and only `hosts` are told.
Json ShownPlacement(const absl::StatusOr<v1::ExplainPodReply>& explained, const Json& hosts);

/// Adds WorkloadHost and Placement.
void AddHostSchemas(Json& schemas);

/// A schema of an object with just these members, all of them required.
Json ObjectOf(Json properties);

}  // namespace slicelet::provider
