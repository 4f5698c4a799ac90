#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/base/backoff.h"
#include "common/base/random.h"
#include "common/loop/loop.h"
#include "kube/kube_api.h"

namespace slicelet::shim {

/// Brings one pod's status in the API to what it should be, and at the end deletes the pod.
///
/// One request at a time; whatever changes meanwhile is written by the next one, so only the newest status is
/// ever sent. Idle, it writes at once. A pod whose name belongs to another uid now is left alone for good;
/// every other failure is retried with backoff up to 10 s. So is a 404, which may be a proxy's own: of a pod
/// that is gone the watch or a list tells, which ends this object.
///
/// What ends a pod that is being deleted, its terminal phase and the DELETE, is written only to the version
/// in which it was seen being deleted: a server that was restored may show it as it was before that.
class StatusWriter {
 public:
  struct Handler {
    /// The patch that is missing now, computed from the newest API object; null for none.
    std::function<kube::Json()> patch;
    /// As far as is known here.
    std::function<bool()> being_deleted;
    /// The API server answered with this newer object.
    std::function<void(kube::Json)> on_object;
  };

  /// `pod` names the object; its uid is the precondition of everything.
  StatusWriter(Loop& loop, Random& random, std::shared_ptr<kube::KubeApi> api, const kube::Json& pod,
               Handler handler);

  /// Something changed: writes, if there is anything to write.
  void Update();
  /// As soon as the status is as it should be, removes the object (grace 0). Once, and only if it is still
  /// being deleted.
  void Delete();

 private:
  /// With `resource_version` only to that version of the object.
  void SendPatch(kube::Json patch, const std::string& resource_version);
  void OnPatched(const kube::Json& sent, bool versioned, absl::StatusOr<kube::Json> result);
  /// Is it still being deleted? Then it is finished.
  void CheckDeletion();
  void Finish(kube::Json pod);
  void SendDelete(const std::string& resource_version);
  /// 409 or 422: is it still the same pod?
  void CheckUid(const absl::Status& cause);
  void RetryLater(const absl::Status& cause);
  void Abandon(const char* why);

  std::shared_ptr<kube::KubeApi> api_;
  const std::string ns_;
  const std::string name_;
  const std::string uid_;
  const Handler handler_;
  bool busy_ = false;
  bool abandoned_ = false;
  bool delete_wanted_ = false;
  bool deleted_ = false;
  /// Members this API server drops, so that writing them again would never end.
  kube::Json ignored_;
  Timer retry_;
  Backoff backoff_;
  Lifetime lifetime_;
};

}  // namespace slicelet::shim
