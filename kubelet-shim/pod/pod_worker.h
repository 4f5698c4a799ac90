#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/loop/loop.h"
#include "kubelet-shim/env/environment.h"
#include "kubelet-shim/pod/event_recorder.h"
#include "kubelet-shim/pod/referent_cache.h"
#include "kubelet-shim/pod/refusal_spacing.h"
#include "kubelet-shim/pod/status_writer.h"
#include "kubelet-shim/pod/token_source.h"
#include "slicelet/v1/provider.pb.h"

namespace slicelet::shim {

/// A PodApply has to fit into a message of 4 MiB with room for its frame.
inline constexpr std::size_t kMaxPodApply = std::size_t{4} * 1'024 * 1'024 - 4'096;

/// What the workers of one node share. Outlives them.
struct PodContext {
  Loop& loop;
  Clock& clock;
  Random& random;
  std::string node;
  std::shared_ptr<kube::KubeApi> api;
  ReferentCache& referents;
  EventRecorder& events;
  RefusalSpacing& refusals;
  bool api_access_default = false;
  /// Set on fleet nodes: reads the Azure connector's ConfigMaps, which a node may not because no field of the
  /// pod names them.
  std::shared_ptr<kube::KubeApi> connector_api = nullptr;
  /// Null until Services were listed once: no container starts before.
  std::function<const std::vector<ServiceAddress>*()> services;
  /// Sends to the provider; without a session it is dropped, because everything is sent again on the next.
  std::function<void(v1::ShimMessage)> send;
  /// A worker settled (see `PodWorker::settled`).
  std::function<void()> on_settled;
};

/// Joins one pod's two sides: what the API wants of it goes to the provider, what the provider reports goes
/// into its status. One per pod uid, level-triggered: every input leads to the same `Sync`.
///
///   unsettled --(references read)--> applied        PodApply sent; sent again when spec, metadata or
///   environment change
///                                \-> blocked        a mandatory reference is missing and no container could
///                                start: waits, with the kubelet's words
///                                \-> refused        phase Failed, when its owner's turn comes
///   applied --(deletionTimestamp)--> PodStop --(PodGone)--> final status, then DELETE
///
/// A reference that one container alone misses holds back that container alone. Holds no durable state. Once
/// applied, a reference that vanishes changes nothing for the containers that had it.
class PodWorker {
 public:
  PodWorker(PodContext& context, kube::Json pod);
  ~PodWorker();

  /// Call once, when the worker is where `on_settled` looks for it.
  void Start();

  /// The API object as a watch or an answer shows it. Older versions than the known one are dropped.
  void OnObject(kube::Json pod);
  /// As a list shows it, which counts whatever its version: the server may have been restored.
  void OnListed(kube::Json pod);
  void OnReport(v1::PodReport report);
  void OnGone(const v1::PodGone& gone);
  void OnEvent(const v1::WorkloadEvent& event);
  /// Something it depends on may have changed.
  void Sync();
  /// A new session began: the provider knows nothing.
  void Resend();

  /// Its references were read once, so that the provider got it or it waits for a reason.
  [[nodiscard]] bool settled() const { return settled_; }
  [[nodiscard]] const kube::Json& pod() const { return pod_; }
  [[nodiscard]] const PodUid& uid() const { return uid_; }
  [[nodiscard]] bool HasRunningContainer() const;

 private:
  void TakeStatus(v1::PodReport report);
  /// The connector's ConfigMaps have been asked for and all answers are there.
  [[nodiscard]] bool ConnectorMapsRead() const;
  void Apply();
  void Stop();
  void Block(const Environment& environment);
  /// Containers that had their environment once keep it, whatever is missing now.
  void KeepFormer(Environment& environment) const;
  /// The pod can go to its host, as far as it is known.
  [[nodiscard]] bool Deliverable(const Environment& environment) const;
  void Refuse(const v1::Refusal& refusal);
  void Notify(const Environment& environment);
  void StartTokens();
  void SendToken(const std::string& name, const TokenSource::Token& token);
  void Record(bool warning, const std::string& reason, const std::string& message,
              const std::string& container = "");
  void Settle();
  [[nodiscard]] kube::Json MissingPatch() const;
  /// A host may hold something of it.
  [[nodiscard]] bool MayRun() const;

  PodContext& context_;
  kube::Json pod_;
  const PodUid uid_;
  bool settled_ = false;

  /// The last environment that the pod could start with, which the host keeps while a reference is missing
  /// later.
  std::optional<Environment> good_;
  std::map<std::string, std::string> config_errors_;
  bool blocked_ = false;
  std::set<Environment::Notice> notified_;
  std::string sent_;
  std::optional<std::int64_t> sent_grace_;

  std::optional<v1::Refusal> refusal_;
  bool refusal_due_ = false;
  Timer refusal_timer_;

  std::optional<v1::PodReport> report_;
  bool gone_ = false;
  /// Events of reports that may come again after a reconnect: time, reason, container.
  std::deque<std::string> seen_events_;

  /// What the pod needs under its own uid is read with the node's credential.
  const PodUid connector_uid_;
  std::set<ReferentKey> connector_maps_;
  std::set<std::string> connector_complaints_;
  std::unique_ptr<TokenSource> tokens_;
  std::unique_ptr<StatusWriter> writer_;
  Lifetime lifetime_;
};

}  // namespace slicelet::shim
