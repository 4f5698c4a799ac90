#include "edge-agent/pod/pod_worker.h"

#include <algorithm>
#include <utility>

#include "common/base/encoding.h"
#include "common/base/names.h"
#include "common/base/shown_text.h"
#include "common/base/utf8.h"
#include "common/log/log.h"
#include "edge-agent/edgex/device_provisioner.h"
#include "edge-agent/edgex/reading_counter.h"
#include "edge-agent/pod/container_config.h"
#include "edge-agent/pod/deployment_blob.h"
#include "edge-agent/pod/host_policy_check.h"
#include "edge-agent/pod/pod_record.h"
#include "edge-agent/pod/pod_status.h"
#include "edge-agent/pod/workload_check.h"

namespace slicelet::agent {
namespace {

using std::chrono::seconds;

constexpr std::size_t kMostEvents = 32;
constexpr Duration kCommitRetry = seconds(1);
/// A plan that asks to be made again this often is a bug, not work.
constexpr int kMostRounds = 16;
constexpr std::int64_t kDefaultGraceSeconds = 30;
constexpr char kLoopback[] = "127.0.0.1";

bool IsLoopback(const std::string& address) { return address == kLoopback; }

}  // namespace

PodWorker::PodWorker(Shared& shared, PodUid uid, const v1::PodRecord* record)
    : shared_(shared),
      uid_(std::move(uid)),
      volumes_(shared.dependencies.files, shared.options.root, uid_),
      wake_(shared.dependencies.loop),
      retry_commit_(shared.dependencies.loop) {
  if (record != nullptr) {
    model_.record = *record;
    committed_ = record->SerializeAsString();
    model_.record.clear_namespace_();
    model_.record.clear_name();
    TakeNames(record->namespace_(), record->name());
  } else {
    model_.record.set_uid(uid_.value());
    model_.record.set_start_time(Wall());
  }
  TakeUp(model_.record, shared_.options.boot_id);
  model_.workload.set_uid(uid_.value());
  model_.workload.set_namespace_(model_.record.namespace_());
  model_.workload.set_name(model_.record.name());
  model_.workload.set_termination_grace_seconds(kDefaultGraceSeconds);
  if (model_.record.has_in_effect() && Ready(model_.record.in_effect())) LoadWorkload();
}

PodWorker::~PodWorker() = default;

std::int64_t PodWorker::Wall() const { return ToUnixNanos(shared_.dependencies.clock.Now()); }
MonotonicTime PodWorker::Now() const { return shared_.dependencies.loop.Now(); }

// ---- What is wanted

void PodWorker::TakeNames(const std::string& ns, const std::string& name) {
  if (ns.empty() && name.empty()) return;
  if (!IsDnsLabel(ns) || !IsDnsSubdomain(name)) {
    LogError("pod's namespace and name are none", {{"uid", uid_}, {"pod", ShownText(ns + "/" + name)}});
    return;
  }
  model_.record.set_namespace_(ns);
  model_.record.set_name(name);
}

bool PodWorker::Ready(const v1::Deployment& deployment) const {
  if (!shared_.has_blob(Digest(deployment.digest()))) return false;
  return std::all_of(deployment.blobs().begin(), deployment.blobs().end(),
                     [&](const v1::BlobRef& blob) { return shared_.has_blob(Digest(blob.digest())); });
}

void PodWorker::SetDesired(const v1::Deployment& deployment) {
  absent_ = false;
  desired_ = deployment;
  TakeNames(deployment.namespace_(), deployment.name());
  if (deployment.has_stop()) {
    BeginStop(seconds(std::max<std::int64_t>(0, deployment.stop().grace_seconds())));
  } else {
    TakeEffect(deployment);
  }
  Kick();
}

void PodWorker::SetAbsent() {
  absent_ = true;
  desired_.reset();
  BeginStop(seconds(model_.workload.termination_grace_seconds()));
  Kick();
}

void PodWorker::OnContentStored() {
  // Nothing runs that could read it, and nobody would remove it again.
  if (removing_ || gone_) return;
  if (model_.volumes_setback) model_.volumes_setback->until = Now();
  if (desired_ && !desired_->has_stop()) TakeEffect(*desired_);
  if (model_.volumes == PodModel::Volumes::kReady && workload_loaded_) {
    NoteVolumes(volumes_.Refresh(model_.workload, VolumeSources()));
  }
  if (devices_unread_) LoadDevices();
  Kick();
}

void PodWorker::TakeEffect(const v1::Deployment& deployment) {
  v1::Deployment wanted = deployment;
  wanted.clear_stop();
  if (workload_loaded_ && wanted.SerializeAsString() == model_.record.in_effect().SerializeAsString()) return;
  if (model_.stop || !Ready(wanted)) return;
  wanted.Swap(model_.record.mutable_in_effect());
  if (!LoadWorkload()) {
    // The former one stays in effect until the new one is there.
    model_.record.mutable_in_effect()->Swap(&wanted);
    return;
  }
  if (model_.volumes == PodModel::Volumes::kReady && !model_.refused) {
    // New content, same containers: files change under them, nothing restarts.
    NoteVolumes(volumes_.Prepare(model_.workload, VolumeSources()));
  }
}

bool PodWorker::LoadWorkload() {
  const Digest digest(model_.record.in_effect().digest());
  const absl::StatusOr<std::string> bytes = shared_.dependencies.store.ReadBlob(digest);
  std::optional<DeploymentBlob> blob;
  if (bytes.ok()) blob = ParseDeploymentBlob(model_.record.in_effect().role(), *bytes);
  if (!blob || blob->workload.uid() != uid_.value()) {
    LogError("workload can not be read", {{"uid", uid_}, {"error", Describe(bytes.status())}});
    if (bytes.ok()) {
      v1::Refusal refusal;
      refusal.set_reason("MalformedWorkload");
      refusal.set_message("the workload's bytes are not this pod's");
      model_.refused = refusal;
    } else {
      shared_.blob_lost(digest);
    }
    return bytes.ok();
  }
  if (auto malformed = CheckWorkload(blob->workload)) {
    model_.refused = std::move(malformed);
    return true;
  }
  model_.workload = std::move(blob->workload);
  model_.gateway = std::move(blob->gateway);
  model_.refused = CheckHostPolicy(shared_.options.policy, model_.workload, shared_.dependencies.files);
  if (model_.refused) {
    model_.refused->set_message(model_.refused->message() + " (host " + shared_.options.host.value() +
                                "; its owner can allow it in agent.json)");
  }
  LoadDevices();
  const bool first = !workload_loaded_;
  workload_loaded_ = true;
  if (first) {
    // A store that was lost: what was adopted before its workload came is watched from now on.
    for (const auto& [name, container] : model_.containers) {
      if (container.running() && !container.busy()) OnRunning(name, true);
    }
  }
  if (model_.workload.has_active_deadline_seconds()) {
    const Duration whole = seconds(model_.workload.active_deadline_seconds());
    if (!active_since_) {
      // What went by in former lives of the agent, only the wall's clock knows; from here on it may be set.
      const Duration used(Wall() - model_.record.start_time());
      active_since_ = Now() - std::clamp(used, Duration::zero(), whole);
    }
    model_.active_deadline = *active_since_ + whole;
  } else {
    model_.active_deadline.reset();
  }
  return true;
}

void PodWorker::BeginStop(Duration grace) {
  const MonotonicTime deadline = Now() + grace;
  const bool forced = grace == Duration::zero();
  if (model_.stop) {
    // A smaller grace replaces a larger one; a manifest that says the same again does not prolong it.
    if (deadline < model_.stop->deadline) model_.stop->deadline = deadline;
    model_.stop->forced = model_.stop->forced || forced;
    return;
  }
  model_.stop = PodModel::Stop{deadline, forced};
  if (std::exchange(sandbox_waits_, false)) model_.sandbox.busy = false;
}

std::vector<Digest> PodWorker::MissingBlobs() const {
  std::vector<Digest> missing;
  if (!desired_ || desired_->has_stop()) return missing;
  const auto want = [&](const std::string& digest) {
    if (!shared_.has_blob(Digest(digest))) missing.emplace_back(digest);
  };
  want(desired_->digest());
  for (const auto& blob : desired_->blobs()) want(blob.digest());
  return missing;
}

std::vector<Digest> PodWorker::LiveBlobs() const {
  std::vector<Digest> live;
  const auto add = [&](const v1::Deployment& deployment) {
    live.emplace_back(deployment.digest());
    for (const auto& blob : deployment.blobs()) live.emplace_back(blob.digest());
  };
  if (desired_) add(*desired_);
  if (model_.record.has_in_effect() && !gone_) add(model_.record.in_effect());
  return live;
}

void PodWorker::AddImageNames(std::set<std::string>& names) const {
  if (gone_) return;
  for (const auto& container : model_.workload.init_containers()) names.insert(container.image());
  for (const auto& container : model_.workload.containers()) names.insert(container.image());
}

std::vector<std::string> PodWorker::MissingCredentials() const {
  std::vector<std::string> missing;
  if (model_.stop || gone_) return missing;
  for (const auto& volume : model_.workload.volumes()) {
    for (const auto& source : volume.projection().sources()) {
      if (!source.has_token()) continue;
      if (shared_.credential(uid_, source.token().credential()) == nullptr) {
        missing.push_back(source.token().credential());
      }
    }
  }
  return missing;
}

// ---- Content

absl::StatusOr<std::string> PodWorker::Open(const std::string& content_id, const std::string& bytes,
                                            bool sealed) const {
  if (!sealed) return bytes;
  v1::SealedBlob blob;
  if (!blob.ParseFromString(bytes)) return absl::DataLossError(content_id + " is not a sealed blob");
  const SealContext context{shared_.options.hub_id, shared_.options.host, uid_, ContentId(content_id)};
  absl::StatusOr<std::string> plain = shared_.dependencies.opener.Open(context, blob);
  if (!plain.ok()) return WithContext(plain.status(), "cannot open " + content_id);
  return plain;
}

absl::StatusOr<v1::FileSet> PodWorker::ReadContent(const std::string& content_id) const {
  for (const auto& blob : model_.record.in_effect().blobs()) {
    if (blob.content_id() != content_id) continue;
    const absl::StatusOr<std::string> bytes = shared_.dependencies.store.ReadBlob(Digest(blob.digest()));
    if (!bytes.ok()) {
      shared_.blob_lost(Digest(blob.digest()));
      return bytes.status();
    }
    SLICELET_ASSIGN_OR_RETURN(const std::string plain, Open(content_id, *bytes, blob.sealed()));
    v1::FileSet set;
    if (!set.ParseFromString(plain)) return absl::DataLossError(content_id + " is not a set of files");
    return set;
  }
  return absl::NotFoundError(content_id + " not found");
}

HostFacts PodWorker::Facts() const {
  HostFacts facts;
  facts.host_ip = shared_.options.host_ip;
  if (model_.workload.host_network()) {
    if (!facts.host_ip.empty()) facts.pod_ips = {facts.host_ip};
  } else {
    facts.pod_ips = model_.sandbox.ips;
  }
  facts.allocatable_cpu_milli = shared_.options.allocatable_cpu_milli;
  facts.allocatable_memory_bytes = shared_.options.allocatable_memory_bytes;
  const auto space = shared_.dependencies.files.FreeSpace(shared_.options.root);
  if (space.ok()) facts.allocatable_ephemeral_bytes = static_cast<std::int64_t>(space->total);
  return facts;
}

std::optional<CheckHost> PodWorker::FindCheckHost(const std::string& first) const {
  if (!model_.workload.host_network()) {
    if (model_.sandbox.ips.empty()) return std::nullopt;
    return CheckHost{model_.sandbox.ips.front(), ""};
  }
  const auto has = [this](const std::string& address) {
    return !shared_.dependencies.has_address || shared_.dependencies.has_address(address);
  };
  const std::string& own = shared_.options.host_ip;
  CheckHost host{first, ""};
  // While the host has it, the service listens where it did, wherever the default route leads by now.
  if (IsLoopback(first) || !has(first)) {
    host.address = IsLoopback(own) || has(own) ? own : kLoopback;
    if (host.address != first && !IsLoopback(first)) host.instead_of = first;
  }
  return host;
}

PodVolumes::Sources PodWorker::VolumeSources() const {
  PodVolumes::Sources sources;
  sources.content = [this](const std::string& content_id) { return ReadContent(content_id); };
  sources.token = [this](const std::string& name) -> absl::StatusOr<std::string> {
    const v1::StoredCredential* credential = shared_.credential(uid_, name);
    if (credential == nullptr) return absl::NotFoundError("token " + name + " has not arrived yet");
    const SealContext context{shared_.options.hub_id, shared_.options.host, uid_, ContentId(name)};
    return shared_.dependencies.opener.Open(context, credential->sealed());
  };
  sources.facts = Facts();
  sources.host_path_prefixes = shared_.options.policy.host_path_prefixes;
  return sources;
}

const v1::Container* PodWorker::SpecOf(const std::string& name, bool* init) const {
  for (const auto& container : model_.workload.init_containers()) {
    if (container.name() != name) continue;
    if (init != nullptr) *init = true;
    return &container;
  }
  for (const auto& container : model_.workload.containers()) {
    if (container.name() != name) continue;
    if (init != nullptr) *init = false;
    return &container;
  }
  return nullptr;
}

// ---- Planning

void PodWorker::Kick() {
  if (!adopted_ || gone_) return;
  if (in_kick_) {
    kick_again_ = true;
    return;
  }
  in_kick_ = true;
  for (int round = 0; round < kMostRounds; ++round) {
    kick_again_ = false;
    // Without its workload nothing is begun; what runs is left alone, and it can be stopped.
    if (!workload_loaded_ && !model_.stop && !model_.refused) break;
    plan_ = PlanPod(model_, Now());
    Execute(plan_);
    if (!kick_again_) break;
  }
  in_kick_ = false;
  if (plan_.wake) {
    wake_.Set(std::max<Duration>(*plan_.wake - Now(), Duration::zero()), [this] { Kick(); });
  } else {
    wake_.Cancel();
  }
  FollowEdgex();
  Publish();
}

void PodWorker::Execute(const PodPlan& planned) {
  // What is executed may plan again.
  const PodPlan plan = planned;  // NOLINT(performance-unnecessary-copy-initialization)
  // Slowest first: everything below overlaps with it.
  if (plan.run_sandbox) RunSandbox();
  for (const auto& stop : plan.stops) StopContainer(stop);
  for (const auto& name : plan.images) EnsureImage(name);
  for (const auto& name : plan.starts) StartContainer(name);
  if (plan.prepare_volumes) PrepareVolumes();
  if (plan.stop_sandbox) StopSandbox();
  if (plan.initialized) {
    model_.initialized = true;
    kick_again_ = true;
  }
  for (const auto& [name, waiting] : plan.waiting) {
    if (waiting.reason != "CrashLoopBackOff") continue;
    const v1::ContainerRecord* record = FindRecord(model_.record, name);
    int& told = backoff_told_[name];
    if (record == nullptr || told == record->last_attempt() + 1) continue;
    told = record->last_attempt() + 1;
    Event(true, "BackOff",
          "Back-off restarting failed container " + name + " in pod " + model_.workload.name() + "_" +
              model_.workload.namespace_() + "(" + uid_.value() + ")",
          name);
  }
  if (plan.terminal) {
    model_.record.set_terminal_phase(plan.terminal->phase);
    model_.record.set_terminal_reason(plan.terminal->reason);
    model_.record.set_terminal_message(plan.terminal->message);
    LogInfo("pod finished", {{"uid", uid_},
                             {"pod", model_.record.namespace_() + "/" + model_.record.name()},
                             {"phase", v1::Phase_Name(plan.terminal->phase)},
                             {"reason", plan.terminal->reason}});
    kick_again_ = true;
  }
  if (plan.remove) RemoveEverything();
}

void PodWorker::Event(bool warning, const std::string& reason, const std::string& message,
                      const std::string& container) {
  v1::WorkloadEvent event;
  event.set_warning(warning);
  event.set_reason(reason);
  event.set_message(ToUtf8(message));
  event.set_container(container);
  event.set_time(Wall());
  events_.push_back(std::move(event));
  if (events_.size() > kMostEvents) events_.pop_front();
}

void PodWorker::SetSetback(std::optional<Setback>& setback, const std::string& reason,
                           const std::string& message, Duration base, Duration cap) {
  Setback next{reason, ToUtf8(message), {}, setback ? setback->count + 1 : 1};
  Duration delay = base;
  for (int i = 1; i < next.count && delay < cap; ++i) delay *= 2;
  next.until = Now() + std::min(delay, cap);
  setback = std::move(next);
}

bool PodWorker::IsUncertain(const absl::Status& status) {
  if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status) && !absl::IsCancelled(status))
    return false;
  shared_.relist();
  return true;
}

