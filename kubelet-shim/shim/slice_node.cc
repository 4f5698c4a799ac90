#include "kubelet-shim/shim/slice_node.h"

#include <utility>

#include "common/log/log.h"

namespace slicelet::shim {
namespace {

constexpr Backoff::Options kRetry{.base = std::chrono::milliseconds(500), .cap = std::chrono::seconds(30)};

}  // namespace

SliceNode::SliceNode(const Shared& shared, v1::NodeDeclare declared)
    : shared_(shared), declared_(std::move(declared)), retry_(shared.loop), backoff_(kRetry, shared.random) {}

void SliceNode::Start() { AskForApi(); }

void SliceNode::AskForApi() {
  shared_.identity.ApiFor(name(), lifetime_.Guard([this](absl::StatusOr<std::shared_ptr<kube::KubeApi>> api) {
    if (api.ok()) return OnApi(*std::move(api));
    LogWarning("node has no credential yet", {{"node", name()}, {"error", Describe(api.status())}});
    retry_.Set(backoff_.Next(), [this] { AskForApi(); });
  }));
}

void SliceNode::OnApi(std::shared_ptr<kube::KubeApi> api) {
  backoff_.Reset();
  api_ = std::move(api);
  if (shared_.services.api() == nullptr) shared_.services.Use(api_);
  AskForEndpoint();
}

void SliceNode::AskForEndpoint() {
  shared_.identity.EndpointFor(
      name(), lifetime_.Guard([this](absl::StatusOr<NodeIdentity::Endpoint> endpoint) {
        if (endpoint.ok()) return OnEndpoint(*endpoint);
        LogWarning("node has no kubelet API yet", {{"node", name()}, {"error", Describe(endpoint.status())}});
        retry_.Set(backoff_.Next(), [this] { AskForEndpoint(); });
      }));
}

void SliceNode::OnEndpoint(const NodeIdentity::Endpoint& endpoint) {
  NodeController::Options options;
  options.hub_id = shared_.options.hub_id;
  options.kubelet_version = shared_.options.kubelet_version;
  options.lease = shared_.options.node_lease;
  controller_ = std::make_unique<NodeController>(
      declared_, endpoint.address, endpoint.port, std::move(options),
      NodeController::Dependencies{.loop = shared_.loop,
                                   .clock = shared_.clock,
                                   .random = shared_.random,
                                   .api = api_,
                                   .controller = shared_.controller,
                                   .on_registered = [this](const std::string&) { StartPods(); },
                                   // The controller has said why.
                                   .on_refused = [this](const std::string&) { pods_.reset(); }});
  controller_->Start();
  if (report_) controller_->Report(*report_);
  if (!in_session_) controller_->OnSessionLost();
}

void SliceNode::StartPods() {
  if (pods_) return;
  pods_ = std::make_unique<PodSync>(
      name(),
      PodSync::Options{.api_access_default = shared_.options.api_access_default,
                       .fleet = declared_.host().empty()},
      PodSync::Dependencies{.loop = shared_.loop,
                            .clock = shared_.clock,
                            .random = shared_.random,
                            .api = api_,
                            .controller = shared_.controller,
                            .referents = shared_.referents,
                            .refusals = shared_.refusals,
                            .services = shared_.services,
                            .send = shared_.send,
                            .lease_version = [this] { return controller_->lease_resource_version(); }});
  if (in_session_) pods_->OnSession();
  pods_->Start();
}

void SliceNode::OnDeclare(v1::NodeDeclare declared) {
  declared_ = std::move(declared);
  in_session_ = true;
  if (controller_) controller_->Declare(declared_);
  if (pods_) pods_->OnSession();
}

void SliceNode::OnSessionLost() {
  in_session_ = false;
  if (controller_) controller_->OnSessionLost();
  if (pods_) pods_->OnSessionLost();
}

void SliceNode::OnReport(const v1::NodeReport& report) {
  report_ = report;
  if (controller_) controller_->Report(report);
}

void SliceNode::OnServices() {
  if (pods_) pods_->OnServices();
}

void SliceNode::OnSelectors() {
  if (pods_) pods_->OnSelectors();
}

}  // namespace slicelet::shim
