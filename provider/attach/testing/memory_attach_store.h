#pragma once

#include <utility>

#include "common/loop/loop.h"
#include "provider/attach/attacher.h"

namespace slicelet::provider {

/// A record in memory, with crash points.
class MemoryAttachStore : public AttachStore {
 public:
  explicit MemoryAttachStore(Loop& loop) : loop_(loop) {}

  void Save(const AttachRecord& record, StatusCallback done) override {
    const int number = ++saves_;
    if (number == crash_before_) {
      crashed_ = true;
      return;
    }
    if (number == fail_)
      return loop_.Post([done = std::move(done)] { done(absl::AbortedError("conflict")); });
    record_ = record;
    if (number == crash_after_) {
      crashed_ = true;
      return;
    }
    loop_.Post([done = std::move(done)] { done(absl::OkStatus()); });
  }

  /// To the `save`th one from now on, counted from 1.
  void CrashBefore(int save) { crash_before_ = saves_ + save; }
  void CrashAfter(int save) { crash_after_ = saves_ + save; }
  void Fail(int save) { fail_ = saves_ + save; }
  [[nodiscard]] bool crashed() const { return crashed_; }
  void ClearCrash() {
    crashed_ = false;
    crash_before_ = crash_after_ = fail_ = 0;
  }
  [[nodiscard]] const AttachRecord& record() const { return record_; }
  [[nodiscard]] int saves() const { return saves_; }

 private:
  Loop& loop_;
  AttachRecord record_;
  int saves_ = 0;
  int crash_before_ = 0;
  int crash_after_ = 0;
  int fail_ = 0;
  bool crashed_ = false;
};

}  // namespace slicelet::provider
