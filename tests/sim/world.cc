#include "tests/sim/world.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/log/log.h"
#include "kube/object.h"
#include "tests/sim/crypto.h"

namespace slicelet::sim {

using kube::Json;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr char kUser[] = "someone";
constexpr char kNamespace[] = "default";
/// More than that is no work but a loop that feeds itself.
constexpr int kMostStepsInASecond = 2'000;
constexpr Duration kSettlingTime = seconds(90);

LinkFaults QuietLink() { return {.min_delay = milliseconds(1), .max_delay = milliseconds(20)}; }

std::string Service(std::uint64_t n) { return "registry.example/service:" + std::to_string(n % 3 + 1); }

void AddImages(agent::ScriptedHost& host) {
  for (std::uint64_t n = 0; n < 3; ++n) host.images[Service(n)].pull_time = milliseconds(700);
  host.images["registry.example/setup:1"].exits_after = seconds(2);
  host.images["registry.example/job:good"].exits_after = seconds(15);
  host.images["registry.example/job:bad"].exits_after = seconds(12);
  host.images["registry.example/job:bad"].exit_code = 3;
  host.images["registry.example/missing:1"].missing = true;
}

Json Container(const std::string& name, const std::string& image) {
  return {{"name", name}, {"image", image}, {"imagePullPolicy", "IfNotPresent"}};
}

}  // namespace

World::World(std::uint64_t seed, Kind kind, Plant plant, bool told) : around_(seed, kind, plant, told) {
  SealingKeyPem(0);
  SeedCrypto(seed);
  SetPlanted(plant);
  for (int n = 1; n <= kHosts; ++n) {
    hosts_.push_back(std::make_unique<HostMachine>(around_, "gw-" + std::to_string(n)));
    AddImages(hosts_.back()->runtime());
  }
  provider_ = std::make_unique<ProviderMachine>(around_);
  shims_.push_back(std::make_unique<ShimMachine>(around_, "shim-a"));
  shims_.push_back(std::make_unique<ShimMachine>(around_, "shim-b"));
  std::vector<std::string> ids;
  for (const auto& host : hosts_) ids.push_back(host->id());
  around_.truth = std::make_unique<Truth>(
      around_.api, around_.story, ids,
      Truth::Witnesses{
          .running = [this](const std::string& host,
                            const std::string& uid) { return HostOf(host).runtime().Running(uid); },
          .holds = [this](const std::string& host,
                          const std::string& uid) { return HostOf(host).Holds(uid); },
          .was_away = [this](const std::string& host, MonotonicTime since) { return away_[host] >= since; }});
  around_.host_is_away = [this](const std::string& host) {
    const auto* agent = HostOf(host).agent();
    return agent == nullptr || !agent->connected();
  };
  auto latency = std::make_shared<SeededRandom>(around_.RandomFor("latency"));
  around_.api.faults().latency = [latency] { return milliseconds(1 + latency->Below(5)); };
  around_.api.faults().after = [this](const kube::KubeCall& call, const absl::Status& outcome) {
    truth().CheckStatusWrite(call, outcome);
    return kinds_ ? kinds_->AfterCall(call, outcome) : absl::OkStatus();
  };
  if (kind.controllers) {
    kinds_ = std::make_unique<Kinds>(around_);
    around_.api.faults().before = [this](const kube::KubeCall& call) { return kinds_->BeforeCall(call); };
  }
  around_.hosts->SetFaults(QuietLink());
  around_.shim_link.SetFaults(QuietLink());
}

World::~World() {
  // Programs before the machines' parts that they use, the newest first.
  for (auto& shim : shims_) shim->Kill();
  provider_->Kill();
  for (auto& host : hosts_) host->Kill();
  SetPlanted(Plant::kNone);
}

HostMachine& World::HostOf(const std::string& id) {
  for (auto& host : hosts_) {
    if (host->id() == id) return *host;
  }
  return *hosts_.front();
}

void World::Create(const kube::Resource& resource, const std::string& ns, const std::string& name,
                   Json object) {
  object["metadata"]["name"] = name;
  if (!ns.empty()) object["metadata"]["namespace"] = ns;
  const auto created = around_.api.cluster().Create(kUser, {resource, ns, name, ""}, object);
  if (!created.ok())
    around_.story.Violate("the simulation can not create " + name + ": " + Message(created.status()));
}

