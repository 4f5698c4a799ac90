#include "provider/controllers/cluster_prober.h"

#include <set>
#include <utility>

#include "common/base/encoding.h"
#include "common/log/log.h"
#include "kube/object.h"

namespace slicelet::provider {
namespace {

constexpr char kKey[] = "kubeconfig";
constexpr char kRemedy[] =
    ": give one with everything inside it, as kubectl config view --raw --flatten prints it";

ClusterReport Refused(const std::string& reason, const std::string& message) {
  return {.state = ClusterReport::State::kRefused, .why = {reason, message}};
}

bool Denied(const absl::Status& status) {
  return absl::IsPermissionDenied(status) || absl::IsUnauthenticated(status);
}

ClusterReport ReportOf(const absl::StatusOr<kube::ClusterFacts>& facts) {
  if (facts.ok()) return {.state = ClusterReport::State::kReached, .facts = *facts};
  const std::string why = Message(facts.status());
  if (absl::IsInvalidArgument(facts.status())) return Refused("KubeconfigInvalid", why + kRemedy);
  if (Denied(facts.status())) {
    return Refused("AccessDenied",
                   why +
                       ": its user needs get of namespace kube-system and list of nodes, and a "
                       "credential that is valid");
  }
  return {.state = ClusterReport::State::kUnreachable, .why = {"Unreachable", why}};
}

}  // namespace

ClusterProber::ClusterProber(Loop& loop, Random& random, kube::KubeApi& api, kube::ClusterReader& reader,
                             std::function<void(const ObjectName&)> changed)
    : loop_(loop), random_(random), api_(api), reader_(reader), changed_(std::move(changed)) {}

void ClusterProber::Look(const World& world) {
  std::set<std::string> there;
  for (const auto& [name, cluster] : world.All(kube::kIotClusters)) {
    // Also of one that is being deleted: it waits for what slices have there.
    const std::string uid = kube::UidOf(cluster);
    const std::string secret = kube::TextAt(cluster, {"spec", "kubeconfigSecret"});
    const std::string context = kube::TextAt(cluster, {"spec", "context"});
    there.insert(uid);
    auto& probe = probes_[uid];
    if (probe && probe->secret == secret && probe->context == context) continue;
    probe = std::make_unique<Probe>(loop_, random_);
    probe->id = ++last_id_;
    probe->name = name;
    probe->secret = secret;
    probe->context = context;
    probe->reached = !kube::TextAt(cluster, {"status", "uid"}).empty();
    probe->timer.Set(Duration(0), [this, uid] { Ask(uid); });
  }
  std::erase_if(probes_, [&](const auto& entry) { return there.count(entry.first) == 0; });
}

std::optional<ClusterReport> ClusterProber::Of(const std::string& uid) const {
  const auto it = probes_.find(uid);
  return it == probes_.end() ? std::nullopt : it->second->report;
}

std::optional<ClusterWay> ClusterProber::WayTo(const std::string& uid) const {
  const auto it = probes_.find(uid);
  if (it == probes_.end() || !it->second->report) return std::nullopt;
  const bool refused = it->second->report->state == ClusterReport::State::kRefused;
  return refused ? std::nullopt : it->second->way;
}

ClusterProber::Probe* ClusterProber::Find(const std::string& uid, std::uint64_t id) {
  const auto it = probes_.find(uid);
  return it == probes_.end() || it->second->id != id ? nullptr : it->second.get();
}

void ClusterProber::Ask(const std::string& uid) {
  const Probe& probe = *probes_.at(uid);
  if (probe.secret.empty()) return AskServer(uid, probe, std::nullopt);
  api_.Get({kube::kSecrets, probe.name.ns, probe.secret, ""},
           lifetime_.Guard([this, uid, id = probe.id](const absl::StatusOr<Json>& secret) {
             if (Probe* found = Find(uid, id)) OnSecret(uid, *found, secret);
           }));
}

void ClusterProber::OnSecret(const std::string& uid, Probe& probe, const absl::StatusOr<Json>& secret) {
  const std::string named = "spec.kubeconfigSecret: Secret " + probe.secret;
  const auto refuse = [&](const std::string& reason, const std::string& message) {
    Learn(probe, Refused(reason, message));
    Again(uid, probe, false);
  };
  if (absl::IsNotFound(secret.status())) {
    return refuse("SecretNotFound", named + " is not in namespace " + probe.name.ns +
                                        ": make it, with the kubeconfig under the key " + kKey);
  }
  if (Denied(secret.status())) {
    return refuse("SecretNotReadable", named + ": " + Message(secret.status()) +
                                           ": let the provider get Secrets of its own namespace");
  }
  if (!secret.ok()) {
    LogWarning("cannot read a cluster's kubeconfig",
               {{"cluster", probe.name.name}, {"secret", probe.secret}, {"why", Describe(secret.status())}});
    return Again(uid, probe, false);
  }
  const auto text = Base64Decode(kube::TextAt(*secret, {"data", kKey}));
  if (!text.ok() || text->empty()) {
    return refuse("KubeconfigMissing", named + " holds nothing under the key " + kKey + ": put it there");
  }
  AskServer(uid, probe, kube::KubeConfigText{*text, "Secret " + probe.secret, probe.context});
}

void ClusterProber::AskServer(const std::string& uid, const Probe& probe,
                              const std::optional<kube::KubeConfigText>& way) {
  reader_.Read(
      way, lifetime_.Guard([this, uid, id = probe.id, way](const absl::StatusOr<kube::ClusterFacts>& facts) {
        Probe* found = Find(uid, id);
        if (found == nullptr) return;
        if (facts.ok() && way) found->way = ClusterWay{*way, facts->uid};
        OnFacts(*found, facts);
        Again(uid, *found, facts.ok());
      }));
}

void ClusterProber::OnFacts(Probe& probe, const absl::StatusOr<kube::ClusterFacts>& facts) {
  const bool answered = facts.ok() || absl::IsInvalidArgument(facts.status());
  probe.misses = answered ? 0 : probe.misses + 1;
  const bool counted = probe.report ? probe.report->state == ClusterReport::State::kReached : probe.reached;
  if (!answered && counted && probe.misses < kMisses) {
    LogInfo("a cluster did not answer", {{"cluster", probe.name.name}, {"why", Describe(facts.status())}});
    return;
  }
  Learn(probe, ReportOf(facts));
}

void ClusterProber::Learn(Probe& probe, ClusterReport report) {
  if (probe.report == report) return;
  probe.report = std::move(report);
  changed_(probe.name);
}

void ClusterProber::Again(const std::string& uid, Probe& probe, bool well) {
  Duration delay = std::chrono::seconds(1) + probe.backoff.Next();
  if (well) {
    probe.backoff.Reset();
    delay = kPeriod * 3 / 4 + random_.Below(Duration(kPeriod) / 2);
  }
  probe.timer.Set(delay, [this, uid] { Ask(uid); });
}

}  // namespace slicelet::provider
