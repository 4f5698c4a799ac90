#include "edge-agent/pod/pod_supervisor.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "common/base/encoding.h"
#include "common/base/names.h"
#include "common/log/log.h"
#include "edge-agent/images/image_provider.h"
#include "edge-agent/pod/container_config.h"
#include "edge-agent/pod/pod_worker.h"

namespace slicelet::agent {
namespace {

constexpr Duration kRelistRetry = std::chrono::seconds(1);
constexpr Duration kSecondList = std::chrono::seconds(10);
constexpr Duration kLogCheck = std::chrono::seconds(10);

template <typename Map>
std::string Value(const Map& map, const char* key) {
  const auto it = map.find(key);
  return it == map.end() ? "" : it->second;
}

}  // namespace

struct PodSupervisor::Impl {
  Impl(Options given, const Dependencies& given_dependencies)
      : options(std::move(given)),
        dependencies(given_dependencies),
        images(dependencies.loop, dependencies.runtime),
        starts(dependencies.loop, options.starts_at_once),
        shared{options,
               dependencies,
               images,
               starts,
               [this](const PodUid& uid, bool urgent) { OnWorkerChanged(uid, urgent); },
               [this] { RelistSoon(); },
               [this](const PodUid& uid, const std::string& name) { return FindCredential(uid, name); },
               [this](const Digest& digest) { return blobs.count(digest) != 0; },
               [this](const Digest& digest) { blobs.erase(digest); }},
        relist_timer(dependencies.loop),
        log_timer(dependencies.loop) {}

  // ---- Start

  void Start() {
    const absl::Status mounted = PodVolumes::MountRoots(dependencies.files, options.root);
    if (!mounted.ok())
      LogError("volume roots are not mounted: volumes with secrets, config maps or tokens are refused",
               {{"error", Describe(mounted)}});
    const AgentStore::Loaded& loaded = dependencies.store.loaded();
    blobs.insert(loaded.blobs.begin(), loaded.blobs.end());
    for (const auto& credential : loaded.credentials) {
      credentials[{credential.uid(), credential.name()}] = credential;
    }
    for (const auto& [uid, record] : loaded.records) {
      workers.emplace(uid, std::make_unique<PodWorker>(shared, uid, &record));
    }
    v1::Manifest manifest;
    if (loaded.manifest && manifest.ParseFromString(loaded.manifest->manifest())) Apply(manifest);
    dependencies.runtime.OnWakeUp(
        lifetime.Guard([this](const ContainerRuntime::WakeUp& wake_up) { OnWakeUp(wake_up.container_id); }));
    Relist();
    // What a former life of the agent had asked for just before it died shows only now.
    dependencies.loop.RunAfter(kSecondList, lifetime.Guard([this] { Relist(); }));
    log_timer.Set(kLogCheck, [this] { CheckLogs(); });
  }

  void CheckLogs() {
    for (auto& [uid, worker] : workers) worker->RotateLogs();
    log_timer.Set(kLogCheck, [this] { CheckLogs(); });
  }

  // ---- What is wanted

  void Apply(const v1::Manifest& manifest) {
    has_manifest = true;
    unexplained.reset();
    ForgetUnusedBlobs();
    std::set<PodUid> listed;
    for (const auto& deployment : manifest.deployments()) {
      const PodUid uid(deployment.uid());
      listed.insert(uid);
      auto& worker = workers[uid];
      if (!worker) {
        worker = std::make_unique<PodWorker>(shared, uid, nullptr);
        // Nothing of it was listed, so nothing of it runs. Before the first list nobody knows.
        if (relisted) worker->Reconcile({}, {}, dependencies.loop.Now());
      }
      worker->SetDesired(deployment);
    }
    for (auto& [uid, worker] : workers) {
      if (listed.count(uid) == 0) worker->SetAbsent();
    }
    // Some may be there already.
    OnBlobsStored();
    DropFinished();
  }

