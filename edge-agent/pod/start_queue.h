#pragma once

#include <functional>
#include <memory>

#include "common/loop/loop.h"

namespace slicelet::agent {

/// Lets a host start its pods a few at a time: of many sandboxes made at once none is ready early, and a
/// small machine gets nothing else done.
///
/// Only new sandboxes wait. The containers of a pod that has its sandbox begin at once, but count, so that
/// what was begun is finished before more is. What takes longer than `kSlow` does not count any more: one
/// that hangs holds up nobody for long. Used on the loop.
class StartQueue {
 public:
  static constexpr Duration kSlow = std::chrono::seconds(5);

  /// Held while something starts; the next begins when the last copy is gone.
  using Turn = std::shared_ptr<void>;

  /// `at_once` is at least 1. `loop` must outlive this object and every turn.
  StartQueue(Loop& loop, int at_once);

  /// Calls `begin` when its turn comes, which may be now. First come, first served.
  void Wait(std::function<void(Turn)> begin);
  /// A turn that nobody has to wait for.
  [[nodiscard]] Turn Take();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace slicelet::agent
