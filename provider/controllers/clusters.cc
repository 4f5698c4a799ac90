#include "provider/controllers/clusters.h"

#include <tuple>
#include <utility>

#include "kube/object.h"
#include "provider/controllers/other_clusters.h"
#include "provider/controllers/pods.h"

namespace slicelet::provider {
namespace {

constexpr char kCloud[] = "cloud";
constexpr char kCloudFirst[] = "CloudFirst";
constexpr char kUnreachable[] = "Unreachable";

std::string RoleOf(const Json& cluster) { return kube::TextAt(cluster, {"spec", "role"}); }

/// The uid under which it is registered; empty before.
std::string RegisteredAs(const Json& cluster) { return kube::TextAt(cluster, {"status", "uid"}); }

/// Who is registered comes before who is not, then who is older.
bool Precedes(const Json& one, const Json& other) {
  const auto rank = [](const Json& cluster) {
    return std::make_tuple(RegisteredAs(cluster).empty(),
                           kube::TextAt(cluster, {"metadata", "creationTimestamp"}), kube::NameOf(cluster));
  };
  return rank(one) < rank(other);
}

bool UsesCluster(const Json& slice, const std::string& cluster) {
  return kube::TextAt(slice, {"spec", "edge", "cluster"}) == cluster ||
         kube::TextAt(slice, {"spec", "cloud", "cluster"}) == cluster ||
         RecordedClusters(slice).count(cluster) != 0;
}

struct Users {
  int count = 0;
  std::string names;
};

void Append(std::string& names, const std::string& name) { names += (names.empty() ? "" : ", ") + name; }

Users SlicesOf(const World& world, const std::string& cluster) {
  Users users;
  for (const auto& [name, slice] : world.All(kube::kIotSlices)) {
    if (!UsesCluster(slice, cluster)) continue;
    ++users.count;
    Append(users.names, name.name);
  }
  return users;
}

class ClusterController final : public Controller {
 public:
  ClusterController(ControllerSettings settings, ClusterReports reports)
      : settings_(std::move(settings)), reports_(std::move(reports)) {}

  [[nodiscard]] const kube::Resource& kind() const override { return kube::kIotClusters; }

  [[nodiscard]] Outcome At(const World& world, const Json& cluster, const Look& look) const override {
    Plan plan(cluster, look.failure, look.now);
    plan.Set("slices", SlicesOf(world, kube::NameOf(cluster)).count);
    if (kube::BeingDeleted(cluster)) {
      if (!GivenUp(cluster)) {
        plan.Guard(ClusterInUse(world, cluster,
                                ", or annotate this cluster with " + std::string(kGiveUp) + ": \"true\""));
      }
      plan.Release(kind());
      return plan.Finish("Terminating", {});
    }
    plan.Check(RoleProblem(world, cluster));
    const std::optional<ClusterReport> report = reports_(kube::UidOf(cluster));
    // What was said of it before, by a former life of the program too, holds until it was asked.
    if (!report && plan.complete() && kube::Find(cluster, {"status", "phase"}) != nullptr) return {};
    const bool reached = report && report->state == ClusterReport::State::kReached;
    if (report && report->state == ClusterReport::State::kRefused) plan.Check(report->why);
    if (reached) plan.Check(IdentityProblem(world, cluster, report->facts));
    plan.Hold(kind());
    const std::string server = report ? report->facts.server : "";
    plan.Await("Reached", reached, reached ? server : WhyNot(cluster, report, look.now),
               report ? kUnreachable : "Progressing");
    if (plan.complete()) {
      plan.Set("server", server);
      plan.Set("uid", report->facts.uid);
      plan.Set("version", report->facts.version);
      plan.Set("nodes", report->facts.nodes);
      Tell(plan, report->facts.storage_class, report->facts.network_plugin);
    } else if (plan.finding().reason == "AlreadyRegistered") {
      plan.Set("uid", nullptr);
    } else if (!RegisteredAs(cluster).empty()) {
      const kube::ClusterFeature unknown{"Unknown", "NotEnabled", "see condition Ready"};
      Tell(plan, unknown, unknown);
    }
    const std::string phase = PhaseOf(plan, cluster);
    return plan.Finish(phase, {"Enabled", "reached at " + server});
  }

  [[nodiscard]] std::vector<ObjectName> Concerned(const World& world, const kube::Resource& of,
                                                  const Json& /*changed*/) const override {
    std::vector<ObjectName> names;
    if (of != kube::kIotClusters && of != kube::kIotSlices) return names;
    for (const auto& [name, cluster] : world.All(kind())) names.push_back(name);
    return names;
  }

