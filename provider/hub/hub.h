#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "common/base/time.h"
#include "common/crypto/signing.h"
#include "common/loop/loop.h"
#include "common/stream/frame_stream.h"
#include "common/stream/message_pipe.h"
#include "kube/kube_api.h"
#include "provider/logs/log_tails.h"
#include "provider/store/hub_store.h"
#include "slicelet/v1/admin.pb.h"
#include "slicelet/v1/link.pb.h"
#include "slicelet/v1/provider.pb.h"

namespace slicelet::provider {

/// The provider without its process: everything of slicelet-provider that decides. `app/` gives it the real
/// parts, the simulation gives it fakes.
class Hub {
 public:
  using HostAcceptor = Acceptor<v1::HubMessage, v1::HostMessage>;
  using ShimAcceptor = Acceptor<v1::ProviderMessage, v1::ShimMessage>;

  /// A virtual node that stands for many hosts.
  struct FleetNode {
    /// Not the id of a host.
    std::string name;
    /// A target condition: which of the approved hosts belong to it.
    std::string condition = "*";
  };

  struct Options {
    std::string hub_id;
    /// Where EdgeHost objects live.
    std::string ns = "slicelet";
    std::string slice = "default";
    std::vector<FleetNode> fleet_nodes;
    /// Whether every host has a node of its own.
    bool host_nodes = true;
    std::string taint_key = "slicelet.io/slice-node";
    /// The part of 198.18.0.0/15 that pods of this hub are shown under, as CIDR.
    std::string pod_cidr = "198.18.0.0/16";
    Duration heartbeat = std::chrono::seconds(60);
    Duration status_batch = std::chrono::milliseconds(50);
    /// Between the two GETs that confirm that a missing pod is gone.
    Duration orphan_confirm = std::chrono::minutes(10);
    /// How long a broken stream may stay away before its host counts as unreachable.
    Duration resume_grace = std::chrono::seconds(30);
    /// What is kept of the logs of hosts that can not be reached.
    LogTails::Options log_tails;
    /// Whether pods that do not say `slicelet.io/api-access` get the automatic service account token; as the
    /// shim's.
    bool api_access_default = false;
    /// Signs the manifest keys' certificates; keys the tags of unchanged secrets.
    std::string tag_key;
    std::vector<v1::KeyCertificate> key_certificates;
  };

  struct Dependencies {
    Loop& loop;
    Clock& clock;
    Random& random;
    HubStore& store;
    const Signer& signer;
    /// EdgeHost objects: list, watch, status patches.
    kube::KubeApi& kube;
    HostAcceptor& hosts;
    ShimAcceptor& shims;
  };

  Hub(Options options, Dependencies dependencies);
  ~Hub();

  void Start();

  /// A host dialled EdgeLink.Tunnel as `host` and named the request; joins it with the shim's waiting stream.
  void OnTunnel(const HostId& host, const std::string& request_id, std::shared_ptr<FrameStream> tunnel);
  /// The shim opened Provider.Stream with this head. Answers with a StreamReply: NotFound for an unknown pod,
  /// Unavailable when its host is not connected.
  void OnStream(const v1::StreamHead& head, std::shared_ptr<FrameStream> stream);

  // The admin API, served by admin/.
  [[nodiscard]] v1::ListHostsReply ListHosts() const;
  [[nodiscard]] absl::StatusOr<v1::PodHostsReply> PodHosts(const v1::PodHostsRequest& request) const;
  [[nodiscard]] absl::StatusOr<v1::ExplainPodReply> ExplainPod(const v1::ExplainPodRequest& request) const;
  [[nodiscard]] v1::ListOrphansReply ListOrphans() const;
  absl::StatusOr<v1::DecideOrphansReply> DecideOrphans(const v1::DecideOrphansRequest& request);
  absl::Status DecommissionNode(const v1::DecommissionNodeRequest& request);

  // For the controllers of our kinds.
  /// Which slice each of these nodes belongs to; every other belongs to `Options::slice`.
  void SetSlices(const std::map<std::string, std::string>& slices);
  /// What the hosts of a gateway's pod said last about one of its IoT devices; of several hosts one that
  /// failed, and otherwise nothing before each of them has spoken. Readings are those of all hosts together.
  [[nodiscard]] std::optional<v1::DeviceStatus> DeviceOf(const PodUid& pod, const std::string& device) const;

  /// Where a pod is, or may be.
  struct PodPlaces {
    struct Place {
      /// It is to run there; otherwise it is being taken from there.
      bool targeted = false;
      /// Who has its place for now; empty: nobody.
      std::string superseded{};
      /// Of the container that was asked for, as the host says; "" before it has spoken.
      std::string image{};
      bool ready = false;
    };
    PodUid uid;
    std::string name;
    /// Which hosts it is for is known; otherwise more may come and some may be left out.
    bool decided = false;
    std::map<HostId, Place> hosts;
  };
  struct Places {
    std::vector<PodPlaces> pods;
    /// Hosts that have yet to say what they hold: anything may run there.
    std::set<HostId> unheard;
  };
  /// Where the pods of `ns` are whose name begins with `prefix`, also those that are gone from the API while
  /// a host out of reach may run them. A host that may never speak again (it is revoked, or has no EdgeHost)
  /// counts as having nothing. nullopt: the hub has not been told yet what there is.
  [[nodiscard]] std::optional<Places> PlacesOf(const std::string& ns, const std::string& prefix,
                                               const std::string& container) const;
  /// How many hosts a fleet node has that `condition` selects (empty: all of them), in reach or not.
  /// NotFound: it is no fleet node that the configuration knows; InvalidArgument: the condition is wrong;
  /// Unavailable: the EdgeHosts are not known yet.
  [[nodiscard]] absl::StatusOr<std::size_t> HostsOf(const NodeName& node, const std::string& condition) const;
  /// `changed` is called a moment after an answer of `PlacesOf` may differ.
  void WatchPlaces(std::function<void()> changed);

  /// For tests and invariants: the Generation last signed for a host.
  [[nodiscard]] Generation GenerationOf(const HostId& host) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slicelet::provider
