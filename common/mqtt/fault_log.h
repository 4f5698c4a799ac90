#pragma once

#include <string>

#include "common/log/log.h"
#include "common/loop/loop.h"
#include "common/mqtt/envelope.h"

namespace slicelet {

/// Counts what was refused on one connection and says so, at most once in a while: an attacker must not fill
/// the log.
class FaultLog {
 public:
  static constexpr Duration kEvery = std::chrono::seconds(10);

  explicit FaultLog(Loop& loop) : loop_(loop) {}

  EnvelopeFaults& faults() { return faults_; }
  [[nodiscard]] const EnvelopeFaults& faults() const { return faults_; }

  /// What was not even read as an envelope: counted here, and said.
  void Count(EnvelopeFault fault, const HostId& host, const std::string& topic, const std::string& why) {
    faults_.Count(fault);
    Refused(host, topic, absl::PermissionDeniedError(std::string(FaultName(fault)) + ": " + why));
  }

  /// It was counted where it was read.
  void Refused(const HostId& host, const std::string& topic, const absl::Status& why) {
    if (said_ && loop_.Now() - *said_ < kEvery) return;
    said_ = loop_.Now();
    LogWarning("message from the broker refused",
               {{"host", host}, {"topic", topic}, {"why", Message(why)}, {"refused", faults_.Total()}});
  }

 private:
  Loop& loop_;
  EnvelopeFaults faults_;
  std::optional<MonotonicTime> said_;
};

}  // namespace slicelet
