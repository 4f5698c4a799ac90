#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/base/time.h"
#include "common/loop/loop.h"
#include "common/stream/message_pipe.h"
#include "provider/link/blob_sender.h"
#include "provider/link/status_sequence.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet::provider {

/// What the links tell the hub. Calls come on the loop, for hosts whose identity is proved.
class LinkListener {
 public:
  virtual ~LinkListener() = default;
  /// May this host connect? Unavailable: it is not known yet, keep it waiting. Any other error closes its
  /// session.
  virtual absl::Status Admit(const HostId& host) = 0;
  /// A session begins. True: ask for the signed manifest it holds.
  virtual bool OnBirth(const HostId& host, const v1::Birth& birth, std::uint64_t session) = 0;
  /// Welcome is sent; now manifests may follow.
  virtual void OnWelcomed(const HostId& host, const v1::Birth& birth) = 0;
  virtual void OnAccepted(const HostId& host, const v1::Accepted& accepted) = 0;
  virtual void OnRejected(const HostId& host, const v1::Rejected& rejected) = 0;
  virtual void OnStatus(const HostId& host, const v1::StatusReport& report) = 0;
  virtual void OnReply(const HostId& host, const v1::Reply& reply) = 0;
  virtual void OnCredentialRequest(const HostId& host, const v1::CredentialRequest& request) = 0;
  virtual void OnReachChanged(const HostId& host) = 0;
  virtual absl::StatusOr<std::string> ReadBlob(const HostId& host, const Digest& digest) = 0;
};

/// Whether a host can be reached, over the breaks of its link.
///
///   kUnknown --Birth--> kConnected --broken--> kResuming --grace--> kUnreachable
///      |                    |   ^-----Birth--------'                    |
///      '----grace-----------|------------------------------------------>|
///                           '--goodbye, three missed heartbeats-------->'
enum class Reach { kUnknown, kConnected, kResuming, kUnreachable };

/// The provider's end of one host's link, over many connections of it. Assumes a pipe that loses, delays,
/// duplicates and reorders: sessions older than the newest are ignored, status gaps are asked for again, and
/// the newest Desired is repeated until it is accepted.
class HostSession {
 public:
  using Pipe = MessagePipe<v1::HubMessage, v1::HostMessage>;

  struct Options {
    std::string hub_id;
    std::string incarnation;
    Duration heartbeat = std::chrono::seconds(60);
    Duration status_batch = std::chrono::milliseconds(50);
    Duration resume_grace = std::chrono::seconds(30);
    std::vector<v1::KeyCertificate> key_certificates;
  };
  static constexpr int kMissedHeartbeats = 3;
  static constexpr Duration kResendFirst = std::chrono::seconds(15);
  static constexpr Duration kResendCap = std::chrono::minutes(5);
  static constexpr Duration kResyncEvery = std::chrono::seconds(1);
  static constexpr Duration kHearAgain = std::chrono::seconds(15);

  /// Called when the session closes a connection, for whom keeps its pipe.
  using OnDropped = std::function<void(const Pipe*)>;

  /// `highest_session` is the highest counter seen before. All references must outlive this object.
  HostSession(HostId host, const Options& options, Loop& loop, Clock& clock, LinkListener& listener,
              std::uint64_t highest_session, OnDropped on_dropped);
  ~HostSession();

  /// A connection whose peer is this host, and which may connect, sent this first. A counter that is not
  /// above the newest is answered with the floor, and the host begins again (false).
  bool OnBirth(const std::shared_ptr<Pipe>& pipe, const v1::HostMessage& message);
  /// Any other message; ignored unless it belongs to the present session.
  void OnMessage(const std::shared_ptr<Pipe>& pipe, v1::HostMessage message);
  void OnClosed(const std::shared_ptr<Pipe>& pipe);

  /// The newest manifest: sent now and again until accepted. Replaces a former one.
  void Deliver(const v1::SignedManifest& manifest, const Generation& generation);
  /// Asks for a full status report until one comes: what was heard before could not be understood.
  void HearAgain();
  /// Dropped when not connected.
  void Send(v1::HubMessage message);
  /// Ends the connection at once; the host counts as unreachable for `reason`.
  void Close(const std::string& reason, const std::string& why);

  [[nodiscard]] bool connected() const { return pipe_ != nullptr; }
  [[nodiscard]] Reach reach() const { return reach_; }
  /// slicelet.io/LinkReady; nullopt while that is not known (the hub has just started).
  [[nodiscard]] std::optional<v1::Condition> link() const;
  /// Of the last message; 0 for none yet.
  [[nodiscard]] std::int64_t last_seen() const { return last_seen_; }
  [[nodiscard]] std::uint64_t highest_session() const { return highest_session_; }
  /// Messages that the host refused because nobody who may had sent them so, since its agent began.
  [[nodiscard]] std::uint64_t refused() const { return refused_; }
  /// Bytes per second that the host receives, as it said last; nullopt: it can not tell, or has not yet.
  [[nodiscard]] std::optional<std::uint64_t> receive_rate() const { return receive_rate_; }

 private:
  void Welcome(const v1::HostMessage& message, Pipe& pipe, bool want_manifest);
  void OnStatus(const v1::StatusReport& report);
  void SetReach(Reach reach, const std::string& reason, const std::string& message);
  void WatchHeartbeats();
  void SendDesired();
  void Drop();

  const HostId host_;
  const Options& options_;
  Loop& loop_;
  Clock& clock_;
  LinkListener& listener_;
  const OnDropped on_dropped_;

  std::shared_ptr<Pipe> pipe_;
  std::uint64_t session_ = 0;
  std::uint64_t highest_session_;
  StatusSequence statuses_;
  std::optional<MonotonicTime> resync_sent_;

  std::optional<v1::SignedManifest> desired_;
  Generation desired_generation_;
  Duration resend_delay_ = kResendFirst;

  Reach reach_ = Reach::kUnknown;
  std::string reach_reason_;
  std::string reach_message_;
  std::int64_t reach_since_ = 0;
  MonotonicTime last_heard_{};
  std::int64_t last_seen_ = 0;
  std::uint64_t refused_ = 0;
  std::optional<std::uint64_t> receive_rate_;

  BlobSender blobs_;
  Timer reach_timer_;
  Timer resend_timer_;
  Timer hear_again_;
};

}  // namespace slicelet::provider