void World::Begin() {
  Create(kube::kNamespaces, "", "slicelet", Json::object());
  for (auto& host : hosts_) {
    Create(kube::kEdgeHosts, "slicelet", host->id(), {{"spec", {{"approved", true}}}});
  }
  Create(kube::kConfigMaps, kNamespace, "settings", {{"data", {{"text", "version 1"}}}});
  Create(kube::kSecrets, kNamespace, "password", {{"data", {{"word", "aHVudGVyMg=="}}}});
  for (auto& host : hosts_) host->Start();
  provider_->Start();
  shims_[0]->Start();
  if (kinds_) kinds_->Begin();
  Run(kSettlingTime);
}

void World::Run(Duration time) {
  auto& loop = around_.loop;
  const auto end = loop.Now() + time;
  loop.RunUntil(
      [this] {
        AfterStep();
        return failed();
      },
      time);
  if (!failed() && loop.Now() < end) loop.Advance(end - loop.Now());
}

void World::AfterStep() {
  ++steps_;
  fingerprint_ = fingerprint_ * 1'099'511'628'211ULL ^
                 static_cast<std::uint64_t>(around_.loop.Now().time_since_epoch().count());
  if (around_.loop.Now() - second_began_ >= seconds(1)) {
    second_began_ = around_.loop.Now();
    steps_in_second_ = 0;
  }
  if (++steps_in_second_ > kMostStepsInASecond) {
    around_.story.Violate("a loop without pause: more than " + std::to_string(kMostStepsInASecond) +
                          " events in one second");
  }
  for (auto& host : hosts_) {
    const bool away = provider_->hub() == nullptr || host->agent() == nullptr || !host->agent()->connected();
    const bool unheard = provider_->hub() == nullptr && around_.kind.broker && provider_clock_went_back_;
    if (away) MayBeAway(host->id(), unheard ? kForgiven : Duration::zero());
  }
  truth().CheckApi();
  if (kinds_) kinds_->AfterStep();
  for (auto& host : hosts_) {
    host->Check();
    if (!host->TakeStruck()) continue;
    host->Kill();
    After(kRestart, [&host = *host] { host.Start(); });
  }
  if (provider_->TakeStruck()) {
    provider_->Kill();
    RestartProvider();
  }
  if (epochs_may_change_ || provider_->hub() == nullptr) return;
  for (auto& host : hosts_) {
    const std::uint64_t epoch = provider_->hub()->GenerationOf(HostId(host->id())).epoch;
    std::uint64_t& first = epochs_[host->id()];
    if (first == 0) first = epoch;
    if (epoch != 0 && epoch != first) {
      around_.story.Violate("the provider opened epoch " + std::to_string(epoch) + " for " + host->id() +
                            " although nothing was lost or proved");
    }
  }
}

void World::MayBeAway(const std::string& host, Duration time) {
  away_[host] = std::max(away_[host], around_.loop.Now() + time);
}

void World::MayAllBeAway(Duration time) {
  for (auto& host : hosts_) MayBeAway(host->id(), time);
}

void World::After(Duration time, std::function<void()> task) { around_.loop.RunAfter(time, std::move(task)); }

// ---- Users

