#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/file_system.h"
#include "common/base/random.h"
#include "common/base/time.h"
#include "common/crypto/sealing.h"
#include "common/loop/loop.h"
#include "common/stream/frame_stream.h"
#include "common/stream/message_pipe.h"
#include "edge-agent/images/image_collector.h"
#include "edge-agent/pod/pod_supervisor.h"
#include "edge-agent/probes/prober.h"
#include "edge-agent/runtime/container_runtime.h"
#include "edge-agent/store/agent_store.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet::agent {

/// The agent without its process: everything of slicelet-agent that decides. `app/` gives it the real parts,
/// the simulation gives it fakes.
class HostAgent {
 public:
  using HubConnector = Connector<v1::HostMessage, v1::HubMessage>;

  struct Options {
    PodSupervisor::Options pods;
    ImageCollector::Options images;
    std::string agent_version;
    std::string boot_id;
    std::map<std::string, std::string> tags;
    v1::NodeFacts facts;
    /// The hub's root manifest key, learnt at enrolment: 32 bytes.
    std::string root_public_key;
    /// The link has no room for streams: the hub reads logs in pieces.
    bool log_ranges = false;
    /// When the hub may read the ends of logs; nullopt: when it does by itself.
    std::optional<v1::LogTailRule> log_tails = std::nullopt;
  };

  struct Dependencies {
    Loop& loop;
    Clock& clock;
    Random& random;
    FileSystem& files;
    AgentStore& store;
    ContainerRuntime& runtime;
    const Opener& opener;
    Prober& prober;
    HubConnector& hub;
    /// Dials EdgeLink.Tunnel.
    std::function<std::unique_ptr<FrameStream>()> dial_tunnel;
    /// Serves a tunnel's head: logs, exec ... Fakes answer Unimplemented. Owns the stream.
    std::function<void(const v1::StreamHead&, std::shared_ptr<FrameStream>, const PodSupervisor&)>
        serve_stream;
    /// For gateways' IoT devices; nullptr where they are nobody's business.
    EdgexClient* edgex = nullptr;
    /// How many messages the link refused because nobody who may had sent them so. May be empty.
    std::function<std::uint64_t()> refused = {};
    /// The end of a container's log, for the hub to keep. May be empty.
    std::function<absl::StatusOr<v1::LogTail>(const v1::LogTailWanted&, const PodSupervisor&)> read_log_tail =
        {};
    /// The host's own address now, given the one it had; "" while it has none. Empty: it never changes.
    std::function<std::string(const std::string& before)> find_address = {};
    /// Whether the host has this address now. Empty: it loses none.
    std::function<bool(const std::string& address)> has_address = {};
  };

  HostAgent(const Options& options, Dependencies dependencies);
  ~HostAgent();

  /// Starts the stored workloads, then looks for the hub.
  void Start();
  /// Says goodbye to the hub; containers keep running. `done` when it was sent or two seconds passed.
  void Stop(const std::string& reason, std::function<void()> done);

  /// The newest of the hub's keys for a link over a broker: their numbers must not be forgotten.
  void SetBrokerKeys(const std::vector<v1::KeyCertificate>& keys);

  /// For tests and invariants.
  [[nodiscard]] Generation accepted() const;
  [[nodiscard]] const PodSupervisor& pods() const;
  [[nodiscard]] bool connected() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slicelet::agent
