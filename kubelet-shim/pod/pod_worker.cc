#include "kubelet-shim/pod/pod_worker.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "common/json/json.h"
#include "common/log/log.h"
#include "kube/object.h"
#include "kubelet-shim/pod/pod_facts.h"
#include "kubelet-shim/pod/pod_status.h"

namespace slicelet::shim {
namespace {

using kube::Find;
using kube::TextAt;

constexpr std::size_t kMaxSeenEvents = 64;

}  // namespace

PodWorker::PodWorker(PodContext& context, Json pod)
    : context_(context),
      pod_(std::move(pod)),
      uid_(kube::UidOf(pod_)),
      refusal_timer_(context.loop),
      connector_uid_(uid_.value() + "/connector") {
  writer_ = std::make_unique<StatusWriter>(
      context_.loop, context_.random, context_.api, pod_,
      StatusWriter::Handler{.patch = [this] { return MissingPatch(); },
                            .being_deleted = [this] { return kube::BeingDeleted(pod_); },
                            .on_object = [this](Json object) { OnObject(std::move(object)); }});
}

void PodWorker::Start() {
  std::set<ReferentKey> keys;
  std::set<ReferentKey> fresh;
  for (const Reference& reference : CollectReferences(pod_)) {
    keys.insert(reference.key);
    if (reference.use == Reference::Use::kEnvironment) fresh.insert(reference.key);
  }
  StartTokens();
  if (context_.connector_api != nullptr) connector_maps_ = CollectConnectorMaps(pod_);
  if (!connector_maps_.empty()) {
    context_.referents.Need(connector_uid_, context_.connector_api, connector_maps_, connector_maps_,
                            [this] { Sync(); });
  }
  context_.referents.Need(uid_, context_.api, keys, fresh, [this] { Sync(); });
  LogInfo(
      "pod seen",
      {{"node", context_.node}, {"pod", kube::NamespaceOf(pod_) + "/" + kube::NameOf(pod_)}, {"uid", uid_}});
  Sync();
}

PodWorker::~PodWorker() {
  context_.referents.Release(uid_);
  if (!connector_maps_.empty()) context_.referents.Release(connector_uid_);
}

bool PodWorker::ConnectorMapsRead() const {
  return std::all_of(connector_maps_.begin(), connector_maps_.end(), [this](const ReferentKey& key) {
    const Referent* referent = context_.referents.Find(connector_uid_, key);
    return referent != nullptr && referent->state != Referent::State::kUnread;
  });
}

void PodWorker::OnListed(Json pod) {
  pod_ = std::move(pod);
  Sync();
}

void PodWorker::OnObject(Json pod) {
  const auto known = kube::VersionNumber(kube::ResourceVersionOf(pod_));
  const auto version = kube::VersionNumber(kube::ResourceVersionOf(pod));
  if (version != 0 && version <= known) return;
  pod_ = std::move(pod);
  Sync();
}

void PodWorker::Sync() {
  const std::vector<ServiceAddress>* services = context_.services();
  if (services == nullptr) return;
  Environment environment = ResolveEnvironment(
      pod_, [this](const ReferentKey& key) { return context_.referents.Find(uid_, key); }, *services);
  if ((environment.unread || !ConnectorMapsRead()) && !good_) return;
  KeepFormer(environment);
  const bool finished = IsTerminalPhase(TextAt(pod_, {"status", "phase"}));
  if (!finished) Notify(environment);
  if (Deliverable(environment)) {
    blocked_ = false;
    config_errors_.clear();
    good_ = environment;
  } else if (!good_ && environment.refusal && !EverStarted(pod_)) {
    Refuse(*environment.refusal);
  } else if (!good_ && !finished && !EverStarted(pod_)) {
    // One that runs already is shown as its host reports it.
    Block(environment);
  }
  const bool stopping = kube::BeingDeleted(pod_);
  // What changes after the deletion, the generation at least, is of no interest to a host that has the pod.
  if (good_ && (!stopping || sent_.empty())) Apply();
  if (stopping) Stop();
  writer_->Update();
  Settle();
}

void PodWorker::Settle() {
  if (settled_) return;
  settled_ = true;
  context_.on_settled();
}

void PodWorker::Apply() {
  v1::ShimMessage message;
  v1::PodApply& apply = *message.mutable_pod_apply();
  apply.set_node(context_.node);
  // By name: whether a container waits or not must not move the others.
  std::map<std::string, v1::ContainerEnvironment> containers;
  for (const auto& container : good_->containers) containers[container.container()] = container;
  for (const auto& [container, error] : good_->config_errors) containers[container].set_config_error(error);
  for (auto& [name, container] : containers) {
    container.set_container(name);
    *apply.add_environment() = std::move(container);
  }
  for (const auto& reference : good_->references) apply.add_references(reference);
  for (const ReferentKey& key : connector_maps_) {
    const Referent* referent = context_.referents.Find(connector_uid_, key);
    const std::string id = ContentIdOf(key);
    if (referent == nullptr) continue;
    if (referent->state == Referent::State::kUnreadable && connector_complaints_.insert(id).second)
      Record(true, "FailedToReadOptionalConfigMap", id + ": " + referent->error);
    const bool named =
        std::find(apply.references().begin(), apply.references().end(), id) != apply.references().end();
    if (referent->state == Referent::State::kPresent && !named) apply.add_references(id);
  }
  const std::string fingerprint = Fingerprint(pod_, apply);
  if (fingerprint == sent_) return;
  apply.set_pod(DumpJson(pod_));
  if (apply.ByteSizeLong() > kMaxPodApply) {
    const std::string why = "the pod with its environment takes " + std::to_string(apply.ByteSizeLong()) +
                            " bytes, more than the " + std::to_string(kMaxPodApply) +
                            " that a message to the provider holds";
    if (!sent_.empty() || EverStarted(pod_)) {
      // It runs as it is; only its change can not be delivered.
      Record(true, "PodTooLarge", why);
      sent_ = fingerprint;
      return;
    }
    good_.reset();
    v1::Refusal refusal;
    refusal.set_reason("PodTooLarge");
    refusal.set_message(why);
    Refuse(refusal);
    return;
  }
  const bool first = sent_.empty();
  sent_ = fingerprint;
  LogInfo("pod applied", {{"node", context_.node},
                          {"uid", uid_},
                          {"generation", kube::IntegerAt(pod_, {"metadata", "generation"}, 0)}});
  context_.send(std::move(message));
  if (!first || !tokens_) return;
  for (const auto& [name, token] : tokens_->tokens()) SendToken(name, token);
}

void PodWorker::Stop() {
  if (!MayRun() || gone_) {
    // No host ever heard of it, or all have let go.
    writer_->Delete();
    return;
  }
  const std::int64_t grace = kube::IntegerAt(pod_, {"metadata", "deletionGracePeriodSeconds"}, 30);
  if (sent_grace_ && *sent_grace_ <= grace) return;
  sent_grace_ = grace;
  v1::ShimMessage message;
  message.mutable_pod_stop()->set_uid(uid_.value());
  message.mutable_pod_stop()->set_grace_seconds(grace);
  LogInfo("pod stopping", {{"node", context_.node}, {"uid", uid_}, {"grace", grace}});
  context_.send(std::move(message));
}

void PodWorker::KeepFormer(Environment& environment) const {
  if (!good_) return;
  bool kept = false;
  for (const auto& former : good_->containers) {
    if (environment.config_errors.erase(former.container()) == 0) continue;
    environment.containers.push_back(former);
    kept = true;
  }
  if (!kept) return;
  // What it refers to is kept with it.
  std::set<std::string> references(environment.references.begin(), environment.references.end());
  references.insert(good_->references.begin(), good_->references.end());
  environment.references.assign(references.begin(), references.end());
}

bool PodWorker::Deliverable(const Environment& environment) const {
  if (!environment.pod_complete()) return false;
  const auto& errors = environment.config_errors;
  // Of a container that ran once the host has what is unknown here: a delivery would take it away.
  for (const auto& [container, error] : errors) {
    if (EverStarted(pod_, container)) return false;
  }
  const auto waits = [&errors](const Json& container) {
    return errors.count(TextAt(container, {"name"})) != 0;
  };
  const Json* init = Find(pod_, {"spec", "initContainers"});
  if (init != nullptr && init->is_array() && !init->empty()) return !waits(init->front());
  const Json* containers = Find(pod_, {"spec", "containers"});
  return containers == nullptr || !containers->is_array() ||
         !std::all_of(containers->begin(), containers->end(), waits);
}

void PodWorker::Block(const Environment& environment) {
  blocked_ = true;
  // While a volume is missing no container comes as far as its variables.
  config_errors_ =
      environment.mount_errors.empty() ? environment.config_errors : std::map<std::string, std::string>();
}

void PodWorker::Notify(const Environment& environment) {
  std::set<Environment::Notice> current(environment.notices.begin(), environment.notices.end());
  if (!good_) {
    for (const auto& error : environment.mount_errors)
      current.insert({.reason = "FailedMount", .message = error});
  }
  if (good_ || environment.mount_errors.empty()) {
    for (const auto& [container, error] : environment.config_errors) {
      if (EverStarted(pod_, container)) continue;
      current.insert({.reason = "Failed", .message = "Error: " + error, .container = container});
    }
  }
  for (const auto& notice : current) {
    if (notified_.count(notice) == 0) Record(notice.warning, notice.reason, notice.message, notice.container);
  }
  notified_ = std::move(current);
}

void PodWorker::Refuse(const v1::Refusal& refusal) {
  if (refusal_) return;
  refusal_ = refusal;
  const Duration delay = context_.refusals.Take(ControllerOf(pod_));
  LogInfo("pod refused", {{"node", context_.node},
                          {"uid", uid_},
                          {"reason", refusal.reason()},
                          {"field", refusal.field()},
                          {"message", refusal.message()}});
  const auto write = [this] {
    refusal_due_ = true;
    Record(true, refusal_->reason(),
           (refusal_->field().empty() ? std::string() : refusal_->field() + ": ") + refusal_->message());
    writer_->Update();
  };
  if (delay == Duration::zero()) {
    write();
  } else {
    refusal_timer_.Set(delay, write);
  }
}

void PodWorker::OnReport(v1::PodReport report) {
  // The status first: somebody waits for it.
  google::protobuf::RepeatedPtrField<v1::WorkloadEvent> events;
  if (report.has_status()) events.Swap(report.mutable_status()->mutable_events());
  TakeStatus(std::move(report));
  for (const auto& event : events) OnEvent(event);
}

void PodWorker::TakeStatus(v1::PodReport report) {
  // One that runs, as far as the API knows, has a status that will come.
  if (!report.has_status() && EverStarted(pod_)) return;
  const bool refused = report.status().has_refused();
  const v1::Refusal refusal = report.status().refused();
  report_ = std::move(report);
  if (refused && !IsTerminalPhase(TextAt(pod_, {"status", "phase"}))) {
    Refuse(refusal);
  } else if (!refused && refusal_ && !refusal_due_ && good_) {
    // A host takes it after all.
    refusal_.reset();
    refusal_timer_.Cancel();
  }
  writer_->Update();
}

void PodWorker::OnGone(const v1::PodGone& gone) {
  if (gone.has_last()) {
    if (!report_) report_.emplace();
    report_->set_uid(gone.uid());
    for (const auto& event : gone.last().events()) OnEvent(event);
    *report_->mutable_status() = gone.last();
    report_->mutable_status()->clear_events();
  }
  if (kube::BeingDeleted(pod_)) {
    gone_ = true;
    LogInfo("pod gone from its hosts", {{"node", context_.node}, {"uid", uid_}});
    writer_->Delete();
    return;
  }
  writer_->Update();
  if (IsTerminalPhase(TextAt(pod_, {"status", "phase"})) || gone.last().phase() == v1::PHASE_SUCCEEDED ||
      gone.last().phase() == v1::PHASE_FAILED) {
    return;
  }
  // The API still wants it.
  LogWarning("provider let go of a pod that is wanted", {{"node", context_.node}, {"uid", uid_}});
  sent_.clear();
  Sync();
}

void PodWorker::OnEvent(const v1::WorkloadEvent& event) {
  std::string id = std::to_string(event.time()) + "/" + event.reason() + "/" + event.container();
  if (event.time() != 0) {
    if (std::find(seen_events_.begin(), seen_events_.end(), id) != seen_events_.end()) return;
    seen_events_.push_back(std::move(id));
    if (seen_events_.size() > kMaxSeenEvents) seen_events_.pop_front();
  }
  Record(event.warning(), event.reason(), event.message(), event.container());
}

void PodWorker::Record(bool warning, const std::string& reason, const std::string& message,
                       const std::string& container) {
  EventSubject subject{.ns = kube::NamespaceOf(pod_), .name = kube::NameOf(pod_), .uid = uid_.value()};
  if (!container.empty()) subject.field_path = FieldPathOf(pod_, container);
  context_.events.Record(subject, warning, reason, message);
}

void PodWorker::StartTokens() {
  if (IsTerminalPhase(TextAt(pod_, {"status", "phase"}))) return;
  bool withheld = false;
  auto specs = CollectTokens(pod_, context_.api_access_default, &withheld);
  if (withheld && !EverStarted(pod_)) {
    Record(false, "ApiAccessWithheld",
           "the automatic service account token is not delivered to edge hosts; annotation "
           "slicelet.io/api-access: \"true\" asks for it");
  }
  if (specs.empty()) return;
  tokens_ = std::make_unique<TokenSource>(
      context_.loop, context_.clock, context_.random, context_.api, pod_, std::move(specs),
      TokenSource::Handler{.on_token = [this](const std::string& name,
                                              const TokenSource::Token& token) { SendToken(name, token); },
                           .on_failure =
                               [this](const std::string& name, const absl::Status& status) {
                                 Record(true, "FailedMount",
                                        "no service account token for " + name + ": " + Message(status));
                               }});
}

void PodWorker::SendToken(const std::string& name, const TokenSource::Token& token) {
  // A token of a pod that the provider does not know would be lost; it follows the PodApply.
  if (sent_.empty()) return;
  v1::ShimMessage message;
  v1::TokenApply& apply = *message.mutable_token_apply();
  apply.set_uid(uid_.value());
  apply.set_name(name);
  apply.set_token(token.value);
  apply.set_expires(token.expires);
  context_.send(std::move(message));
}

void PodWorker::Resend() {
  sent_.clear();
  sent_grace_.reset();
  Sync();
}

Json PodWorker::MissingPatch() const {
  if (refusal_ && !refusal_due_) return Json();
  if (!report_ && !blocked_ && !refusal_ && !gone_) return Json();
  StatusSources sources{.report = report_ ? &*report_ : nullptr, .gone = gone_};
  if (!report_ || !report_->has_status()) sources.config_errors = config_errors_;
  if (refusal_) sources.refusal = refusal_;
  const std::string host_pod_ip =
      report_ && report_->status().pod_ips_size() > 0 ? report_->status().pod_ips(0) : std::string();
  return StatusPatch(pod_, ComposeStatus(pod_, sources, context_.clock.Now()), host_pod_ip);
}

bool PodWorker::MayRun() const { return good_.has_value() || report_.has_value() || EverStarted(pod_); }

bool PodWorker::HasRunningContainer() const {
  if (report_) {
    for (const auto* list : {&report_->status().init_containers(), &report_->status().containers()}) {
      for (const auto& container : *list) {
        if (container.state().has_running()) return true;
      }
    }
    return false;
  }
  return ShowsRunningContainer(pod_);
}

}  // namespace slicelet::shim