std::vector<const Truth::Pod*> World::LivePods() const {
  std::vector<const Truth::Pod*> live;
  for (const auto& [uid, pod] : around_.truth->pods()) {
    if (pod.in_api && !pod.deleting) live.push_back(&pod);
  }
  // By name: uids are random, but names tell the story.
  std::sort(live.begin(), live.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  return live;
}

void World::CreatePod(std::size_t host, std::uint64_t pick) {
  Truth::Pod pod;
  pod.ns = kNamespace;
  pod.node = this->host(host).id();
  // Some names are used again by a pod with another uid, as a StatefulSet does.
  ++pods_created_;
  pod.name = pick % 5 == 0 ? "again-" + pod.node : "pod-" + std::to_string(pods_created_);
  if (around_.api.cluster().Peek(kube::kPods, pod.ns, pod.name) != nullptr) {
    pod.name = "pod-" + std::to_string(pods_created_);
  }
  Json main = Container("main", Service(pick));
  Json spec = {{"nodeName", pod.node}, {"terminationGracePeriodSeconds", 5 + pick % 20}};
  pod.policy = "Always";
  switch (pick / 8 % 10) {
    case 0:
      main["image"] = "registry.example/job:good";
      pod.policy = "Never";
      pod.outcome = Truth::Outcome::kSucceeds;
      break;
    case 1:
      main["image"] = "registry.example/job:bad";
      pod.policy = "Never";
      pod.outcome = Truth::Outcome::kFails;
      break;
    case 2:
      main["image"] = "registry.example/job:good";
      pod.policy = "OnFailure";
      pod.outcome = Truth::Outcome::kSucceeds;
      break;
    case 3:
      spec["initContainers"] = Json::array({Container("setup", "registry.example/setup:1")});
      break;
    case 4:
      main["readinessProbe"] = {{"httpGet", {{"port", 80}}}, {"periodSeconds", 5}};
      main["env"] = Json::array(
          {{{"name", "WORD"}, {"valueFrom", {{"secretKeyRef", {{"name", "password"}, {"key", "word"}}}}}}});
      break;
    case 5:
    case 6:
      spec["volumes"] = Json::array({{{"name", "settings"}, {"configMap", {{"name", "settings"}}}},
                                     {{"name", "password"}, {"secret", {{"secretName", "password"}}}}});
      main["volumeMounts"] = Json::array({{{"name", "settings"}, {"mountPath", "/etc/settings"}},
                                          {{"name", "password"}, {"mountPath", "/etc/password"}}});
      break;
    case 7:
      main["image"] = "registry.example/missing:1";
      pod.outcome = Truth::Outcome::kPends;
      break;
    default:
      break;
  }
  spec["restartPolicy"] = pod.policy;
  spec["containers"] = Json::array({main});
  if (pick / 128 % 3 == 0 && pod.outcome == Truth::Outcome::kRuns) {
    spec["containers"].push_back(Container("beside", Service(pick / 3)));
  }
  for (const Json& container : spec["containers"]) pod.images[container["name"]] = container["image"];
  Json object = {{"metadata", {{"name", pod.name}, {"namespace", pod.ns}}}, {"spec", spec}};
  if (around_.kind.fleet && pick / 512 % 2 == 0) ForFleet(pick / 1'024, pod, object);
  const auto created = around_.api.cluster().Create(kUser, {kube::kPods, pod.ns, pod.name, ""}, object);
  if (!created.ok()) {
    return around_.story.Violate("the simulation can not create a pod: " + Message(created.status()));
  }
  pod.uid = kube::UidOf(*created);
  around_.story.Tell("user: creates " + pod.name + " (" + pod.uid + ") on " + pod.node + ", " +
                     main["image"].get<std::string>());
  truth().Created(std::move(pod));
}

void World::DeletePod(std::uint64_t pick, bool force) {
  const auto live = LivePods();
  if (live.empty()) return;
  const Truth::Pod pod = *live[pick % live.size()];
  around_.story.Tell("user: deletes " + pod.name + (force ? " by force" : ""));
  const bool ended = pod.phase == "Succeeded" || pod.phase == "Failed";
  // The API server removes what has ended at once.
  truth().DeletionAsked(pod.uid, force || ended, around_.loop.Now());
  kube::DeleteOptions options;
  if (force) options.grace_seconds = 0;
  const absl::Status status =
      around_.api.cluster().Delete(kUser, {kube::kPods, pod.ns, pod.name, ""}, options);
  if (!status.ok())
    around_.story.Violate("the simulation can not delete " + pod.name + ": " + Message(status));
}

void World::ChangeImage(std::uint64_t pick) {
  std::vector<const Truth::Pod*> services;
  for (const Truth::Pod* pod : LivePods()) {
    // What controllers make they change themselves.
    if (pod->outcome == Truth::Outcome::kRuns && pod->ns == kNamespace) services.push_back(pod);
  }
  if (services.empty()) return;
  const Truth::Pod pod = *services[pick % services.size()];
  const std::string image = Service(pick / 7);
  if (pod.images.at("main") == image) return;
  around_.story.Tell("user: changes the image of " + pod.name + " to " + image);
  truth().ImageChanged(pod.uid, "main", image);
  const Json patch = {{"spec", {{"containers", Json::array({{{"name", "main"}, {"image", image}}})}}}};
  const auto changed = around_.api.cluster().Patch(kUser, {kube::kPods, pod.ns, pod.name, ""},
                                                   kube::PatchType::kStrategicMerge, patch);
  if (!changed.ok()) {
    around_.story.Violate("the simulation can not change " + pod.name + ": " + Message(changed.status()));
  }
}

void World::EditSettings(std::uint64_t) {
  ++settings_version_;
  around_.story.Tell("user: edits ConfigMap settings to version " + std::to_string(settings_version_));
  const Json patch = {{"data", {{"text", "version " + std::to_string(settings_version_)}}}};
  (void)around_.api.cluster().Patch(kUser, {kube::kConfigMaps, kNamespace, "settings", ""},
                                    kube::PatchType::kMerge, patch);
}

}  // namespace slicelet::sim