  /// What nobody needed may have been dropped from the store since it was seen there.
  void ForgetUnusedBlobs() {
    std::set<Digest> live;
    for (const auto& [uid, worker] : workers)
      for (auto& digest : worker->LiveBlobs()) live.insert(std::move(digest));
    std::erase_if(blobs, [&](const Digest& digest) { return live.count(digest) == 0; });
  }

  [[nodiscard]] const v1::StoredCredential* FindCredential(const PodUid& uid, const std::string& name) const {
    const auto it = credentials.find({uid.value(), name});
    return it == credentials.end() ? nullptr : &it->second;
  }

  void OnBlobsStored() {
    bool news = false;
    for (auto& [uid, worker] : workers) {
      for (const auto& digest : worker->MissingBlobs()) {
        if (blobs.count(digest) != 0 || !dependencies.store.ReadBlob(digest).ok()) continue;
        blobs.insert(digest);
        news = true;
      }
    }
    if (!news) return;
    for (auto& [uid, worker] : workers) worker->OnContentStored();
  }

  void SetHostIp(const std::string& address) {
    const bool there = !dependencies.has_address || dependencies.has_address(address);
    if (address == options.host_ip && there == has_host_ip) return;
    options.host_ip = address;
    has_host_ip = there;
    for (auto& [uid, worker] : workers) worker->OnHostAddress();
  }

  // ---- What is observed

  void OnWakeUp(const std::string& id) {
    if (id.empty()) {
      Relist();
      return;
    }
    for (auto& [uid, worker] : workers) {
      if (worker->Owns(id)) {
        worker->OnWakeUp(id);
        return;
      }
    }
  }

  void RelistSoon() {
    if (retry_soon) return;
    retry_soon = true;
    relist_timer.Set(kRelistRetry, [this] { Relist(); });
  }

  void Relist() {
    retry_soon = false;
    relist_timer.Set(options.relist, [this] { Relist(); });
    if (listing) {
      list_again = true;
      return;
    }
    listing = true;
    list_again = false;
    const MonotonicTime since = dependencies.loop.Now();
    dependencies.runtime.ListSandboxes(
        lifetime.Guard([this, since](const absl::StatusOr<std::vector<Sandbox>>& sandboxes) {
          if (!sandboxes.ok()) {
            OnListFailed(sandboxes.status());
            return;
          }
          dependencies.runtime.ListContainers(
              lifetime.Guard([this, since, sandboxes = *sandboxes](
                                 const absl::StatusOr<std::vector<Container>>& containers) {
                if (!containers.ok()) {
                  OnListFailed(containers.status());
                  return;
                }
                listing = false;
                OnListed(sandboxes, *containers, since);
                if (list_again) Relist();
              }));
        }));
  }

  void OnListFailed(const absl::Status& status) {
    LogWarning("container runtime can not be listed", {{"error", Describe(status)}});
    listing = false;
    RelistSoon();
  }

  using Listed = std::map<PodUid, std::pair<std::vector<Sandbox>, std::vector<Container>>>;

