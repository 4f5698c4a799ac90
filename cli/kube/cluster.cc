#include "cli/kube/cluster.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cli/kube/blocking.h"
#include "cli/kube/progress.h"
#include "common/base/backoff.h"
#include "kube/object.h"
#include "kube/reflector.h"

namespace slicelet::cli {
namespace {

constexpr Backoff::Options kConflicts{std::chrono::milliseconds(50), std::chrono::seconds(1)};

/// Without a name a path is that of the whole collection: a DELETE there would delete everything.
absl::Status Named(const kube::ObjectRef& ref) {
  if (!ref.name.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("the name of the " + ref.resource.kind + " is empty");
}

}  // namespace

Cluster::Cluster(AsioLoop& loop, Random& random, kube::KubeApi& api, std::string where)
    : loop_(loop), random_(random), api_(api), where_(std::move(where)) {}

absl::Status Cluster::Explained(const absl::Status& status, const kube::Resource& kind) const {
  const std::string message = Message(status);
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return absl::UnavailableError("cannot reach the cluster at " + where_ + ": " + message +
                                    ". Is it running? --kubeconfig FILE and --context NAME choose another");
    case absl::StatusCode::kUnauthenticated:
      return absl::UnauthenticatedError("the cluster at " + where_ +
                                        " does not take the kubeconfig's credentials: " + message +
                                        ". Renew them, or choose others with --kubeconfig or --context");
    case absl::StatusCode::kPermissionDenied:
      return absl::PermissionDeniedError(message + ". 'kubectl auth can-i --list' shows what you may do");
    case absl::StatusCode::kNotFound:
      if (message.find("could not find the requested resource") != std::string::npos) {
        return absl::NotFoundError(
            "the cluster at " + where_ + " does not know the kind " + kind.kind +
            ": install slicelet's kinds with 'kubectl apply -f /usr/share/slicelet/crds/'");
      }
      return status;
    default:
      return status;
  }
}

absl::StatusOr<Json> Cluster::Get(const kube::ObjectRef& ref) {
  SLICELET_RETURN_IF_ERROR(Named(ref));
  auto answer = Await<Json>(loop_, [&](Callback<Json> done) { api_.Get(ref, std::move(done)); });
  if (!answer.ok()) return Explained(answer.status(), ref.resource);
  return answer;
}

absl::StatusOr<std::vector<Json>> Cluster::List(const kube::Resource& kind, const std::string& ns,
                                                const std::string& label_selector) {
  const kube::ListOptions options{.label_selector = label_selector};
  auto answer = Await<kube::ObjectList>(
      loop_, [&](Callback<kube::ObjectList> done) { api_.List(kind, ns, options, std::move(done)); });
  if (!answer.ok()) return Explained(answer.status(), kind);
  return std::move(answer->items);
}

absl::StatusOr<Json> Cluster::Create(const kube::ObjectRef& ref, const Json& object) {
  SLICELET_RETURN_IF_ERROR(Named(ref));
  auto answer = Await<Json>(loop_, [&](Callback<Json> done) { api_.Create(ref, object, std::move(done)); });
  if (!answer.ok()) return Explained(answer.status(), ref.resource);
  return answer;
}

absl::StatusOr<Json> Cluster::Patch(const kube::ObjectRef& ref, const Json& patch) {
  SLICELET_RETURN_IF_ERROR(Named(ref));
  Backoff backoff(kConflicts, random_);
  for (int attempt = 1;; ++attempt) {
    auto answer = Await<Json>(loop_, [&](Callback<Json> done) {
      api_.Patch(ref, kube::PatchType::kMerge, patch, std::move(done));
    });
    if (answer.ok()) return answer;
    if (!absl::IsAborted(answer.status()) || attempt == kAttempts) {
      return Explained(answer.status(), ref.resource);
    }
    bool slept = false;
    Timer timer(loop_);
    timer.Set(backoff.Next(), [&] { slept = true; });
    RunUntil(loop_, [&] { return slept; });
  }
}

absl::Status Cluster::Delete(const kube::ObjectRef& ref, const std::string& uid) {
  SLICELET_RETURN_IF_ERROR(Named(ref));
  const kube::DeleteOptions options{.uid = uid};
  std::optional<absl::Status> answer;
  api_.Delete(ref, options, [&](const absl::Status& status) { answer = status; });
  RunUntil(loop_, [&] { return answer.has_value(); });
  return Explained(*answer, ref.resource);
}

absl::Status Cluster::Wait(const Awaited& awaited, const std::function<void(const std::string&)>& say) {
  std::optional<absl::Status> ended;
  Progress progress(awaited.condition);
  std::string trouble;
  const auto look = [&](const Json* object) {
    if (ended.has_value()) return;
    if (object != nullptr && !awaited.uid.empty() && kube::UidOf(*object) != awaited.uid) object = nullptr;
    if (object != nullptr) {
      for (const std::string& line : progress.Look(*object)) say(line);
    }
    if (awaited.holds(object)) {
      ended = absl::OkStatus();
    } else if (object == nullptr) {
      ended = absl::NotFoundError("it was deleted meanwhile");
    }
  };
  kube::Reflector reflector(
      loop_, random_, api_,
      {.resource = awaited.ref.resource,
       .ns = awaited.ref.ns,
       .field_selector = "metadata.name=" + awaited.ref.name},
      {.on_list = [&](std::vector<Json> items,
                      const std::string&) { look(items.empty() ? nullptr : items.data()); },
       .on_event =
           [&](kube::WatchEventType type, const Json& object) {
             look(type == kube::WatchEventType::kDeleted ? nullptr : &object);
           },
       .on_trouble =
           [&](const absl::Status& status) {
             // It goes on by itself; what will not get better ends the wait.
             trouble = Message(Explained(status, awaited.ref.resource));
             if (absl::IsPermissionDenied(status) || absl::IsUnauthenticated(status)) {
               ended = Explained(status, awaited.ref.resource);
             }
           }});
  Timer timer(loop_);
  timer.Set(awaited.timeout, [&] {
    if (ended.has_value()) return;
    std::string why = progress.state();
    if (!trouble.empty()) why += (why.empty() ? "" : "; ") + trouble;
    ended = absl::DeadlineExceededError("not " + awaited.what + " in time" + (why.empty() ? "" : ": " + why));
  });
  reflector.Start();
  RunUntil(loop_, [&] { return ended.has_value(); });
  return *ended;
}

}  // namespace slicelet::cli
