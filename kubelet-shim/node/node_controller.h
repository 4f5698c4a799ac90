#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/base/backoff.h"
#include "common/loop/loop.h"
#include "kube/kube_api.h"
#include "kube/reflector.h"
#include "kubelet-shim/node/node_lease.h"
#include "kubelet-shim/node/node_object.h"

namespace slicelet::shim {

/// The Node object of one slice node: registers it, keeps labels, taints and status as the provider and the
/// host report them, renews its lease, and makes it again when somebody deletes it. Never deletes it.
///
/// A Node of this name that does not carry our slicelet.io/hub label belongs to somebody else: it is left
/// alone, its lease is not touched, and `on_refused` tells once. It is looked at again at every change.
class NodeController {
 public:
  /// Without a change the status is written this often, as the kubelet does.
  static constexpr Duration kHeartbeat = std::chrono::minutes(5);
  /// A provider that is away longer is no witness any more: what it reported is Unknown until it reports
  /// again. Ready is the shim's word and stays.
  static constexpr Duration kProviderAway = std::chrono::minutes(1);
  /// What is missing again within this time, written as it was before, is taken back by somebody: it is
  /// written at the pace of failures.
  static constexpr Duration kSettled = std::chrono::seconds(10);
  static constexpr Backoff::Options kBackoff{std::chrono::milliseconds(200), std::chrono::seconds(7)};

  struct Options {
    std::string hub_id;
    std::string kubelet_version;
    Duration lease = std::chrono::seconds(40);
  };
  struct Dependencies {
    Loop& loop;
    Clock& clock;
    Random& random;
    /// As system:node:NAME.
    std::shared_ptr<kube::KubeApi> api;
    /// A node may not change its taints.
    kube::KubeApi& controller;
    /// The Node exists and is ours; also after it was made again. `uid` is its new one.
    std::function<void(const std::string& uid)> on_registered;
    std::function<void(const std::string& why)> on_refused;
  };

  /// `address` and `port`: where the node's kubelet API is reached.
  NodeController(v1::NodeDeclare declaration, std::string address, int port, Options options,
                 Dependencies dependencies);

  void Start();
  /// The provider is there.
  void Declare(const v1::NodeDeclare& declaration);
  void Report(const v1::NodeReport& report);
  /// The provider is away.
  void OnSessionLost();

  [[nodiscard]] const std::string& name() const { return name_; }
  /// The Node exists and is ours.
  [[nodiscard]] bool registered() const { return !node_.is_null() && !foreign_; }
  /// resourceVersion of the node's lease, 0 while unknown.
  [[nodiscard]] std::uint64_t lease_resource_version() const { return lease_.resource_version(); }
  /// As last seen; null while there is none.
  [[nodiscard]] const Json& node() const { return node_; }

 private:
  void OnList(std::vector<Json> nodes);
  void Observe(Json node);
  /// What the server answered counts, however old its version.
  void Adopt(Json node);
  void Reconcile();
  void Register();
  void PatchLabels(const Json& labels);
  void PatchTaints(const Json& taints);
  void WriteStatus(Json patch);
  void OnWritten(const char* what, absl::StatusOr<Json> answer);
  void RetryLater();
  void ForgetWritten();

  const std::string name_;
  const Options options_;
  const Dependencies deps_;
  NodeFactsheet sheet_;
  v1::NodeDeclare former_;
  NodeLease lease_;
  kube::Reflector reflector_;
  Backoff backoff_;
  Timer retry_;
  Timer heartbeat_;
  Timer provider_away_;
  Timer settled_;
  Json node_;
  /// The last one that the watch saw go. No other node ever has its uid.
  std::string gone_uid_;
  bool listed_ = false;
  bool foreign_ = false;
  bool lease_started_ = false;
  bool writing_ = false;
  bool heartbeat_due_ = true;
  std::string announced_uid_;
  std::string refused_labels_;
  /// What was written lately; null: nothing.
  Json sent_labels_;
  Json sent_taints_;
  Json sent_status_;
  Lifetime lifetime_;
};

}  // namespace slicelet::shim
