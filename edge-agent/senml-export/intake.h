#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "common/mqtt/mqtt.h"
#include "edge-agent/senml-export/outbox.h"

namespace slicelet::senml {

/// Turns the bus's messages into packs and keeps them, before the bus is told that they arrived. May be
/// called from any thread.
class Intake {
 public:
  struct Counts {
    std::uint64_t events = 0;
    std::uint64_t records = 0;
    /// Events that the bus delivered again, and that are kept already.
    std::uint64_t repeated = 0;
    /// Messages that are no events.
    std::uint64_t bad_messages = 0;
    /// Readings that became no record; see `Pack`.
    std::uint64_t not_finite = 0;
    std::uint64_t null = 0;
    std::uint64_t unreadable = 0;
  };

  /// `added`: a pack is in the outbox. `failed`: it can not be kept. The message counts as arrived when
  /// `failed` returns; a program that ends itself there gets it again. Both are called on the caller's
  /// thread.
  Intake(Outbox& outbox, std::function<void()> added, std::function<void(const absl::Status&)> failed);

  /// Why nothing that came now could be kept.
  absl::Status CanKeep();
  void Take(const MqttMessage& message);
  [[nodiscard]] Counts counts() const;

 private:
  Outbox& outbox_;
  const std::function<void()> added_;
  const std::function<void(const absl::Status&)> failed_;
  mutable std::mutex mutex_;
  Counts counts_;
};

}  // namespace slicelet::senml
