#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/base/backoff.h"
#include "common/base/random.h"
#include "common/loop/loop.h"
#include "kube/cluster_reader.h"
#include "kube/kube_api.h"
#include "provider/controllers/plan.h"
#include "provider/controllers/world.h"

namespace slicelet::provider {

/// What was learnt when an IotCluster's API server was asked.
struct ClusterReport {
  enum class State {
    kReached,
    /// Nobody answers, or nothing that makes sense.
    kUnreachable,
    /// The registration itself is wrong: its Secret, its kubeconfig, what its user may do.
    kRefused
  };
  State state = State::kReached;
  /// kReached only.
  kube::ClusterFacts facts{};
  /// Otherwise.
  Finding why{};

  friend bool operator==(const ClusterReport&, const ClusterReport&) = default;
};

/// Of the IotCluster with this uid; nullopt before anything was learnt.
using ClusterReports = std::function<std::optional<ClusterReport>(const std::string& uid)>;

/// How an API server was reached, and which cluster it is of.
struct ClusterWay {
  kube::KubeConfigText kubeconfig;
  /// As `kube::ClusterFacts::uid`.
  std::string uid;
};

/// Asks the API server of each IotCluster who it is, about once a minute. The Secret is read again each time,
/// so that a changed one is noticed.
///
/// A cluster that was reached counts as lost only after `kMisses` failures in a row: one that is upgraded
/// refuses and drops connections for a moment. While the hub's own API server is away nothing is learnt.
class ClusterProber {
 public:
  static constexpr Duration kPeriod = std::chrono::seconds(60);
  static constexpr Backoff::Options kRetry{std::chrono::seconds(5), kPeriod};
  static constexpr int kMisses = 3;

  /// `changed`: what is known of this IotCluster differs; may be called at any time. Everything must outlive
  /// this object.
  ClusterProber(Loop& loop, Random& random, kube::KubeApi& api, kube::ClusterReader& reader,
                std::function<void(const ObjectName&)> changed);

  /// Asks the clusters that are registered now, and forgets the others.
  void Look(const World& world);
  [[nodiscard]] std::optional<ClusterReport> Of(const std::string& uid) const;
  /// How this IotCluster was reached last in this life; nullopt before, for the hub's own cluster, and while
  /// its registration is wrong.
  [[nodiscard]] std::optional<ClusterWay> WayTo(const std::string& uid) const;

 private:
  struct Probe {
    Probe(Loop& loop, Random& random) : timer(loop), backoff(kRetry, random) {}
    /// Answers for a former one are not for this one.
    std::uint64_t id = 0;
    ObjectName name;
    std::string secret, context;
    /// It was reached by somebody, in this life or before.
    bool reached = false;
    int misses = 0;
    std::optional<ClusterReport> report;
    std::optional<ClusterWay> way;
    Timer timer;
    Backoff backoff;
  };

  void Ask(const std::string& uid);
  void OnSecret(const std::string& uid, Probe& probe, const absl::StatusOr<Json>& secret);
  void AskServer(const std::string& uid, const Probe& probe, const std::optional<kube::KubeConfigText>& way);
  void OnFacts(Probe& probe, const absl::StatusOr<kube::ClusterFacts>& facts);
  void Learn(Probe& probe, ClusterReport report);
  void Again(const std::string& uid, Probe& probe, bool well);
  /// Null: it was forgotten meanwhile.
  Probe* Find(const std::string& uid, std::uint64_t id);

  Loop& loop_;
  Random& random_;
  kube::KubeApi& api_;
  kube::ClusterReader& reader_;
  const std::function<void(const ObjectName&)> changed_;
  std::map<std::string, std::unique_ptr<Probe>> probes_;
  std::uint64_t last_id_ = 0;
  Lifetime lifetime_;
};

}  // namespace slicelet::provider