  void OnListed(const std::vector<Sandbox>& sandboxes, const std::vector<Container>& containers,
                MonotonicTime since) {
    Listed by_pod;
    std::map<std::string, PodUid> pod_of_sandbox;
    const auto ours = [this](const auto& object) {
      // Another agent on the same runtime looks after its own.
      const std::string host = Value(object.labels, kHostLabel);
      if (object.labels.count(kManagedLabel) == 0 || (!host.empty() && host != options.host.value()))
        return false;
      // No agent gave it such labels; they would become paths.
      const bool good = IsPathComponent(Value(object.labels, kPodUidLabel));
      if (!good) LogWarning("no pod's uid in a label", {{"id", object.id}});
      return good;
    };
    for (const auto& sandbox : sandboxes) {
      if (!ours(sandbox)) continue;
      const PodUid uid(Value(sandbox.labels, kPodUidLabel));
      pod_of_sandbox[sandbox.id] = uid;
      by_pod[uid].first.push_back(sandbox);
    }
    for (const auto& container : containers) {
      if (!ours(container)) continue;
      if (!IsDnsLabel(ContainerNameOf(container))) {
        LogWarning("no container's name in a label", {{"id", container.id}});
        continue;
      }
      by_pod[PodUid(Value(container.labels, kPodUidLabel))].second.push_back(container);
    }
    relisted = true;
    // Without an accepted manifest nobody can say what is wanted: nothing is touched.
    if (!has_manifest) return NoteUnexplained(by_pod);
    for (const auto& [uid, found] : by_pod) {
      if (workers.count(uid) != 0) continue;
      LogInfo("pod without a manifest entry is removed", {{"uid", uid}});
      auto& worker = workers[uid];
      worker = std::make_unique<PodWorker>(shared, uid, nullptr);
      worker->SetAbsent();
    }
    std::vector<PodUid> uids;
    uids.reserve(workers.size());
    for (const auto& [uid, worker] : workers) uids.push_back(uid);
    for (const auto& uid : uids) {
      const auto worker = workers.find(uid);
      if (worker == workers.end()) continue;
      const auto found = by_pod.find(uid);
      static const std::pair<std::vector<Sandbox>, std::vector<Container>> kNothing;
      const auto& mine = found == by_pod.end() ? kNothing : found->second;
      worker->second->Reconcile(mine.first, mine.second, since);
    }
    DropFinished();
  }

  /// A hub whose store is old must not end what runs for want of knowing it.
  void NoteUnexplained(const Listed& by_pod) {
    std::set<PodUid> found;
    for (const auto& [uid, of_pod] : by_pod) {
      const auto runs = [](const Container& container) {
        return container.phase == ContainerPhase::kRunning;
      };
      if (std::any_of(of_pod.second.begin(), of_pod.second.end(), runs)) found.insert(uid);
    }
    if (unexplained == found) return;
    unexplained = std::move(found);
    NotifyLater();
  }

  // ---- What is shown

  void OnWorkerChanged(const PodUid& uid, bool urgent) {
    changed_uids.insert(uid);
    changed_urgent = changed_urgent || urgent;
    NotifyLater();
  }

  void NotifyLater() {
    if (notifying) return;
    notifying = true;
    // One report for everything that changed in this turn of the loop.
    dependencies.loop.Post(lifetime.Guard([this] {
      notifying = false;
      const std::vector<PodUid> uids(changed_uids.begin(), changed_uids.end());
      changed_uids.clear();
      const bool urgent_now = std::exchange(changed_urgent, false);
      if (on_changed) on_changed(uids, urgent_now);
      for (const auto& uid : uids) {
        const auto worker = workers.find(uid);
        if (worker != workers.end()) worker->second->OnTold();
      }
      DropFinished();
    }));
  }

  void DropFinished() {
    const auto removed = std::erase_if(workers, [](const auto& entry) { return entry.second->finished(); });
    if (removed > 0) {
      std::erase_if(credentials,
                    [&](const auto& entry) { return workers.count(PodUid(entry.first.first)) == 0; });
    }
    for (auto& [uid, worker] : workers) {
      // The hub took the removal back, too late to keep the containers.
      const std::optional<v1::Deployment> wanted = worker->wanted_again();
      if (!wanted) continue;
      worker = std::make_unique<PodWorker>(shared, uid, nullptr);
      worker->Reconcile({}, {}, dependencies.loop.Now());
      worker->SetDesired(*wanted);
    }
  }

