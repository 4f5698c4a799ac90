#pragma once

#include "common/base/status.h"
#include "kube/kube_api.h"

namespace slicelet::kube {

/// What kube-apiserver 1.36 checks when a pod's status is written (ValidatePodStatusUpdate): a terminated
/// container stays terminated unless its policy restarts it, qosClass is immutable, observedGeneration is not
/// negative, at most one valid address per family, condition types are qualified names, times can be read. It
/// does not check that phases and restart counts are monotone. FailedPrecondition (422) or InvalidArgument
/// (400) names the field.
absl::Status ValidatePodStatus(const Json& before, const Json& after);

/// What may change in the spec of a pod that exists: images, activeDeadlineSeconds, tolerations, and the
/// grace.
absl::Status ValidatePodSpecUpdate(const Json& before, const Json& after);

}  // namespace slicelet::kube
