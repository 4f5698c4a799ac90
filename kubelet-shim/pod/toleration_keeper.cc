#include "kubelet-shim/pod/toleration_keeper.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/config/config_reader.h"
#include "common/log/log.h"
#include "kube/object.h"

namespace slicelet::shim {
namespace {

constexpr char kAutonomy[] = "slicelet.io/autonomy";
/// What the admission plugin adds.
constexpr std::int64_t kDefaultSeconds = 300;

bool Defaulted(const kube::Json& toleration) {
  const std::string key = kube::TextAt(toleration, {"key"});
  return (key == "node.kubernetes.io/not-ready" || key == "node.kubernetes.io/unreachable") &&
         kube::TextAt(toleration, {"operator"}) == "Exists" &&
         kube::TextAt(toleration, {"effect"}) == "NoExecute" &&
         kube::IntegerAt(toleration, {"tolerationSeconds"}, 0) == kDefaultSeconds;
}

/// The limit that the pod sets itself. A bad value is reported where the pod is translated; here it limits
/// nothing.
std::optional<std::int64_t> LimitOf(const kube::Json& pod) {
  const auto autonomy = ParseDuration(kube::TextAt(pod, {"metadata", "annotations", kAutonomy}));
  if (!autonomy.ok()) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::seconds>(*autonomy).count();
}

}  // namespace

std::optional<kube::Json> EdgeTolerations(const kube::Json& pod) {
  const kube::Json* found = kube::Find(pod, {"spec", "tolerations"});
  if (found == nullptr || !found->is_array()) return std::nullopt;
  const auto limit = LimitOf(pod);
  if (limit == kDefaultSeconds) return std::nullopt;
  kube::Json tolerations = *found;
  bool changed = false;
  for (auto& toleration : tolerations) {
    if (!Defaulted(toleration)) continue;
    changed = true;
    if (limit) {
      toleration["tolerationSeconds"] = *limit;
    } else {
      toleration.erase("tolerationSeconds");
    }
  }
  if (!changed) return std::nullopt;
  return tolerations;
}

void TolerationKeeper::OnPod(const kube::Json& pod) {
  auto tolerations = EdgeTolerations(pod);
  const PodUid uid(kube::UidOf(pod));
  if (!tolerations) {
    wrong_.erase(uid);
    return;
  }
  // The list is replaced as a whole: only in the version that was seen.
  auto [found, first] = wrong_.try_emplace(uid);
  Correction& correction = found->second;
  correction.ref = {kube::kPods, kube::NamespaceOf(pod), kube::NameOf(pod), ""};
  correction.patch = {{"metadata", {{"uid", uid.value()}, {"resourceVersion", kube::ResourceVersionOf(pod)}}},
                      {"spec", {{"tolerations", *std::move(tolerations)}}}};
  if (!first) return;
  correction.due = loop_.Now() + correction.delay;
  Arm();
}

void TolerationKeeper::Correct() {
  for (auto& [uid, correction] : wrong_) {
    if (correction.due > loop_.Now()) continue;
    correction.due = loop_.Now() + correction.delay;
    controller_.Patch(correction.ref, kube::PatchType::kMerge, correction.patch,
                      lifetime_.Guard([this, uid = uid](const absl::StatusOr<kube::Json>& result) {
                        Corrected(uid, result.status());
                      }));
  }
  Arm();
}

void TolerationKeeper::Corrected(const PodUid& uid, const absl::Status& status) {
  if (status.ok()) return;
  LogInfo("tolerations not corrected yet", {{"uid", uid}, {"error", Describe(status)}});
  // A conflict is no refusal: the newer version is on its way.
  if (absl::IsAborted(status)) return;
  const auto found = wrong_.find(uid);
  if (found == wrong_.end()) return;
  Correction& correction = found->second;
  correction.delay = std::min(kLongestDelay, correction.delay * 2);
  correction.due = loop_.Now() + correction.delay;
  Arm();
}

void TolerationKeeper::Arm() {
  if (wrong_.empty()) return timer_.Cancel();
  MonotonicTime first = MonotonicTime::max();
  for (const auto& [uid, correction] : wrong_) first = std::min(first, correction.due);
  timer_.Set(std::max(first - loop_.Now(), Duration::zero()), [this] { Correct(); });
}

}  // namespace slicelet::shim
