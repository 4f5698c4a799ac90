#pragma once

#include <functional>
#include <set>
#include <string>

#include "common/loop/loop.h"
#include "slicelet/v1/manifest.pb.h"

namespace slicelet::agent {

/// Stops workloads whose autonomy has run out: so long after the hub's last authenticated message that the
/// hub may have placed them elsewhere. Measured in running time; what a power cut hides counts from the start
/// of the agent.
class Autonomy {
 public:
  /// `apply` is given the manifest with a stop for what has run out. `loop` must outlive this object.
  Autonomy(Loop& loop, std::function<void(const v1::Manifest&)> apply)
      : apply_(std::move(apply)), loop_(loop), heard_(loop.Now()), timer_(loop) {}

  /// The manifest to run from now on; passes it on.
  void Apply(const v1::Manifest& manifest);
  /// An authenticated message came.
  void Heard();
  /// The shortest autonomy of the manifest, zero if all are unlimited.
  [[nodiscard]] Duration shortest() const { return shortest_; }

 private:
  void Check();
  void Arm();

  const std::function<void(const v1::Manifest&)> apply_;
  Loop& loop_;
  v1::Manifest manifest_;
  std::set<std::string> expired_;
  Duration shortest_{};
  MonotonicTime heard_;
  Timer timer_;
};

}  // namespace slicelet::agent
