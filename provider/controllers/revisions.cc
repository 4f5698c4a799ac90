#include "provider/controllers/revisions.h"

#include <algorithm>
#include <utility>

#include "common/config/config_reader.h"
#include "common/json/json.h"
#include "kube/object.h"
#include "kube/shape/shape.h"
#include "provider/controllers/gateway_profile.h"
#include "provider/controllers/kept_database.h"
#include "provider/controllers/pods.h"

namespace slicelet::provider {
namespace {

constexpr std::size_t kMaxMessage = 1'024;

std::string NameOf(Rollout::State state) {
  switch (state) {
    case Rollout::State::kNone:
      return "";
    case Rollout::State::kWaiting:
      return "Waiting";
    case Rollout::State::kTrying:
      return "Trying";
    case Rollout::State::kReady:
      return "Ready";
    case Rollout::State::kRolledBack:
      return "RolledBack";
  }
  return "";
}

/// The elements of a list that somebody else has written; none when it is no list.
std::vector<const Json*> Each(const Json& object, const char* list) {
  std::vector<const Json*> elements;
  const Json* found = kube::Find(object, {list});
  if (found == nullptr || !found->is_array()) return elements;
  for (const Json& one : *found) elements.push_back(&one);
  return elements;
}

bool IsTrue(const Json& object, const char* member) {
  const Json* found = kube::Find(object, {member});
  return found != nullptr && *found == true;
}

/// The path of the host that a volume is; empty when it is something else.
std::string HostPathOf(const Json& spec, const std::string& volume) {
  for (const Json* one : Each(spec, "volumes")) {
    if (kube::TextAt(*one, {"name"}) == volume) return kube::TextAt(*one, {"hostPath", "path"});
  }
  return "";
}

/// What the host has once, and a container of the pod takes; empty for nothing.
std::string TakenOnce(const Json& spec) {
  if (IsTrue(spec, "hostNetwork")) return "hostNetwork";
  for (const char* list : {"initContainers", "containers"}) {
    for (const Json* container : Each(spec, list)) {
      const std::string name = "container " + kube::TextAt(*container, {"name"});
      for (const Json* port : Each(*container, "ports")) {
        const std::int64_t taken = kube::IntegerAt(*port, {"hostPort"}, 0);
        if (taken != 0) return "hostPort " + std::to_string(taken) + " of " + name;
      }
      for (const Json* mount : Each(*container, "volumeMounts")) {
        std::string path = HostPathOf(spec, kube::TextAt(*mount, {"name"}));
        if (!path.empty() && !IsTrue(*mount, "readOnly")) {
          return path.append(" of the host, which ").append(name).append(" may write to,");
        }
      }
    }
  }
  return "";
}

bool IsOf(const Json& pod, const std::string& revision) {
  return !kube::BeingDeleted(pod) && RevisionAnnotationOf(pod) == revision;
}

}  // namespace

std::string RevisionRecordOf(const Json& gateway) { return kube::NameOf(gateway) + "-revision"; }

bool HandsOver(const Json& gateway) {
  return kube::TextAt(gateway, {"spec", "update", "strategy"}) == "hand-over";
}

std::optional<Finding> HandOverProblem(const Json& gateway, const Json& pod) {
  if (!HandsOver(gateway) || pod.is_null()) return std::nullopt;
  std::string taken = TakenOnce(pod["spec"]);
  if (kube::TextAt(pod, {"metadata", "annotations", "slicelet.io/layered"}) == "false") {
    taken = "the base deployment of its hosts (slicelet.io/layered: \"false\")";
  }
  if (KeepsData(gateway)) taken = "what lies below spec.dataPath, " + DataPathOf(gateway) + " of the host,";
  if (taken.empty()) return std::nullopt;
  return Finding{"HandOverRefused", "spec.update.strategy: two revisions can not run side by side, because " +
                                        taken + " is for one of them: use stop-first, or do without it"};
}

Rollout::Rollout(const Json& gateway, const Json& asked, const std::function<std::string()>& digest,
                 const Json* record, const std::vector<const Json*>& pods, WallTime now)
    : gateway_(gateway), asked_(asked), now_(now) {
  problem_ = HandOverProblem(gateway, asked);
  const std::string text = kube::TextAt(gateway, {"spec", "update", "rollbackAfter"});
  if (text.empty()) return;
  if (const auto parsed = ParseDuration(text); parsed.ok()) {
    rollback_after_ = *parsed;
  } else if (!problem_) {
    problem_ = Finding{"UpdateInvalid", "spec.update.rollbackAfter: " + Message(parsed.status())};
  }
  if (record != nullptr) {
    // What somebody else made of it is as good as none.
    auto pod = ParseJson(kube::TextAt(*record, {"data", "pod"}));
    if (pod.ok() && kube::CheckShape("PodTemplate", *pod).ok() &&
        !GetArray(*pod, "/spec/containers").empty()) {
      former_ = *std::move(pod);
      former_digest_ = kube::TextAt(*record, {"data", "digest"});
    }
  }
  if (asked.is_null() || !rollback_after_) return;
  digest_ = digest();
  state_ = Judge(pods, now);
}

std::string Rollout::Text(const char* member) const {
  return kube::TextAt(gateway_, {"status", "update", member});
}

Rollout::State Rollout::Judge(const std::vector<const Json*>& pods, WallTime now) {
  if (HasFormer() && former_digest_ == digest_) return State::kReady;
  const std::int64_t generation = kube::IntegerAt(gateway_, {"metadata", "generation"}, 0);
  const std::string was = Text("state");
  const bool same = Text("digest") == digest_;
  why_ = same ? Text("message") : "";
  const bool settled = kube::IntegerAt(gateway_, {"status", "update", "generation"}, 0) == generation;
  if (same && settled && was == NameOf(State::kRolledBack) && HasFormer()) return State::kRolledBack;

  const std::string revision = RevisionOf(asked_);
  bool others = false;
  bool ready = false;
  for (const Json* pod : pods) {
    if (!IsOf(*pod, revision)) {
      others = true;
      continue;
    }
    if (!HasImagesOf(*pod, asked_)) continue;
    ready = IsReady(*pod);
    why_ = ready ? "" : WhyNotReady(*pod);
  }
  if (same && was == NameOf(State::kTrying)) {
    const auto since = ParseTime(Text("since"));
    // A clock that was set back begins anew, and does not wait until it has caught up.
    since_ = since.ok() && *since <= now ? *since : now;
  } else if (HandsOver(gateway_) || !others) {
    since_ = now;
  }
  if (!since_) return State::kWaiting;
  if (!ready && HasFormer() && now - *since_ >= *rollback_after_) return State::kRolledBack;
  return State::kTrying;
}

Json Rollout::Record() const {
  if (!rollback_after_) return nullptr;
  if (asked_.is_null() || state_ == State::kRolledBack) {
    return HasFormer() ? Json({{"digest", former_digest_}, {"pod", former_.dump()}}) : Json();
  }
  return {{"digest", digest_}, {"pod", asked_.dump()}};
}

std::string Rollout::Why() const { return why_.empty() ? "" : " (" + why_ + ")"; }

void Rollout::Tell(Plan& plan) const {
  const std::string revision = asked_.is_null() ? "" : RevisionOf(asked_);
  if (!revision.empty()) plan.Set("revision", revision);
  if (state_ == State::kNone) return plan.Set("update", nullptr);
  const std::string within = kube::TextAt(gateway_, {"spec", "update", "rollbackAfter"});
  const std::string state = NameOf(state_);
  const bool same = Text("state") == state && Text("digest") == digest_;
  const std::string since = state_ == State::kTrying ? FormatTime(*since_) : plan.now();
  plan.Set("update", {{"state", state},
                      {"digest", digest_},
                      {"since", same && state_ != State::kTrying ? Text("since") : since},
                      {"generation", kube::IntegerAt(gateway_, {"metadata", "generation"}, 0)},
                      {"message", (state_ == State::kReady ? "" : why_).substr(0, kMaxMessage)}});
  switch (state_) {
    case State::kNone:
      return;
    case State::kReady:
      return plan.Condition("Updated", "True", {"Updated", "revision " + revision + " has been Ready"});
    case State::kWaiting:
      return plan.Condition("Updated", "False",
                            {"Waiting", "revision " + revision + " begins when the former pod has ended"});
    case State::kTrying: {
      const Duration left = *since_ + *rollback_after_ - now_;
      if (left > Duration::zero()) plan.Again(left);
      return plan.Condition(
          "Updated", "False",
          {HasFormer() || left > Duration::zero() ? "Trying" : "NoFormerRevision",
           "revision " + revision + " is to be Ready within " + within + Why() + "; " +
               (HasFormer() ? "the one that was Ready last comes back otherwise"
                            : "no revision is known that could come back: none was Ready while "
                              "spec.update.rollbackAfter was set")});
    }
    case State::kRolledBack: {
      const Finding finding{"RolledBack",
                            "what the spec asks for was not Ready within " + within + Why() +
                                "; what was Ready last runs instead: change the spec to try again"};
      plan.Condition("Updated", "False", finding);
      if (plan.complete()) plan.Settle(finding);
      return;
    }
  }
}

}  // namespace slicelet::provider