  Options options;
  const Dependencies dependencies;
  ImageProvider images;
  StartQueue starts;
  PodWorker::Shared shared;
  std::map<PodUid, std::unique_ptr<PodWorker>> workers;
  /// While no manifest was accepted, once the runtime was listed: what runs.
  std::optional<std::set<PodUid>> unexplained;
  std::set<Digest> blobs;
  std::map<std::pair<std::string, std::string>, v1::StoredCredential> credentials;
  bool has_host_ip = true;
  bool has_manifest = false;
  bool relisted = false;
  bool listing = false;
  bool list_again = false;
  bool retry_soon = false;
  Timer relist_timer;
  Timer log_timer;
  std::set<PodUid> changed_uids;
  bool changed_urgent = false;
  bool notifying = false;
  std::function<void(const std::vector<PodUid>&, bool)> on_changed;
  Lifetime lifetime;
};

PodSupervisor::PodSupervisor(Options options, const Dependencies& dependencies)
    : impl_(std::make_unique<Impl>(std::move(options), dependencies)) {}

PodSupervisor::~PodSupervisor() = default;

void PodSupervisor::Start() { impl_->Start(); }

void PodSupervisor::SetHostIp(const std::string& address) { impl_->SetHostIp(address); }

void PodSupervisor::Apply(const v1::Manifest& manifest) {
  // While nothing said what should run, nothing that was listed was looked at: list again before anything
  // begins.
  const bool list = !impl_->has_manifest && impl_->relisted;
  if (list) impl_->relisted = false;
  impl_->Apply(manifest);
  if (list) impl_->Relist();
}

std::vector<Digest> PodSupervisor::MissingBlobs() const {
  std::set<Digest> missing;
  for (const auto& [uid, worker] : impl_->workers) {
    for (auto& digest : worker->MissingBlobs()) missing.insert(std::move(digest));
  }
  return {missing.begin(), missing.end()};
}

void PodSupervisor::OnBlobsStored() { impl_->OnBlobsStored(); }

void PodSupervisor::OnCredentialStored(const v1::StoredCredential& credential) {
  const PodUid uid(credential.uid());
  const auto worker = impl_->workers.find(uid);
  if (worker == impl_->workers.end()) {
    // The pod went while it was on its way. One that is still to come asks for its own.
    AgentStore::Batch batch;
    batch.drop_credentials.push_back(uid);
    impl_->dependencies.store.Commit(std::move(batch), [](const absl::Status&) {});
    return;
  }
  impl_->credentials[{credential.uid(), credential.name()}] = credential;
  worker->second->OnContentStored();
}

std::vector<std::pair<PodUid, std::string>> PodSupervisor::MissingCredentials() const {
  std::vector<std::pair<PodUid, std::string>> missing;
  for (const auto& [uid, worker] : impl_->workers) {
    for (auto& name : worker->MissingCredentials()) missing.emplace_back(uid, std::move(name));
  }
  return missing;
}

std::vector<v1::WorkloadStatus> PodSupervisor::Statuses() const {
  std::vector<v1::WorkloadStatus> statuses;
  for (const auto& [uid, worker] : impl_->workers) {
    if (worker->status() != nullptr) statuses.push_back(*worker->status());
  }
  return statuses;
}

const std::optional<std::set<PodUid>>& PodSupervisor::Unexplained() const { return impl_->unexplained; }

const v1::WorkloadStatus* PodSupervisor::FindStatus(const PodUid& uid) const {
  const auto worker = impl_->workers.find(uid);
  return worker == impl_->workers.end() ? nullptr : worker->second->status();
}

void PodSupervisor::OnStatusChanged(std::function<void(const std::vector<PodUid>&, bool)> changed) {
  impl_->on_changed = std::move(changed);
}

absl::StatusOr<PodSupervisor::ContainerLocation> PodSupervisor::Locate(const PodUid& uid,
                                                                       const std::string& container) const {
  const auto worker = impl_->workers.find(uid);
  if (worker == impl_->workers.end()) return absl::NotFoundError("no pod " + uid.value() + " on this host");
  return worker->second->Locate(container);
}

std::optional<std::set<std::string>> PodSupervisor::ImageNames() const {
  if (!impl_->has_manifest) return std::nullopt;
  std::set<std::string> names;
  for (const auto& [uid, worker] : impl_->workers) worker->AddImageNames(names);
  return names;
}

std::vector<Digest> PodSupervisor::LiveBlobs() const {
  std::set<Digest> live;
  for (const auto& [uid, worker] : impl_->workers) {
    for (auto& digest : worker->LiveBlobs()) live.insert(std::move(digest));
  }
  return {live.begin(), live.end()};
}

}  // namespace slicelet::agent
