#include "edge-agent/senml-export/intake.h"

#include <utility>

#include "common/base/encoding.h"
#include "common/log/log.h"
#include "edge-agent/senml-export/senml.h"

namespace slicelet::senml {

Intake::Intake(Outbox& outbox, std::function<void()> added, std::function<void(const absl::Status&)> failed)
    : outbox_(outbox), added_(std::move(added)), failed_(std::move(failed)) {}

absl::Status Intake::CanKeep() { return outbox_.CanAdd(); }

void Intake::Take(const MqttMessage& message) {
  const auto pack = PackOfBusMessage(message.payload);
  {
    const std::lock_guard lock(mutex_);
    if (pack.ok()) {
      ++counts_.events;
      counts_.records += pack->records;
      counts_.not_finite += pack->not_finite;
      counts_.null += pack->null;
      counts_.unreadable += pack->unreadable;
    } else {
      ++counts_.bad_messages;
    }
  }
  if (!pack.ok())
    return LogDebug("not an event", {{"topic", message.topic}, {"why", Message(pack.status())}});
  if (pack->records == 0) return;
  const auto kept = outbox_.Add(pack->json, Sha256(message.payload));
  if (!kept.ok()) return failed_(kept.status());
  if (*kept) return added_();
  const std::lock_guard lock(mutex_);
  ++counts_.repeated;
}

Intake::Counts Intake::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace slicelet::senml
