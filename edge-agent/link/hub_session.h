#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/base/random.h"
#include "common/base/time.h"
#include "common/crypto/sealing.h"
#include "common/loop/loop.h"
#include "common/stream/frame_stream.h"
#include "common/stream/message_pipe.h"
#include "edge-agent/link/manifest_runner.h"
#include "edge-agent/store/agent_store.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet::agent {

/// The agent's end of the link: finds the hub, stays in touch, and keeps manifest, blobs and statuses in step
/// over a pipe that may lose, double and reorder messages.
///
///   idle --connect--> connecting --Birth, Welcome--> up --break, silence--> idle, after a jittered backoff
///
/// A session counter that is durable before it is used makes every connection life newer than all before.
/// What the hub wants is verified, then durable, then acknowledged and run; what it does not take needs no
/// connection.
class HubSession {
 public:
  using HubConnector = Connector<v1::HostMessage, v1::HubMessage>;

  struct Options {
    std::string hub_id;
    HostId host;
    std::string agent_version;
    std::string boot_id;
    std::map<std::string, std::string> tags;
    v1::NodeFacts facts;
    /// 32 bytes.
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
    AgentStore& store;
    HubConnector& hub;
    ManifestRunner& runner;
    const Opener& opener;
    std::function<std::unique_ptr<FrameStream>()> dial_tunnel;
    std::function<void(const v1::StreamHead&, std::shared_ptr<FrameStream>)> serve_stream;
    /// How many messages the link refused because nobody who may had sent them so. May be empty.
    std::function<std::uint64_t()> refused;
    /// Bytes per second that the host receives; may be empty.
    std::function<std::optional<std::uint64_t>()> receive_rate = {};
    /// The end of a container's log; may be empty: then the hub is not told that it can ask for one.
    std::function<absl::StatusOr<v1::LogTail>(const v1::LogTailWanted&)> read_log_tail = {};
  };

  /// The references must outlive this object.
  HubSession(Options options, Dependencies dependencies);
  ~HubSession();

  /// Begins to look for the hub. Call once, after the runner was started.
  void Start();
  /// Says goodbye; `done` when the pipe had time to send it.
  void Stop(const std::string& reason, std::function<void()> done);
  /// What the node looks like now; the hub hears of changes.
  void SetFacts(const v1::NodeFacts& facts);
  /// The newest of the hub's keys for a link over a broker: their numbers must not be forgotten.
  void SetBrokerKeys(const std::vector<v1::KeyCertificate>& keys);

  /// The Generation whose manifest is durable here.
  [[nodiscard]] Generation accepted() const;
  /// The hub has welcomed this session.
  [[nodiscard]] bool connected() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slicelet::agent
