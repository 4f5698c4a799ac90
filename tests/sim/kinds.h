#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/cluster_upkeep.h"
#include "tests/sim/machines.h"

namespace slicelet::sim {

/// Whether a gateway's former pod runs until the next is Ready.
bool HandsOver(const kube::Json& gateway);

/// Users of slicelet.io/v1alpha1 and their slices, gateways, servers and devices, in a world whose provider
/// runs the controllers; and the judge of what those make of them. What is wanted is what the objects'
/// specs say: the API server may be restored to an older state, and then that counts.
class Kinds {
 public:
  /// `around` must outlive it.
  explicit Kinds(Surroundings& around);

  /// A slice.
  void Begin();

  // ---- Users. `pick` chooses among what there is; nothing to choose from means nothing happens.
  void CreateServer(std::uint64_t pick);
  void DeleteServer(std::uint64_t pick);
  void CreateGateway(std::uint64_t pick);
  void ChangeGateway(std::uint64_t pick);
  void DeleteGateway(std::uint64_t pick);
  /// That which is being attached or detached, if it is there.
  void DeleteGatewayInHand(std::uint64_t pick);
  void CreateDevice(std::uint64_t pick);
  void DeleteDevice(std::uint64_t pick);
  /// A second slice that takes a node from the first one comes, or goes.
  void ToggleSlice(std::uint64_t pick);
  /// The first slice is to go, which it can not while it is used.
  void EndSlice(std::uint64_t pick);
  /// A host is registered whose machine never appears: what is for it waits.
  void AddDeadHost(std::uint64_t pick);
  /// An operator gives it up: first its object, then its node. Nothing happens without one.
  bool RemoveDeadHost();
  void DecommissionDeadHost(provider::Hub& hub);
  [[nodiscard]] bool IsForDeadHost(const Truth::Pod& pod) const;
  /// An operator who restored the API server makes again the servers that gateways still name.
  void RestoreServers();
  /// Everything that users have made, in an order of its own.
  void DeleteAll(std::uint64_t pick);

  // ---- What the API server's hooks ask.
  absl::Status BeforeCall(const kube::KubeCall& call);
  absl::Status AfterCall(const kube::KubeCall& call, const absl::Status& outcome);

  // ---- Faults.
  void BeforeRestore();
  void AfterRestore();
  /// What is seen of the API server may be old for so long.
  void Disturbed(Duration time);

  void AfterStep();
  /// What is not as it should be when it is quiet.
  void Compare(std::vector<std::string>& out);
  /// Ends a story with all objects.
  void Tell();

 private:
  using Json = kube::Json;

  void Create(const kube::Resource& kind, const std::string& ns, const std::string& name, const Json& object);
  void Patch(const Json& object, const kube::Resource& kind, const Json& patch);
  void Delete(const kube::Resource& kind, const Json& object);
  /// Copies, in the order of their names.
  [[nodiscard]] std::vector<Json> All(const kube::Resource& kind, bool also_deleted = false) const;
  [[nodiscard]] bool SliceEnds() const;
  /// The slice's namespace takes new objects.
  [[nodiscard]] bool HasNamespace() const;
  [[nodiscard]] Json TargetOf(std::uint64_t pick) const;
  [[nodiscard]] Json ServerNameOf(std::uint64_t pick) const;

  void OnPodCreated(const kube::KubeCall& call);
  void OnPodPatched(const kube::KubeCall& call);
  void OnPodDeleted(const Json& pod);
  void CheckCreation(const kube::KubeCall& call);
  void CheckSteps(const Json& object);
  void CheckBlame(const Json& object);

  void CompareSlices(std::vector<std::string>& out);
  void CompareGateway(const Json& gateway, std::vector<std::string>& out);
  void CompareServer(const Json& server, std::vector<std::string>& out);
  void CompareAttachments(const Json& gateway, std::vector<std::string>& out);
  void CompareDevices(const Json& gateway, bool runs, std::vector<std::string>& out);
  void CompareLeftovers(std::vector<std::string>& out);
  /// The hosts that the gateway is for; nullopt when it can not run there.
  [[nodiscard]] std::optional<std::set<std::string>> HostsOf(const Json& gateway) const;
  [[nodiscard]] std::vector<Json> PodsOf(const Json& gateway) const;
  void CompareAtServer(const Json& gateway, const std::string& host, const std::string& server,
                       std::vector<std::string>& out);

  Surroundings& around_;
  ClusterUpkeep upkeep_;
  bool changed_ = false;
  bool deleting_all_ = false;
  int made_ = 0;
  /// Gateways of which something at the server may be known to nobody: the API server's state went back.
  std::set<std::string> forgotten_;
  std::map<std::string, std::string> records_;
  /// Slices that the API server lost, with nobody left to undo them: a restore does not say that what was
  /// made for them may go.
  std::set<std::string> slices_, lost_slices_;
  MonotonicTime disturbed_until_{};
  /// Since when a slice, by uid, is being deleted; since when a gateway hands over no more.
  std::map<std::string, MonotonicTime> slice_ends_, stops_first_;
};

}  // namespace slicelet::sim
