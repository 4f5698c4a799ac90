#include "provider/pods/orphan_judge.h"

#include <algorithm>
#include <utility>

namespace slicelet::provider {

OrphanJudge::OrphanJudge(Options options, v1::NodeRecord node, std::map<PodUid, v1::OrphanRecord> orphans)
    : options_(options), node_(std::move(node)) {
  for (auto& [uid, record] : orphans) {
    // The two GETs must lie apart in running time, which does not outlive the process.
    record.set_first_confirmed(0);
    orphans_[uid].record = std::move(record);
  }
}

std::optional<OrphanJudge::Suspicion> OrphanJudge::Suspect(const std::string& cluster_uid,
                                                           std::uint64_t list_version,
                                                           std::uint64_t lease_version) const {
  if (!cluster_uid.empty() && !node_.cluster_uid().empty() && cluster_uid != node_.cluster_uid()) {
    return Suspicion{"ClusterExchanged",
                     "the cluster's uid changed from " + node_.cluster_uid() + " to " + cluster_uid};
  }
  const auto went_back = [](const char* what, std::uint64_t now, std::uint64_t highest) {
    return Suspicion{"ClusterRestored", std::string("the API server's ") + what +
                                            " went back from resourceVersion " + std::to_string(highest) +
                                            " to " + std::to_string(now)};
  };
  if (list_version != 0 && list_version < node_.list_resource_version()) {
    return went_back("pod list", list_version, node_.list_resource_version());
  }
  if (lease_version != 0 && lease_version < node_.lease_resource_version()) {
    return went_back("node lease", lease_version, node_.lease_resource_version());
  }
  return std::nullopt;
}

OrphanJudge::Actions OrphanJudge::OnSynced(const v1::Synced& synced, const std::vector<KnownPod>& known,
                                           const std::map<PodUid, v1::Evidence>& evidence, MonotonicTime now,
                                           WallTime wall) {
  Actions actions;
  last_ = synced;
  present_.emplace();
  for (const std::string& uid : synced.uids()) {
    present_->insert(PodUid(uid));
    Erase(PodUid(uid), actions);
  }
  last_.clear_uids();
  const auto suspicion =
      Suspect(synced.cluster_uid(), synced.list_resource_version(), synced.lease_resource_version());
  std::vector<KnownPod> judged;
  for (const KnownPod& pod : known) {
    const auto proof = evidence.find(pod.uid);
    if (proof == evidence.end() || suspicion || !Counts(pod.uid)) {
      judged.push_back(pod);
      continue;
    }
    actions.remove.emplace_back(pod.uid, proof->second);
    Erase(pod.uid, actions);
  }
  // Orphans that the hosts no longer know need no decision.
  std::set<PodUid> alive;
  for (const KnownPod& pod : known) alive.insert(pod.uid);
  std::vector<PodUid> ended;
  for (const auto& [uid, orphan] : orphans_) {
    if (alive.count(uid) == 0) ended.push_back(uid);
  }
  for (const PodUid& uid : ended) Erase(uid, actions);

  JudgeMissing(judged, suspicion, now, wall, actions);
  ReleaseIfDecided(actions);
  return actions;
}

OrphanJudge::Actions OrphanJudge::OnKnown(const std::vector<KnownPod>& known, MonotonicTime now,
                                          WallTime wall) {
  Actions actions;
  if (!present_) return actions;
  JudgeMissing(known,
               Suspect(last_.cluster_uid(), last_.list_resource_version(), last_.lease_resource_version()),
               now, wall, actions);
  ReleaseIfDecided(actions);
  return actions;
}

void OrphanJudge::JudgeMissing(const std::vector<KnownPod>& known, const std::optional<Suspicion>& suspicion,
                               MonotonicTime now, WallTime wall, Actions& actions) {
  std::vector<const KnownPod*> missing;
  for (const KnownPod& pod : known) {
    const auto it = orphans_.find(pod.uid);
    if (present_->count(pod.uid) != 0 || (it != orphans_.end() && it->second.record.kept())) continue;
    missing.push_back(&pod);
  }
  std::vector<PodUid> added;
  for (const KnownPod* pod : missing) {
    const auto [it, inserted] = orphans_.try_emplace(pod->uid);
    if (!inserted) continue;
    v1::OrphanRecord& record = it->second.record;
    record.set_uid(pod->uid.value());
    record.set_namespace_(pod->ns);
    record.set_name(pod->name);
    record.set_node(node_.node());
    record.set_since(ToUnixNanos(wall));
    actions.orphans[pod->uid] = record;
    added.push_back(pod->uid);
  }
  if (suspicion && !missing.empty()) {
    Hold(*suspicion, wall, actions);
  } else if (missing.size() > kFewPods && missing.size() * 2 >= known.size()) {
    Hold({"PodsVanished", std::to_string(missing.size()) + " of " + std::to_string(known.size()) +
                              " pods are missing from the API server's list without having been deleted"},
         wall, actions);
  } else if (!node_.held_reason().empty()) {
    // What goes missing while an operator is asked is part of the question.
    Hold({node_.held_reason(), node_.held_message()}, wall, actions);
  }
  for (auto& [uid, orphan] : orphans_) {
    if (!orphan.record.held() && !orphan.record.kept() && orphan.due <= now) Ask(orphan, now, actions);
  }
}

void OrphanJudge::Hold(const Suspicion& why, WallTime wall, Actions& actions) {
  for (auto& [uid, orphan] : orphans_) {
    if (orphan.record.held() || orphan.record.kept() || present_->count(uid) != 0) continue;
    orphan.record.set_held(true);
    orphan.record.set_first_confirmed(0);
    orphan.first_confirmed.reset();
    actions.orphans[uid] = orphan.record;
  }
  if (node_.held_reason() == why.reason && node_.held_message() == why.message) return;
  if (node_.held_reason().empty()) node_.set_held_since(ToUnixNanos(wall));
  node_.set_held_reason(why.reason);
  node_.set_held_message(why.message);
  actions.node_changed = true;
}

void OrphanJudge::ReleaseIfDecided(Actions& actions) {
  for (const auto& [uid, orphan] : orphans_) {
    if (orphan.record.held()) return;
  }
  if (!node_.held_reason().empty()) {
    node_.clear_held_reason();
    node_.clear_held_message();
    node_.clear_held_since();
    actions.node_changed = true;
  }
  if (!present_) return;
  const auto take = [&actions](std::uint64_t seen, std::uint64_t recorded, auto set) {
    if (seen == 0 || seen == recorded) return;
    set(seen);
    actions.node_changed = true;
  };
  take(last_.list_resource_version(), node_.list_resource_version(),
       [this](std::uint64_t version) { node_.set_list_resource_version(version); });
  take(last_.lease_resource_version(), node_.lease_resource_version(),
       [this](std::uint64_t version) { node_.set_lease_resource_version(version); });
  if (!last_.cluster_uid().empty() && last_.cluster_uid() != node_.cluster_uid()) {
    node_.set_cluster_uid(last_.cluster_uid());
    actions.node_changed = true;
  }
}

OrphanJudge::Actions OrphanJudge::OnApplied(const PodUid& uid) {
  Actions actions;
  if (present_) present_->insert(uid);
  Erase(uid, actions);
  ReleaseIfDecided(actions);
  return actions;
}

OrphanJudge::Actions OrphanJudge::OnConfirmed(const v1::PodConfirmed& confirmed, MonotonicTime now,
                                              WallTime wall) {
  Actions actions;
  const PodUid uid(confirmed.uid());
  const auto it = orphans_.find(uid);
  if (!present_ || it == orphans_.end() || it->second.record.held() || it->second.record.kept())
    return actions;
  Orphan& orphan = it->second;
  if (!confirmed.absent()) {
    orphan.first_confirmed.reset();
    orphan.record.set_first_confirmed(0);
    orphan.due = now + options_.confirm;
    actions.orphans[uid] = orphan.record;
    return actions;
  }
  if (const auto suspicion = Suspect(confirmed.cluster_uid(), confirmed.resource_version(), 0)) {
    Hold(*suspicion, wall, actions);
    return actions;
  }
  if (!orphan.first_confirmed) {
    orphan.first_confirmed = now;
    orphan.due = now + options_.confirm;
    orphan.record.set_first_confirmed(ToUnixNanos(wall));
    actions.orphans[uid] = orphan.record;
  } else if (now - *orphan.first_confirmed >= options_.confirm) {
    actions.remove.emplace_back(uid, v1::CONFIRMED_BY_GET);
    Erase(uid, actions);
  }
  return actions;
}

OrphanJudge::Actions OrphanJudge::Decide(const PodUid& uid, bool keep) {
  Actions actions;
  const auto it = orphans_.find(uid);
  if (it == orphans_.end()) return actions;
  if (keep) {
    it->second.record.set_held(false);
    it->second.record.set_kept(true);
    actions.orphans[uid] = it->second.record;
  } else {
    actions.remove.emplace_back(uid, v1::OPERATOR);
    Erase(uid, actions);
  }
  ReleaseIfDecided(actions);
  return actions;
}

OrphanJudge::Actions OrphanJudge::OnTime(MonotonicTime now) {
  Actions actions;
  if (!present_) return actions;
  for (auto& [uid, orphan] : orphans_) {
    if (!orphan.record.held() && !orphan.record.kept() && orphan.due <= now) Ask(orphan, now, actions);
  }
  return actions;
}

std::optional<MonotonicTime> OrphanJudge::NextDue() const {
  std::optional<MonotonicTime> next;
  if (!present_) return next;
  for (const auto& [uid, orphan] : orphans_) {
    if (orphan.record.held() || orphan.record.kept()) continue;
    next = next ? std::min(*next, orphan.due) : orphan.due;
  }
  return next;
}

void OrphanJudge::OnShimGone() {
  present_.reset();
  for (auto& [uid, orphan] : orphans_) {
    if (!orphan.first_confirmed) orphan.due = {};
  }
}

OrphanJudge::Actions OrphanJudge::Forget(const PodUid& uid) {
  Actions actions;
  if (present_) present_->erase(uid);
  Erase(uid, actions);
  ReleaseIfDecided(actions);
  return actions;
}

bool OrphanJudge::Counts(const PodUid& uid) const {
  const auto it = orphans_.find(uid);
  return it == orphans_.end() || !it->second.record.held();
}

bool OrphanJudge::Misses() const {
  return std::any_of(orphans_.begin(), orphans_.end(),
                     [](const auto& entry) { return !entry.second.record.kept(); });
}

std::vector<v1::OrphanRecord> OrphanJudge::Orphans() const {
  std::vector<v1::OrphanRecord> records;
  records.reserve(orphans_.size());
  for (const auto& [uid, orphan] : orphans_) records.push_back(orphan.record);
  return records;
}

v1::Condition OrphanJudge::held() const {
  v1::Condition condition;
  condition.set_type("slicelet.io/PodsHeld");
  condition.set_status(!node_.held_reason().empty());
  condition.set_reason(node_.held_reason().empty() ? "NothingHeld" : node_.held_reason());
  if (condition.status()) {
    condition.set_message(node_.held_message() +
                          "; they keep running until `slicectl orphans keep|remove` decides");
  }
  condition.set_last_transition(node_.held_since());
  return condition;
}

void OrphanJudge::Ask(Orphan& orphan, MonotonicTime now, Actions& actions) const {
  orphan.due = now + options_.ask_again;
  v1::ConfirmPod& ask = actions.confirm.emplace_back();
  ask.set_node(node_.node());
  ask.set_uid(orphan.record.uid());
  ask.set_namespace_(orphan.record.namespace_());
  ask.set_name(orphan.record.name());
}

void OrphanJudge::Erase(const PodUid& uid, Actions& actions) {
  if (orphans_.erase(uid) != 0) actions.orphans[uid] = std::nullopt;
}

}  // namespace slicelet::provider