// ---- Durability

void PodWorker::Commit() {
  if (gone_) return;
  std::string bytes = model_.record.SerializeAsString();
  if (bytes == committed_ && !commit_failed_) return;
  if (retry_commit_.armed()) return;
  committed_ = std::move(bytes);
  commit_failed_ = false;
  ++commits_;
  AgentStore::Batch batch;
  batch.records[uid_] = model_.record;
  shared_.dependencies.store.Commit(std::move(batch), lifetime_.Guard([this](const absl::Status& status) {
    --commits_;
    if (!status.ok()) {
      LogWarning("pod record is not durable", {{"uid", uid_}, {"error", Describe(status)}});
      commit_failed_ = true;
      retry_commit_.Set(kCommitRetry, [this] { Publish(); });
      return;
    }
    Publish();
  }));
}

void PodWorker::Publish() {
  if (!adopted_ || gone_) return;
  Commit();
  if (commits_ > 0 || commit_failed_) return;
  CollectGarbage();
  if (!unsettled_.empty() || (!workload_loaded_ && !model_.refused)) return;
  v1::WorkloadStatus status =
      MakeStatus(model_, plan_, shared_.options.host_ip, Wall(), published_ ? &*published_ : nullptr);
  if (published_ && events_.empty() && SameStatus(*published_, status)) return;
  const bool urgent = !published_ || IsUrgentChange(*published_, status);
  if (!urgent && !starting_.empty()) return;
  Show(std::move(status), urgent);
}

void PodWorker::Show(v1::WorkloadStatus status, bool urgent) {
  status.clear_events();
  // The status before it may have come in the same turn of the loop: nobody was told of its events yet.
  if (!told_ && published_) status.mutable_events()->Swap(published_->mutable_events());
  for (auto& event : events_) *status.add_events() = std::move(event);
  events_.clear();
  published_ = std::move(status);
  told_ = false;
  shared_.changed(uid_, urgent);
}

}  // namespace slicelet::agent
