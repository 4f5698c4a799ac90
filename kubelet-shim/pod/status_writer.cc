#include "kubelet-shim/pod/status_writer.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "kube/object.h"
#include "kubelet-shim/pod/pod_status.h"

namespace slicelet::shim {
namespace {

constexpr Backoff::Options kRetry{.base = std::chrono::milliseconds(200), .cap = std::chrono::seconds(10)};

/// It ends the pod for good.
bool IsLast(const kube::Json& patch) { return IsTerminalPhase(kube::TextAt(patch, {"status", "phase"})); }

}  // namespace

StatusWriter::StatusWriter(Loop& loop, Random& random, std::shared_ptr<kube::KubeApi> api,
                           const kube::Json& pod, Handler handler)
    : api_(std::move(api)),
      ns_(kube::NamespaceOf(pod)),
      name_(kube::NameOf(pod)),
      uid_(kube::UidOf(pod)),
      handler_(std::move(handler)),
      retry_(loop),
      backoff_(kRetry, random) {}

void StatusWriter::Update() {
  // A request under way ends with another look; a waiting retry does too.
  if (abandoned_ || busy_ || retry_.armed()) return;
  kube::Json patch = handler_.patch();
  if (patch == ignored_) patch = kube::Json();
  // A last word is written only to what is known to end.
  if ((delete_wanted_ && !deleted_) || (IsLast(patch) && handler_.being_deleted())) {
    CheckDeletion();
  } else if (!patch.is_null()) {
    SendPatch(std::move(patch), "");
  }
}

void StatusWriter::Delete() {
  delete_wanted_ = true;
  Update();
}

void StatusWriter::SendPatch(kube::Json patch, const std::string& resource_version) {
  busy_ = true;
  kube::Json body = patch;
  if (!resource_version.empty()) body["metadata"]["resourceVersion"] = resource_version;
  auto sent = std::make_shared<const kube::Json>(std::move(patch));
  api_->Patch(
      {kube::kPods, ns_, name_, "status"}, kube::PatchType::kStrategicMerge, body,
      lifetime_.Guard([this, sent, versioned = !resource_version.empty()](absl::StatusOr<kube::Json> result) {
        OnPatched(*sent, versioned, std::move(result));
      }));
}

void StatusWriter::OnPatched(const kube::Json& sent, bool versioned, absl::StatusOr<kube::Json> result) {
  if (result.ok()) {
    backoff_.Reset();
    const std::string resource_version = kube::ResourceVersionOf(*result);
    // Still busy: whatever the object leads to waits for the look below.
    handler_.on_object(*std::move(result));
    kube::Json rest = handler_.patch();
    const bool whole = rest.is_null() || rest == sent;
    ignored_ = rest == sent ? std::move(rest) : kube::Json();
    busy_ = false;
    // It was being deleted when it was read, and nothing came in between.
    if (versioned && whole && delete_wanted_ && !deleted_) return SendDelete(resource_version);
    Update();
    return;
  }
  busy_ = false;
  const absl::Status& status = result.status();
  const bool refused =
      absl::IsAborted(status) || absl::IsFailedPrecondition(status) || absl::IsAlreadyExists(status);
  // What goes to one version looks again at each attempt.
  if (refused && !versioned) {
    CheckUid(status);
  } else {
    RetryLater(status);
  }
}

void StatusWriter::CheckDeletion() {
  busy_ = true;
  api_->Get({kube::kPods, ns_, name_, ""}, lifetime_.Guard([this](absl::StatusOr<kube::Json> pod) {
    busy_ = false;
    if (!pod.ok()) return RetryLater(pod.status());
    if (kube::UidOf(*pod) != uid_) return Abandon("another uid has its name");
    if (!kube::BeingDeleted(*pod)) return Abandon("its deletion was undone");
    Finish(*std::move(pod));
  }));
}

void StatusWriter::Finish(kube::Json pod) {
  const std::string resource_version = kube::ResourceVersionOf(pod);
  busy_ = true;
  handler_.on_object(std::move(pod));
  busy_ = false;
  kube::Json patch = handler_.patch();
  if (!patch.is_null() && patch != ignored_) {
    SendPatch(std::move(patch), resource_version);
  } else if (delete_wanted_ && !deleted_) {
    SendDelete(resource_version);
  }
}

void StatusWriter::SendDelete(const std::string& resource_version) {
  busy_ = true;
  api_->Delete({kube::kPods, ns_, name_, ""},
               {.uid = uid_, .grace_seconds = 0, .resource_version = resource_version},
               lifetime_.Guard([this](const absl::Status& status) {
                 busy_ = false;
                 if (status.ok()) {
                   deleted_ = true;
                   LogInfo("pod deleted", {{"namespace", ns_}, {"pod", name_}, {"uid", uid_}});
                 } else {
                   // It may have changed: the next attempt looks again.
                   RetryLater(status);
                 }
               }));
}

void StatusWriter::CheckUid(const absl::Status& cause) {
  busy_ = true;
  api_->Get({kube::kPods, ns_, name_, ""}, lifetime_.Guard([this, cause](absl::StatusOr<kube::Json> pod) {
    busy_ = false;
    if (!pod.ok()) return RetryLater(pod.status());
    if (kube::UidOf(*pod) != uid_) return Abandon("another uid has its name");
    handler_.on_object(*std::move(pod));
    RetryLater(cause);
  }));
}

void StatusWriter::RetryLater(const absl::Status& cause) {
  Duration delay = backoff_.Next();
  if (const auto asked = kube::RetryAfterSeconds(cause)) {
    delay = std::max<Duration>(delay, std::chrono::seconds(*asked));
  }
  LogWarning("pod status not written",
             {{"namespace", ns_}, {"pod", name_}, {"uid", uid_}, {"error", Describe(cause)}});
  retry_.Set(delay, [this] { Update(); });
}

void StatusWriter::Abandon(const char* why) {
  abandoned_ = true;
  LogDebug("pod status dropped", {{"namespace", ns_}, {"pod", name_}, {"uid", uid_}, {"why", why}});
}

}  // namespace slicelet::shim
