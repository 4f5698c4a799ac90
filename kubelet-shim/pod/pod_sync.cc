#include "kubelet-shim/pod/pod_sync.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "common/log/log.h"
#include "kube/object.h"

namespace slicelet::shim {

PodSync::PodSync(std::string node, Options options, Dependencies dependencies)
    : node_(std::move(node)),
      deps_(std::move(dependencies)),
      events_(deps_.loop, deps_.clock, deps_.random, deps_.api, node_),
      context_{.loop = deps_.loop,
               .clock = deps_.clock,
               .random = deps_.random,
               .node = node_,
               .api = deps_.api,
               .referents = deps_.referents,
               .events = events_,
               .refusals = deps_.refusals,
               .api_access_default = options.api_access_default,
               // Outlives this object, as `deps_` says.
               .connector_api =
                   options.fleet ? std::shared_ptr<kube::KubeApi>(std::shared_ptr<void>(), &deps_.controller)
                                 : nullptr,
               .services = [this] { return deps_.services.services(); },
               .send = [this](v1::ShimMessage message) { Send(std::move(message)); },
               .on_settled = [this] { TrySync(); }},
      tolerations_(deps_.loop, deps_.controller),
      retry_(deps_.loop),
      remind_(deps_.loop),
      backoff_({.base = std::chrono::milliseconds(500), .cap = std::chrono::seconds(30)}, deps_.random) {}

PodSync::~PodSync() = default;

void PodSync::Start() {
  kube::Reflector::Handler handler;
  handler.on_list = [this](std::vector<kube::Json> items, const std::string& version) {
    OnList(std::move(items), version);
  };
  handler.on_event = [this](kube::WatchEventType type, kube::Json pod) { OnPodEvent(type, std::move(pod)); };
  handler.on_trouble = [this](const absl::Status& status) {
    LogWarning("pods not readable", {{"node", node_}, {"error", Describe(status)}});
  };
  kube::Reflector::Options options;
  options.resource = kube::kPods;
  options.field_selector = "spec.nodeName=" + node_;
  reflector_ = std::make_unique<kube::Reflector>(deps_.loop, deps_.random, *deps_.api, std::move(options),
                                                 std::move(handler));
  reflector_->Start();
}

void PodSync::Send(v1::ShimMessage message) {
  if (session_) deps_.send(std::move(message));
}

const PodWorker* PodSync::Find(const PodUid& uid) const {
  const auto it = workers_.find(uid);
  return it == workers_.end() ? nullptr : it->second.get();
}

void PodSync::Add(kube::Json pod) {
  tolerations_.OnPod(pod);
  const PodUid uid(kube::UidOf(pod));
  // A name has one owner: the former one is gone, whether its DELETED event came or not.
  std::vector<PodUid> replaced;
  for (const auto& [other, worker] : workers_) {
    if (other != uid && kube::NameOf(worker->pod()) == kube::NameOf(pod) &&
        kube::NamespaceOf(worker->pod()) == kube::NamespaceOf(pod)) {
      replaced.push_back(other);
    }
  }
  for (const auto& other : replaced) Forget(other, v1::ANOTHER_UID);
  PodWorker& worker = *(workers_[uid] = std::make_unique<PodWorker>(context_, std::move(pod)));
  worker.Start();
  WarnServices(worker.pod());
}

void PodSync::OnList(std::vector<kube::Json> items, const std::string& version) {
  const std::uint64_t number = kube::VersionNumber(version);
  const bool went_back = number < version_;
  if (went_back) {
    LogWarning("the cluster went back in time", {{"node", node_}, {"version", version}, {"from", version_}});
    went_back_from_ = std::max(went_back_from_, version_);
  }
  version_ = number;
  // Until everything of this list is in place it is not told.
  sync_wanted_ = false;
  DropMissing(items, went_back);
  for (auto& pod : items) {
    const auto it = workers_.find(PodUid(kube::UidOf(pod)));
    if (it != workers_.end() && kube::BeingDeleted(it->second->pod()) && !kube::BeingDeleted(pod)) {
      // Restored as it was before its deletion: whatever was under way counts no more.
      workers_.erase(it);
      Add(std::move(pod));
    } else if (it == workers_.end()) {
      Add(std::move(pod));
    } else {
      tolerations_.OnPod(pod);
      it->second->OnListed(std::move(pod));
    }
  }
  sync_wanted_ = true;
  cluster_known_ = false;
  IdentifyCluster();
}

void PodSync::DropMissing(const std::vector<kube::Json>& items, bool went_back) {
  std::set<PodUid> uids;
  std::set<std::pair<std::string, std::string>> names;
  for (const auto& pod : items) {
    uids.insert(PodUid(kube::UidOf(pod)));
    names.emplace(kube::NamespaceOf(pod), kube::NameOf(pod));
  }
  // In a restored cluster an old uid under the same name proves nothing.
  if (went_back) replaced_.clear();
  for (auto it = workers_.begin(); it != workers_.end();) {
    const auto& [uid, worker] = *it;
    if (uids.count(uid) != 0) {
      ++it;
      continue;
    }
    LogWarning("pod missing from the list", {{"node", node_}, {"uid", uid}});
    const bool replaced = names.count({kube::NamespaceOf(worker->pod()), kube::NameOf(worker->pod())}) != 0;
    if (replaced && !went_back) replaced_.push_back(uid);
    it = workers_.erase(it);
  }
}

void PodSync::OnPodEvent(kube::WatchEventType type, kube::Json pod) {
  version_ = std::max(version_, kube::VersionNumber(kube::ResourceVersionOf(pod)));
  const PodUid uid(kube::UidOf(pod));
  if (type == kube::WatchEventType::kDeleted) {
    Forget(uid, v1::DELETED_EVENT);
    return;
  }
  const auto it = workers_.find(uid);
  if (it == workers_.end()) {
    Add(std::move(pod));
  } else {
    tolerations_.OnPod(pod);
    WarnServices(pod);
    it->second->OnObject(std::move(pod));
  }
}

void PodSync::Forget(const PodUid& uid, v1::Evidence evidence) {
  LogInfo("pod forgotten", {{"node", node_}, {"uid", uid}, {"evidence", v1::Evidence_Name(evidence)}});
  workers_.erase(uid);
  tolerations_.Forget(uid);
  forgotten_.emplace_back(uid, evidence);
  if (forgotten_.size() > kMaxForgotten) forgotten_.pop_front();
  SendForget(uid, evidence);
  TrySync();
}

void PodSync::SendForget(const PodUid& uid, v1::Evidence evidence) {
  v1::ShimMessage message;
  message.mutable_pod_forget()->set_uid(uid.value());
  message.mutable_pod_forget()->set_evidence(evidence);
  Send(std::move(message));
}

void ReadClusterUid(kube::KubeApi& controller, Callback<std::string> done) {
  controller.Get({kube::kNamespaces, "", "kube-system", ""},
                 [done = std::move(done)](absl::StatusOr<kube::Json> object) {
                   if (!object.ok()) return done(WithContext(object.status(), "namespace kube-system"));
                   std::string uid = kube::UidOf(*object);
                   if (uid.empty()) return done(absl::InternalError("namespace kube-system has no uid"));
                   done(std::move(uid));
                 });
}

void PodSync::IdentifyCluster() {
  ReadClusterUid(deps_.controller, lifetime_.Guard([this](absl::StatusOr<std::string> uid) {
    if (!uid.ok()) {
      LogWarning("cluster not identified", {{"node", node_}, {"error", Describe(uid.status())}});
      retry_.Set(backoff_.Next(), [this] { IdentifyCluster(); });
      return;
    }
    OnIdentified(*std::move(uid));
  }));
}

void PodSync::OnIdentified(std::string uid) {
  backoff_.Reset();
  if (uid == cluster_uid_) {
    for (const auto& pod : replaced_) Forget(pod, v1::ANOTHER_UID);
  }
  replaced_.clear();
  cluster_uid_ = std::move(uid);
  cluster_known_ = true;
  TrySync();
}

void PodSync::TrySync() {
  if (!sync_wanted_ || !session_ || !cluster_known_) return;
  for (const auto& [uid, worker] : workers_) {
    if (!worker->settled()) return;
  }
  sync_wanted_ = false;
  v1::ShimMessage message;
  v1::Synced& synced = *message.mutable_synced();
  synced.set_node(node_);
  synced.set_cluster_uid(cluster_uid_);
  synced.set_list_resource_version(version_);
  synced.set_lease_resource_version(deps_.lease_version());
  for (const auto& [uid, worker] : workers_) synced.add_uids(uid.value());
  if (went_back_from_ > version_) {
    // The provider knows only what it was told; told what had been reached, it sees for itself what happened.
    v1::ShimMessage reached = message;
    reached.mutable_synced()->set_list_resource_version(went_back_from_);
    Send(std::move(reached));
  }
  went_back_from_ = 0;
  LogInfo("pods synced", {{"node", node_}, {"pods", static_cast<std::uint64_t>(workers_.size())}});
  Send(std::move(message));
  remind_.Set(kRemind, [this] {
    // Bookmarks count too, where no pod changes for long.
    version_ = std::max(version_, kube::VersionNumber(reflector_->resource_version()));
    sync_wanted_ = true;
    TrySync();
  });
}

void PodSync::OnSession() {
  session_ = true;
  for (const auto& [uid, evidence] : forgotten_) SendForget(uid, evidence);
  for (const auto& [uid, worker] : workers_) worker->Resend();
  if (reflector_ != nullptr && reflector_->listed()) sync_wanted_ = true;
  TrySync();
}

void PodSync::OnServices() {
  for (const auto& [uid, worker] : workers_) worker->Sync();
}

void PodSync::OnSelectors() {
  for (const auto& [uid, worker] : workers_) WarnServices(worker->pod());
}

void PodSync::WarnServices(const kube::Json& pod) {
  // The host's own address may well be reachable.
  const kube::Json* on_host = kube::Find(pod, {"spec", "hostNetwork"});
  if (on_host != nullptr && *on_host == true) return;
  for (const EventSubject& service : deps_.services.selectors().TakeUntold(pod)) {
    events_.Record(service, true, "EndpointsNotReachable",
                   "pod " + kube::NameOf(pod) + " runs on slice node " + node_ +
                       ": its address leads nowhere from the cluster. Use kubectl port-forward, or give the "
                       "container a hostPort and call the host");
  }
}

void PodSync::OnReport(v1::PodReport report) {
  const auto it = workers_.find(PodUid(report.uid()));
  if (it != workers_.end()) it->second->OnReport(std::move(report));
}

void PodSync::OnGone(const v1::PodGone& gone) {
  const PodUid uid(gone.uid());
  std::erase_if(forgotten_, [&uid](const auto& entry) { return entry.first == uid; });
  const auto it = workers_.find(uid);
  if (it != workers_.end()) it->second->OnGone(gone);
}

void PodSync::OnEvent(const v1::ObjectEvent& event) {
  const auto it = workers_.find(PodUid(event.uid()));
  if (it != workers_.end()) {
    it->second->OnEvent(event.event());
  } else if (event.uid().empty()) {
    // The kubelet, too, gives the node's name as the uid of its own events.
    events_.Record({.kind = "Node", .name = node_, .uid = node_}, event.event().warning(),
                   event.event().reason(), event.event().message());
  }
}

void PodSync::OnConfirm(const v1::ConfirmPod& confirm) {
  ReadClusterUid(deps_.controller, lifetime_.Guard([this, confirm](absl::StatusOr<std::string> uid) {
    if (uid.ok()) Confirm(confirm, *uid);
  }));
}

void PodSync::Confirm(const v1::ConfirmPod& confirm, const std::string& cluster_uid) {
  deps_.controller.Get({kube::kPods, confirm.namespace_(), confirm.name(), ""},
                       lifetime_.Guard([this, confirm, cluster_uid](absl::StatusOr<kube::Json> pod) {
                         // Only a 404 or another uid is evidence: never a refusal, a timeout or a broken
                         // server.
                         if (pod.ok()) {
                           AnswerConfirm(confirm, cluster_uid, kube::UidOf(*pod) != confirm.uid());
                         } else if (absl::IsNotFound(pod.status())) {
                           AnswerConfirm(confirm, cluster_uid, true);
                         } else {
                           LogWarning(
                               "absence not confirmed",
                               {{"node", node_}, {"uid", confirm.uid()}, {"error", Describe(pod.status())}});
                         }
                       }));
}

void PodSync::AnswerConfirm(const v1::ConfirmPod& confirm, const std::string& cluster_uid, bool absent) {
  // The version of the collection now, which the provider compares with the highest it has seen.
  kube::ListOptions options;
  options.field_selector = "spec.nodeName=" + node_ + ",metadata.name=" + confirm.name();
  deps_.api->List(
      kube::kPods, confirm.namespace_(), options,
      lifetime_.Guard([this, confirm, cluster_uid, absent](absl::StatusOr<kube::ObjectList> list) {
        if (!list.ok()) return;
        const auto same = [&confirm](const kube::Json& pod) { return kube::UidOf(pod) == confirm.uid(); };
        // It came back between the two answers, as after a restore.
        if (absent && std::any_of(list->items.begin(), list->items.end(), same)) return;
        v1::ShimMessage message;
        v1::PodConfirmed& confirmed = *message.mutable_pod_confirmed();
        confirmed.set_uid(confirm.uid());
        confirmed.set_absent(absent);
        confirmed.set_cluster_uid(cluster_uid);
        confirmed.set_resource_version(kube::VersionNumber(list->resource_version));
        Send(std::move(message));
      }));
}

}  // namespace slicelet::shim
