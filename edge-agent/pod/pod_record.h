#pragma once

#include <string>
#include <vector>

#include "edge-agent/pod/pod_model.h"

namespace slicelet::agent {

/// What to do with a container that the runtime shows.
enum class Observation {
  kCurrent,  // the model and the record now say what it says
  kStale,    // an older attempt, or one the record says is over: it must not run
};

/// Takes one container of the pod into model and record: a running one is adopted, an exit is written down
/// with the termination message, an attempt that the record does not know (its commit was lost) is learnt
/// from the container's labels and annotations. `wall` and `now` are the same moment.
Observation Observe(PodModel& pod, const Container& container, const std::string& termination_message,
                    MonotonicTime now, std::int64_t wall);

/// The latest attempt was created but never ran: the record goes back to the one before.
void ForgetAttempt(PodModel& pod, const std::string& name);

/// What the store held is taken up in the boot `boot_id`. If the host was off meanwhile, that is what ended
/// the containers that ran: it counts towards no backoff, else a host that is switched off soon after every
/// start would wait longer from one to the next.
void TakeUp(v1::PodRecord& record, const std::string& boot_id);

/// The container's latest attempt is not in the runtime any more: it was started, so it is over with an exit
/// nobody knows (137, ContainerStatusUnknown). No effect on one that has finished or never began.
void MarkLost(PodModel& pod, const std::string& name, MonotonicTime now, std::int64_t wall);

/// A new attempt is about to start: it gets `id`, the former one's exit becomes the last state.
void BeginAttempt(PodModel& pod, const v1::Container& container, bool init, std::uint32_t attempt,
                  const std::string& id, const std::string& image_id);
/// The restart count that the next attempt will have.
std::int32_t NextRestartCount(const PodModel& pod, const std::string& name);
std::uint32_t NextAttempt(const PodModel& pod, const std::string& name);

}  // namespace slicelet::agent
