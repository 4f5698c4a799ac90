#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kube/testing/memory_kube_api.h"
#include "tests/sim/story.h"

namespace slicelet::sim {

/// What is different for a pod of a fleet node.
struct FleetTruth {
  /// What only one of the pods of a host can have.
  enum class Claim { kNone, kPort, kBase };

  /// Index of `FleetConditions()`.
  std::size_t condition = 0;
  int priority = 0;
  Claim claim = Claim::kNone;
  /// It is for one of the hosts that match.
  bool chosen = false;
  /// Hosts that it was not for at some time: it may be stopped there, and begin anew.
  std::set<std::string> withdrawn;
  /// The hub's store was lost, or put back from a copy: whom it was given is known only to them.
  bool forgotten = false;
};

/// Knows what users asked for, and judges what the API server shows and what hosts do by it.
class Truth {
 public:
  /// What has to become of a pod in the end.
  enum class Outcome { kRuns, kSucceeds, kFails, kPends };

  using Fleet = FleetTruth;

  struct Pod {
    std::string uid, ns, name, node;
    std::optional<Fleet> fleet;
    Outcome outcome = Outcome::kRuns;
    /// "Always", "OnFailure", "Never".
    std::string policy;
    /// What each container is to run now.
    std::map<std::string, std::string> images;
    /// How often that was changed, and on each "host/container" used as a reason to stop it.
    std::map<std::string, int> changes, used;
    /// Somebody asked to delete it, or an operator to remove it: it may be stopped.
    bool deleting = false;
    MonotonicTime deletion_asked{};
    bool forced = false;
    /// The API server forgot it without anybody's asking: it has to go on.
    bool lost = false;
    /// The API server was restored to a state from before its deletion or end: what it was before does not
    /// count.
    bool returned = false;
    bool begins_anew = false;
    /// As the API server showed it last.
    bool in_api = false;
    std::string phase;
    std::map<std::string, std::int64_t> restarts;
    /// Exit codes of the containers that are shown as terminated.
    std::map<std::string, int> exits;
  };

  /// What the judge asks about the machines.
  struct Witnesses {
    /// The containers of a pod that run on a host.
    std::function<std::map<std::string, std::string>(const std::string& host, const std::string& uid)>
        running;
    /// Whether the manifest that the host has stored names the pod.
    std::function<bool(const std::string& host, const std::string& uid)> holds;
    /// Whether the provider could take the host for unreachable at some time since then.
    std::function<bool(const std::string& host, MonotonicTime since)> was_away;
  };

  /// `api` and `story` must outlive it.
  Truth(kube::MemoryApiServer& api, Story& story, std::vector<std::string> hosts, Witnesses witnesses);

  void Created(Pod pod);
  void DeletionAsked(const std::string& uid, bool forced, MonotonicTime now);
  void ImageChanged(const std::string& uid, const std::string& container, const std::string& image);
  /// An operator decided that this pod is to be removed.
  void OperatorRemoved(const std::string& uid);
  /// The API server's state was replaced by an older one.
  void Restored();
  /// Tags of hosts were changed.
  void TagsChanged();
  /// The provider forgot which hosts it had chosen.
  void PlacementsLost();

  /// The pod is for this host, or was when it ended.
  [[nodiscard]] bool Matches(const Pod& pod, const std::string& host) const;
  /// Whether a fleet's pod that matches gets the host. Unclear: it depends on what somebody lost.
  enum class Standing { kWins, kLoses, kUnclear };
  [[nodiscard]] Standing StandingOf(const Pod& pod, const std::string& host) const;
  /// The hosts that its node stands for.
  [[nodiscard]] std::vector<std::string> HostsOf(const Pod& pod) const;

  /// Looks at every pod that the API server shows, if anything changed: phases and restart counts only go
  /// forward, nothing vanishes that nobody deleted, no object goes before its containers.
  void CheckApi();
  /// An agent stops a container that runs. Without a reason that is a violation.
  void CheckStop(const std::string& host, const std::string& uid, const std::string& container,
                 const std::string& container_id, const std::string& image);
  /// A container was started. What ended for good must not start again.
  void CheckStart(const std::string& host, const std::string& uid, const std::string& container,
                  int earlier_starts, bool earlier_success);
  /// A status write came back from the API server.
  void CheckStatusWrite(const kube::KubeCall& call, const absl::Status& outcome);

  [[nodiscard]] const std::map<std::string, Pod>& pods() const { return pods_; }
  [[nodiscard]] const Pod* Find(const std::string& uid) const;
  [[nodiscard]] bool restored() const { return restored_; }

 private:
  void CheckPod(const kube::Json& object);
  void CheckContainers(Pod& pod, const kube::Json& object);
  void CheckGone(const Pod& pod);
  void CheckFleetStart(const std::string& host, const Pod& pod);
  [[nodiscard]] bool MayBeOusted(const Pod& pod) const;

  kube::MemoryApiServer& api_;
  Story& story_;
  const std::vector<std::string> hosts_;
  const Witnesses witnesses_;
  std::map<std::string, Pod> pods_;
  /// Containers whose stop had a reason: an agent may ask again, also in its next life.
  std::set<std::string> may_stop_;
  bool changed_ = false;
  bool restored_ = false;
  bool hub_forgot_ = false;
};

}  // namespace slicelet::sim
