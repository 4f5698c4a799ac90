#pragma once

#include <vector>

#include "provider/fleet/targeting.h"

namespace slicelet::provider {

/// Of two pods that compete, whether `a` goes first.
bool GoesFirst(const TargetPod& a, const TargetPod& b);

/// Who of the pods that are for one host gets it: one verdict for each. `pods` are in order of `GoesFirst`,
/// without those that are over there.
std::vector<TargetVerdict> Contest(const TargetHost& host, const std::vector<const TargetPod*>& pods);

}  // namespace slicelet::provider