 private:
  /// One cloud cluster, and it comes first.
  [[nodiscard]] std::optional<Finding> RoleProblem(const World& world, const Json& cluster) const {
    const bool is_cloud = RoleOf(cluster) == kCloud;
    bool cloud = false;
    for (const Json* other : world.In(kube::kIotClusters, settings_.ns)) {
      if (RoleOf(*other) != kCloud || kube::UidOf(*other) == kube::UidOf(cluster)) continue;
      if (is_cloud && Precedes(*other, cluster)) {
        return Finding{"SecondCloud", "spec.role: IotCluster " + kube::NameOf(*other) +
                                          " is the cloud cluster, and a hub has one: register this one "
                                          "as edge, or delete that one"};
      }
      // One that goes is good enough for those that came after it only.
      const bool counts = !kube::BeingDeleted(*other) || !RegisteredAs(cluster).empty();
      cloud = cloud || (counts && !RegisteredAs(*other).empty());
    }
    if (is_cloud || cloud) return std::nullopt;
    return Finding{kCloudFirst,
                   "spec.role: the cloud cluster is registered before edge clusters, and none "
                   "is Enabled yet: register an IotCluster with role cloud"};
  }

  static std::optional<Finding> IdentityProblem(const World& world, const Json& cluster,
                                                const kube::ClusterFacts& facts) {
    for (const auto& [name, other] : world.All(kube::kIotClusters)) {
      if (kube::UidOf(other) == kube::UidOf(cluster) || RegisteredAs(other) != facts.uid) continue;
      if (!Precedes(other, cluster)) continue;
      return Finding{"AlreadyRegistered", "the cluster at " + facts.server + " is registered as IotCluster " +
                                              name.name + ": use that one, and delete this"};
    }
    const std::string known = RegisteredAs(cluster);
    if (known.empty() || known == facts.uid) return std::nullopt;
    return Finding{"AnotherCluster", "it was registered as the cluster with uid " + known + ", and " +
                                         facts.server + " is the one with uid " + facts.uid +
                                         ": correct the kubeconfig, or delete this object and "
                                         "register the other one"};
  }

  static std::string WhyNot(const Json& cluster, const std::optional<ClusterReport>& report, WallTime now) {
    if (!report) return "is being asked";
    if (RegisteredAs(cluster).empty()) return report->why.message + ": it is tried again";
    std::string since = FormatTime(now);
    if (kube::TextAt(cluster, {"status", "phase"}) == "Degraded") {
      const Json* ready = kube::ConditionOf(cluster, "Ready");
      if (ready != nullptr) since = kube::TextAt(*ready, {"lastTransitionTime"});
    }
    return "not reached since " + since + ": " + report->why.message;
  }

  /// What its users may count on. Nothing of the hub's needs it there, so a lack is told and holds nothing
  /// up: a slice makes a namespace and a quota.
  static void Tell(Plan& plan, const kube::ClusterFeature& storage, const kube::ClusterFeature& network) {
    plan.Condition("DefaultStorageClass", storage.status, {storage.reason, storage.message});
    plan.Condition("NetworkPlugin", network.status, {network.reason, network.message});
  }

  static std::string PhaseOf(const Plan& plan, const Json& cluster) {
    if (plan.complete()) return "Enabled";
    if (plan.finding().reason == kCloudFirst) return "Pending";
    if (plan.failed()) return "Error";
    const bool lost = plan.finding().reason == kUnreachable && !RegisteredAs(cluster).empty();
    return lost ? "Degraded" : "Pending";
  }

  const ControllerSettings settings_;
  const ClusterReports reports_;
};

}  // namespace

std::optional<Finding> ClusterInUse(const World& world, const Json& cluster, const std::string& otherwise) {
  if (const Users users = SlicesOf(world, kube::NameOf(cluster)); users.count != 0) {
    return Finding{"InUse", "slices use it: " + users.names + ": delete them first" + otherwise};
  }
  if (RoleOf(cluster) != kCloud) return std::nullopt;
  std::string edges;
  for (const auto& [name, other] : world.All(kube::kIotClusters)) {
    if (RoleOf(other) != kCloud) Append(edges, name.name);
  }
  if (edges.empty()) return std::nullopt;
  return Finding{"InUse", "the cloud cluster goes last, and there are edge clusters: " + edges +
                              ": delete them first" + otherwise};
}

std::unique_ptr<Controller> MakeClusterController(ControllerSettings settings, ClusterReports reports) {
  return std::make_unique<ClusterController>(std::move(settings), std::move(reports));
}

}  // namespace slicelet::provider
