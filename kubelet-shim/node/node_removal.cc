#include "kubelet-shim/node/node_removal.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "common/log/log.h"
#include "kube/object.h"
#include "kubelet-shim/node/node_object.h"

namespace slicelet::shim {

NodeRemoval::NodeRemoval(std::string node, std::string hub_id, Loop& loop, Random& random,
                         kube::KubeApi& controller, std::function<void()> done)
    : node_(std::move(node)),
      hub_id_(std::move(hub_id)),
      controller_(controller),
      done_(std::move(done)),
      backoff_(kBackoff, random),
      retry_(loop) {}

void NodeRemoval::Start() {
  controller_.Get({kube::kNodes, "", node_, ""},
                  lifetime_.Guard([this](const absl::StatusOr<kube::Json>& node) { OnNode(node); }));
}

void NodeRemoval::OnNode(const absl::StatusOr<kube::Json>& node) {
  if (!node.ok()) return OnDeleted(node.status());
  confirming_ = false;
  const std::string owner = kube::TextAt(*node, {"metadata", "labels", kHubLabel});
  if (owner != hub_id_) {
    LogWarning("the Node of a retired node is not ours and stays", {{"node", node_}, {"hub", owner}});
    return Done();
  }
  kube::DeleteOptions options;
  options.uid = kube::UidOf(*node);
  controller_.Delete({kube::kNodes, "", node_, ""}, options,
                     lifetime_.Guard([this](const absl::Status& status) { OnDeleted(status); }));
}

void NodeRemoval::OnDeleted(const absl::Status& status) {
  if (absl::IsNotFound(status) && !confirming_) return Confirm();
  if (!status.ok() && !absl::IsNotFound(status)) return Retry(status);
  Gone();
}

void NodeRemoval::Confirm() {
  // It exists in every cluster, and no proxy knows it. Listing nodes is no right of this credential.
  controller_.Get({kube::kNamespaces, "", "kube-system", ""},
                  lifetime_.Guard([this](const absl::StatusOr<kube::Json>& object) {
                    if (!object.ok()) return Retry(object.status());
                    if (kube::UidOf(*object).empty())
                      return Retry(absl::InternalError("kube-system has no uid"));
                    confirming_ = true;
                    Start();
                  }));
}

void NodeRemoval::Gone() const {
  LogInfo("the Node of a retired node is gone", {{"node", node_}});
  Done();
}

void NodeRemoval::Done() const {
  // It may destroy this object, and itself with it.
  const auto done = done_;
  done();
}

void NodeRemoval::Retry(const absl::Status& why) {
  confirming_ = false;
  LogWarning("cannot remove the Node of a retired node", {{"node", node_}, {"error", Describe(why)}});
  retry_.Set(backoff_.Next(), [this] { Start(); });
}

}  // namespace slicelet::shim
