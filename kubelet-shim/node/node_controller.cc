#include "kubelet-shim/node/node_controller.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "common/json/json.h"
#include "common/log/log.h"
#include "kube/object.h"

namespace slicelet::shim {

using kube::PatchType;

namespace {

/// The same news at another time is the same.
Json WithoutTimes(Json status) {
  const auto conditions = status.find("conditions");
  if (conditions == status.end()) return status;
  for (Json& condition : *conditions) {
    condition.erase("lastHeartbeatTime");
    condition.erase("lastTransitionTime");
  }
  return status;
}

}  // namespace

NodeController::NodeController(v1::NodeDeclare declaration, std::string address, int port, Options options,
                               Dependencies dependencies)
    : name_(declaration.name()),
      options_(std::move(options)),
      deps_(std::move(dependencies)),
      sheet_{.hub_id = options_.hub_id,
             .kubelet_version = options_.kubelet_version,
             .declaration = std::move(declaration),
             .report = std::nullopt,
             .address = std::move(address),
             .port = port},
      lease_(name_, options_.lease, deps_.loop, deps_.clock, deps_.random, *deps_.api),
      reflector_(deps_.loop, deps_.random, *deps_.api,
                 {kube::kNodes, "", "metadata.name=" + name_, "", false},
                 {[this](std::vector<Json> nodes, const std::string&) { OnList(std::move(nodes)); },
                  [this](kube::WatchEventType type, Json node) {
                    if (type == kube::WatchEventType::kDeleted) {
                      gone_uid_ = kube::UidOf(node);
                      node = nullptr;
                    }
                    Observe(std::move(node));
                  },
                  [this](const absl::Status& status) {
                    LogWarning("cannot watch the node", {{"node", name_}, {"error", Describe(status)}});
                  }}),
      backoff_(kBackoff, deps_.random),
      retry_(deps_.loop),
      heartbeat_(deps_.loop),
      provider_away_(deps_.loop),
      settled_(deps_.loop) {}

void NodeController::Start() { reflector_.Start(); }

void NodeController::Declare(const v1::NodeDeclare& declaration) {
  // What it knows of the node comes with its next report.
  provider_away_.Cancel();
  former_ = std::exchange(sheet_.declaration, declaration);
  Reconcile();
}

void NodeController::OnSessionLost() {
  if (sheet_.unheard_since || provider_away_.armed()) return;
  provider_away_.Set(kProviderAway, [this, since = deps_.clock.Now()] {
    sheet_.unheard_since = since;
    Reconcile();
  });
}

void NodeController::Report(const v1::NodeReport& report) {
  // A report without facts comes from a provider that has not heard of the host in this life of its own.
  const auto former = std::exchange(sheet_.report, report);
  if (!report.has_facts() && former.has_value() && former->has_facts())
    *sheet_.report->mutable_facts() = former->facts();
  provider_away_.Cancel();
  sheet_.unheard_since.reset();
  Reconcile();
}

void NodeController::OnList(std::vector<Json> nodes) {
  listed_ = true;
  gone_uid_.clear();
  Adopt(nodes.empty() ? Json() : std::move(nodes.front()));
}

void NodeController::Adopt(Json node) {
  // A write was answered after the watch had told of the node's end, which came after that write.
  if (!gone_uid_.empty() && kube::UidOf(node) == gone_uid_) node = nullptr;
  node_ = std::move(node);
  Reconcile();
}

void NodeController::Observe(Json node) {
  // An answer to our own write may be newer than the watch.
  const bool older = !node.is_null() && !node_.is_null() && kube::UidOf(node) == kube::UidOf(node_) &&
                     kube::VersionNumber(kube::ResourceVersionOf(node)) <
                         kube::VersionNumber(kube::ResourceVersionOf(node_));
  if (!older) node_ = std::move(node);
  Reconcile();
}

void NodeController::Reconcile() {
  if (!listed_ || writing_ || retry_.armed()) return;
  if (node_.is_null()) return Register();
  const std::string owner = GetString(node_, "/metadata/labels/slicelet.io~1hub");
  if (owner != options_.hub_id) {
    if (!std::exchange(foreign_, true)) {
      const std::string why = "node " + name_ + " exists and is not ours (its label slicelet.io/hub is \"" +
                              owner + "\"): remove it, or set the label to \"" + options_.hub_id +
                              "\", to let slicelet use it";
      LogError(why, {{"node", name_}});
      // Nobody serves it any more, and it shall look like that; should it come back, it is announced anew.
      lease_.Stop();
      lease_started_ = false;
      announced_uid_.clear();
      if (deps_.on_refused) deps_.on_refused(why);
    }
    return;
  }
  foreign_ = false;
  const std::string uid = kube::UidOf(node_);
  lease_.SetOwner(uid);
  if (!std::exchange(lease_started_, true)) lease_.Start();

  std::string refused;
  Json labels = Json::object();
  const Json wanted = NodeLabels(sheet_, &refused);
  for (const auto& [key, value] : wanted.items()) {
    const Json* present = kube::Find(node_, {"metadata", "labels", key});
    if (present == nullptr || *present != value) labels[key] = value;
  }
  for (const auto& [key, value] : former_.labels()) {
    const bool gone = !wanted.contains(key);
    if (gone && kube::Find(node_, {"metadata", "labels", key}) != nullptr) labels[key] = nullptr;
  }
  if (refused != std::exchange(refused_labels_, refused) && !refused.empty()) {
    LogWarning("a node may not carry these labels", {{"node", name_}, {"labels", refused}});
  }
  const Json& present_taints = GetArray(node_, "/spec/taints");
  Json taints = NodeTaints(sheet_, present_taints, former_);

  Json status = NodeStatusPatch(sheet_, node_, heartbeat_due_, deps_.clock.Now());
  const bool retaint = taints != present_taints;

  // What does not stay as it was written holds nothing else up.
  if (!labels.empty() && labels != sent_labels_) {
    PatchLabels(labels);
  } else if (retaint && taints != sent_taints_) {
    PatchTaints(taints);
  } else if (!status.is_null() && WithoutTimes(status) != sent_status_) {
    WriteStatus(std::move(status));
  } else if (!labels.empty() || retaint || !status.is_null()) {
    LogWarning(
        "what was written to the node does not stay",
        {{"node", name_}, {"labels", !labels.empty()}, {"taints", retaint}, {"status", !status.is_null()}});
    RetryLater();
  } else if (!settled_.armed()) {
    settled_.Set(kSettled, [this] {
      backoff_.Reset();
      ForgetWritten();
    });
  }
  // Last: the owner may destroy this object.
  if (announced_uid_ != uid) {
    announced_uid_ = uid;
    if (deps_.on_registered) deps_.on_registered(uid);
  }
}

void NodeController::Register() {
  writing_ = true;
  ForgetWritten();
  LogInfo("registering the node", {{"node", name_}});
  deps_.api->Create(
      {kube::kNodes, "", name_, ""}, NewNode(sheet_), lifetime_.Guard([this](absl::StatusOr<Json> answer) {
        if (absl::IsAlreadyExists(answer.status())) {
          // Ours or not, Reconcile decides; the watch may be behind.
          deps_.api->Get({kube::kNodes, "", name_, ""}, lifetime_.Guard([this](absl::StatusOr<Json> node) {
            OnWritten("read the node", std::move(node));
          }));
          return;
        }
        heartbeat_due_ = true;
        OnWritten("register the node", std::move(answer));
      }));
}

void NodeController::PatchLabels(const Json& labels) {
  writing_ = true;
  settled_.Cancel();
  sent_labels_ = labels;
  deps_.api->Patch({kube::kNodes, "", name_, ""}, PatchType::kMerge,
                   {{"metadata", {{"uid", kube::UidOf(node_)}, {"labels", labels}}}},
                   lifetime_.Guard([this](absl::StatusOr<Json> answer) {
                     OnWritten("label the node", std::move(answer));
                   }));
}

void NodeController::PatchTaints(const Json& taints) {
  writing_ = true;
  settled_.Cancel();
  sent_taints_ = taints;
  // The list is atomic and others write to it too, so it depends on the version it was read at.
  const Json patch = {
      {"metadata", {{"uid", kube::UidOf(node_)}, {"resourceVersion", kube::ResourceVersionOf(node_)}}},
      {"spec", {{"taints", taints}}}};
  deps_.controller.Patch({kube::kNodes, "", name_, ""}, PatchType::kMerge, patch,
                         lifetime_.Guard([this](absl::StatusOr<Json> answer) {
                           if (!absl::IsAborted(answer.status()))
                             return OnWritten("taint the node", std::move(answer));
                           sent_taints_ = nullptr;
                           deps_.api->Get({kube::kNodes, "", name_, ""},
                                          lifetime_.Guard([this](absl::StatusOr<Json> node) {
                                            OnWritten("read the node", std::move(node));
                                          }));
                         }));
}

void NodeController::WriteStatus(Json patch) {
  writing_ = true;
  settled_.Cancel();
  sent_status_ = WithoutTimes(patch);
  const Json body = {{"metadata", {{"uid", kube::UidOf(node_)}}}, {"status", std::move(patch)}};
  deps_.api->Patch({kube::kNodes, "", name_, "status"}, PatchType::kStrategicMerge, body,
                   lifetime_.Guard([this](absl::StatusOr<Json> answer) {
                     if (answer.ok()) {
                       heartbeat_due_ = false;
                       heartbeat_.Set(kHeartbeat, [this] {
                         heartbeat_due_ = true;
                         Reconcile();
                       });
                     }
                     OnWritten("write the node's status", std::move(answer));
                   }));
}

void NodeController::OnWritten(const char* what, absl::StatusOr<Json> answer) {
  writing_ = false;
  if (!answer.ok()) {
    // Gone, or another object of that name: the watch tells, and then it is registered again.
    LogWarning(std::string("cannot ") + what, {{"node", name_}, {"error", Describe(answer.status())}});
    if (absl::IsNotFound(answer.status())) node_ = nullptr;
    return RetryLater();
  }
  // Also when its version is lower than the one seen last: then the server was restored, and holding on to
  // what it was would repeat the same write without end.
  Adopt(*std::move(answer));
}

void NodeController::RetryLater() {
  settled_.Cancel();
  retry_.Set(backoff_.Next(), [this] {
    ForgetWritten();
    Reconcile();
  });
}

void NodeController::ForgetWritten() {
  sent_labels_ = nullptr;
  sent_taints_ = nullptr;
  sent_status_ = nullptr;
}

}  // namespace slicelet::shim
