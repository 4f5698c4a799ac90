#pragma once

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/base/ids.h"
#include "common/loop/loop.h"
#include "kube/kube_api.h"

namespace slicelet::shim {

/// The pod's tolerations as they should be, or nothing if they are so. Kubernetes gives every pod five
/// minutes on a node that is not ready or unreachable (the DefaultTolerationSeconds admission plugin); a pod
/// on an edge host runs on without limit, or as long as its annotation slicelet.io/autonomy says. What a user
/// wrote otherwise stays.
std::optional<kube::Json> EdgeTolerations(const kube::Json& pod);

/// Corrects tolerations of bound pods with the controller credential, where no admission policy did it: a
/// node may not. There are minutes of time, so that it stays out of the way of a pod's start. What is refused
/// is tried again after twice the time, pod by pod, however often the pod changes meanwhile.
class TolerationKeeper {
 public:
  static constexpr Duration kDelay = std::chrono::seconds(20);
  static constexpr Duration kLongestDelay = std::chrono::minutes(10);

  /// Both must outlive it.
  TolerationKeeper(Loop& loop, kube::KubeApi& controller)
      : loop_(loop), controller_(controller), timer_(loop) {}

  /// A pod of our node as it is now.
  void OnPod(const kube::Json& pod);
  void Forget(const PodUid& uid) { wrong_.erase(uid); }

 private:
  struct Correction {
    kube::ObjectRef ref;
    kube::Json patch;
    Duration delay = kDelay;
    MonotonicTime due;
  };
  void Correct();
  void Corrected(const PodUid& uid, const absl::Status& status);
  /// Sets the timer to what is due first.
  void Arm();

  Loop& loop_;
  kube::KubeApi& controller_;
  /// Until their corrected versions are seen.
  std::map<PodUid, Correction> wrong_;
  Timer timer_;
  Lifetime lifetime_;
};

}  // namespace slicelet::shim
