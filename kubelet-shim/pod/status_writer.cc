#include "kubelet-shim/pod/status_writer.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "kube/object.h"

namespace slicelet::shim {
namespace {

constexpr Backoff::Options kRetry{.base = std::chrono::milliseconds(200), .cap = std::chrono::seconds(10)};

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
  if (!patch.is_null() && patch != ignored_) {
    SendPatch(std::move(patch));
  } else if (delete_wanted_ && !deleted_) {
    CheckDeletion();
  }
}

void StatusWriter::Delete() {
  delete_wanted_ = true;
  Update();
}

void StatusWriter::SendPatch(kube::Json patch) {
  busy_ = true;
  auto sent = std::make_shared<const kube::Json>(std::move(patch));
  api_->Patch({kube::kPods, ns_, name_, "status"}, kube::PatchType::kStrategicMerge, *sent,
              lifetime_.Guard(
                  [this, sent](absl::StatusOr<kube::Json> result) { OnPatched(*sent, std::move(result)); }));
}

void StatusWriter::OnPatched(const kube::Json& sent, absl::StatusOr<kube::Json> result) {
  if (result.ok()) {
    backoff_.Reset();
    // Still busy: whatever the object leads to waits for the look below.
    handler_.on_object(*std::move(result));
    const kube::Json rest = handler_.patch();
    ignored_ = !rest.is_null() && rest == sent ? rest : kube::Json();
    busy_ = false;
    Update();
    return;
  }
  busy_ = false;
  const absl::Status& status = result.status();
  if (absl::IsNotFound(status)) {
    Abandon("gone");
  } else if (absl::IsAborted(status) || absl::IsFailedPrecondition(status) || absl::IsAlreadyExists(status)) {
    CheckUid(status);
  } else {
    RetryLater(status);
  }
}

void StatusWriter::CheckDeletion() {
  busy_ = true;
  api_->Get({kube::kPods, ns_, name_, ""}, lifetime_.Guard([this](const absl::StatusOr<kube::Json>& pod) {
    busy_ = false;
    if (absl::IsNotFound(pod.status())) return Abandon("gone");
    if (!pod.ok()) return RetryLater(pod.status());
    if (kube::UidOf(*pod) != uid_) return Abandon("another uid has its name");
    if (!kube::BeingDeleted(*pod)) return Abandon("its deletion was undone");
    SendDelete(kube::ResourceVersionOf(*pod));
  }));
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
                 } else if (absl::IsNotFound(status)) {
                   Abandon("gone");
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
    if (absl::IsNotFound(pod.status())) return Abandon("gone");
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
