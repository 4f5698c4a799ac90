#include "common/mqtt/mqtt_host_acceptor.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "common/base/backoff.h"
#include "common/base/encoding.h"
#include "common/mqtt/fault_log.h"
#include "common/mqtt/host_keys.h"
#include "common/mqtt/hub_keys.h"
#include "common/mqtt/topics.h"

namespace slicelet {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

/// A host that hears it later than this has begun another session.
constexpr Duration kDownExpiry = minutes(5);
constexpr Duration kHealthy = seconds(60);
/// Between two attempts to reach the broker. All hosts wait for this one client, so it is never far away.
constexpr auto kBrokerPause = std::chrono::milliseconds(10'000);
/// Each message costs a signature and a broker's acknowledgement.
constexpr std::chrono::milliseconds kLeastStatusBatch(250);
/// Between two requests to one host to begin again: after a will, and after the hub itself closed.
constexpr Duration kAgainAfterWill = seconds(5);
constexpr Duration kAgainAfterClose = seconds(60);
constexpr int kIncarnationBytes = 8;
/// Hosts that went while the broker was away. What more it keeps is only litter.
constexpr std::size_t kMaxForgotten = 10'000;

using HubPipe = MessagePipe<v1::HubMessage, v1::HostMessage>;

class AcceptorImpl;

/// One host as the hub knows it; made when its certificate was proved.
struct Peer {
  Peer(HostId the_host, std::shared_ptr<HostKeys> the_keys, EnvelopeReader::Options options,
       EnvelopeFaults& faults)
      : host(std::move(the_host)), keys(std::move(the_keys)), reader(std::move(options), faults) {}

  const HostId host;
  const std::shared_ptr<HostKeys> keys;
  EnvelopeReader reader;
  std::optional<EnvelopeWriter> writer;
  std::string sealing_key;
  /// Which connection to the broker the newest Birth was sent on.
  std::string connection;
  class HostPipe* pipe = nullptr;
  HubPipe::Handler handler;
  bool closed_by_hub = false;
  std::optional<MonotonicTime> asked_again;
  bool has_retained_desired = false;
};

class HostPipe : public HubPipe {
 public:
  HostPipe(std::weak_ptr<AcceptorImpl*> acceptor, std::shared_ptr<Peer> peer)
      : acceptor_(std::move(acceptor)), peer_(std::move(peer)) {}
  ~HostPipe() override { Leave(false); }
  void Send(v1::HubMessage message) override;
  void Close() override { Leave(true); }

 private:
  void Leave(bool by_hub) {
    if (peer_->pipe != this) return;
    peer_->pipe = nullptr;
    peer_->handler = {};
    peer_->closed_by_hub = by_hub;
  }

  const std::weak_ptr<AcceptorImpl*> acceptor_;
  const std::shared_ptr<Peer> peer_;
};

class AcceptorImpl : public MqttHostAcceptor {
 public:
  AcceptorImpl(MqttHostAcceptorOptions options, MqttHostAcceptorDependencies dependencies)
      : options_(std::move(options)),
        d_(dependencies),
        topics_(options_.hub_id),
        log_(d_.loop),
        backoff_({.cap = kBrokerPause}, d_.random),
        incarnation_(d_.random.Hex(kIncarnationBytes)),
        started_(ToUnixNanos(d_.clock.Now())),
        reconnect_(d_.loop),
        healthy_(d_.loop) {}

  ~AcceptorImpl() override { *self_ = nullptr; }

  void Start(OnAccept on_accept) override {
    on_accept_ = std::move(on_accept);
    Connect();
  }
  void Forget(const std::string& peer) override {
    const HostId host(peer);
    peers_.erase(host);
    if (connected_) return Clear(host);
    if (forgotten_.size() >= kMaxForgotten) forgotten_.clear();
    forgotten_.insert(host);
  }
  void Stop() override {
    stopping_ = true;
    reconnect_.Cancel();
    if (!broker_) return;
    Announce(false);
    broker_->Close();
    broker_.reset();
  }
  [[nodiscard]] const EnvelopeFaults& faults() const override { return log_.faults(); }
  [[nodiscard]] bool connected() const override { return connected_; }
  [[nodiscard]] std::optional<WallTime> CertificateEnd(const HostId& host) const override {
    const auto it = peers_.find(host);
    return it == peers_.end() ? std::nullopt : it->second->keys->not_after();
  }

  void Send(Peer& peer, v1::HubMessage message) {
    if (!peer.writer) return;
    if (message.has_desired()) return SendDesired(peer, std::move(message));
    Send(peer, *peer.writer, std::move(message));
  }

 private:
  void Send(const Peer& peer, EnvelopeWriter& writer, v1::HubMessage message) {
    const std::int64_t now = ToUnixNanos(d_.clock.Now());
    EnvelopeWriter::Options options;
    MqttMessage sent{.topic = topics_.Of(peer.host, "down")};
    v1::Channel channel = v1::CHANNEL_DOWN;
    // A host that does not know the time yet must be able to take its first answer.
    if (message.has_welcome()) {
      // What it is compared with is what is announced.
      message.mutable_welcome()->set_incarnation(incarnation_);
      message.mutable_welcome()->set_status_batch_ms(
          std::max(message.welcome().status_batch_ms(), kLeastStatusBatch.count()));
    } else {
      options.expires = now + kDownExpiry.count();
      sent.expiry = kDownExpiry;
    }
    if (message.has_heartbeat_ack()) {
      sent.at_most_once = true;
      sent.expiry = {};
    } else if (message.has_blob()) {
      channel = v1::CHANNEL_BLOB;
      sent.topic = topics_.Of(peer.host, "blob/" + HexEncode(message.blob().digest()));
    } else if (message.has_command()) {
      // What somebody runs in a container is nobody else's business.
      options.seal_for = peer.sealing_key;
      if (message.command().expires() != 0) options.expires = message.command().expires();
    }
    Write(peer, writer, channel, message, std::move(options), std::move(sent));
  }

  // ---- The broker ----

  void Connect() {
    MqttConnection::Options options;
    options.client_id = std::string(kMqttHubUser) + "-" + options_.hub_id;
    options.keepalive = options_.keepalive;
    options.will_delay = seconds(5);
    options.will = MqttMessage{.topic = topics_.Hub(), .payload = Announcement(false), .retained = true};
    broker_ = d_.broker.Connect(
        std::move(options),
        {.on_connected = lifetime_.Guard([this] { OnConnected(); }),
         .on_message = lifetime_.Guard([this](const MqttMessage& message) { OnMessage(message); }),
         .on_closed = lifetime_.Guard([this](const absl::Status& status) { OnClosed(status); })});
  }

  void OnConnected() {
    connected_ = true;
    LogInfo("connected to the broker", {{"hub", options_.hub_id}});
    healthy_.Set(kHealthy, [this] { backoff_.Reset(); });
    for (const char* leaf : {"birth", "up", "will"}) broker_->Subscribe(topics_.OfAll(leaf));
    for (const HostId& host : std::exchange(forgotten_, {})) Clear(host);
    // After subscribing: hosts answer it.
    Announce(true);
  }

  void OnClosed(const absl::Status& status) {
    LogWarning("no connection to the broker", {{"hub", options_.hub_id}, {"why", Message(status)}});
    connected_ = false;
    healthy_.Cancel();
    // It may be calling us.
    d_.loop.Post([held = std::shared_ptr<MqttConnection>(std::move(broker_))] {});
    if (!stopping_) reconnect_.Set(backoff_.Next(), [this] { Connect(); });
  }

  std::string Announcement(bool online) const {
    v1::HubAnnouncementBody body;
    body.set_hub_id(options_.hub_id);
    body.set_incarnation(incarnation_);
    body.set_started(started_);
    body.set_online(online);
    return SignAnnouncement(body, d_.signer, options_.keys).SerializeAsString();
  }
  void Announce(bool online) {
    Publish({.topic = topics_.Hub(), .payload = Announcement(online), .retained = true});
  }

  /// What the broker keeps of a host.
  void Clear(const HostId& host) {
    for (const char* leaf : {"desired", "birth"})
      Publish({.topic = topics_.Of(host, leaf), .retained = true});
  }

  void Publish(const MqttMessage& message) {
    if (!broker_) return;
    // A message that is lost is like one that the broker loses.
    if (const auto status = broker_->Publish(message); !status.ok()) {
      LogDebug("message not sent", {{"topic", message.topic}, {"why", Message(status)}});
    }
  }

  [[nodiscard]] std::size_t SliceBytes() const { return SliceBytesFor(broker_ ? broker_->max_packet() : 0); }

  void Write(const Peer& peer, EnvelopeWriter& writer, v1::Channel channel, const v1::HubMessage& message,
             EnvelopeWriter::Options options, MqttMessage sent) {
    options.slice_bytes = SliceBytes();
    const auto envelopes = writer.Write(channel, message.SerializeAsString(), options);
    if (!envelopes.ok()) {
      LogError("message not sent", {{"host", peer.host}, {"why", Message(envelopes.status())}});
      return;
    }
    for (const std::string& envelope : *envelopes) {
      sent.payload = envelope;
      Publish(sent);
    }
  }

  /// The newest manifest waits at the broker for a host that is away, unless it needs more than one message.
  void SendDesired(Peer& peer, v1::HubMessage message) {
    constexpr std::size_t kFrame = 64;
    MqttMessage sent{.topic = topics_.Of(peer.host, "desired"), .retained = true};
    if (message.ByteSizeLong() + kFrame <= SliceBytes()) {
      message.set_session(0);
      peer.has_retained_desired = true;
      return Write(peer, *peer.writer, v1::CHANNEL_DESIRED, message, {}, std::move(sent));
    }
    if (std::exchange(peer.has_retained_desired, false)) Publish(sent);
    sent = {.topic = topics_.Of(peer.host, "down"), .expiry = kDownExpiry};
    Write(peer, *peer.writer, v1::CHANNEL_DOWN, message,
          {.expires = ToUnixNanos(d_.clock.Now()) + kDownExpiry.count()}, std::move(sent));
  }

  // ---- What hosts say ----

  void OnMessage(const MqttMessage& message) {
    const MqttTopics::Parsed topic = topics_.Parse(message.topic);
    if (topic.host.empty() || message.payload.empty()) return;
    if (topic.leaf == "birth") return OnBirth(topic.host, message);
    const auto it = peers_.find(topic.host);
    if (it == peers_.end()) {
      return log_.Count(EnvelopeFault::kUnborn, topic.host, topic.leaf,
                        "nothing of this host can be proved before its Birth");
    }
    const std::shared_ptr<Peer> peer = it->second;
    if (topic.leaf == "up") return OnUp(*peer, message);
    if (topic.leaf == "will") OnWill(*peer, message);
  }

  std::shared_ptr<Peer> MakePeer(const HostId& host) {
    const auto keys = std::make_shared<HostKeys>(options_.hub_id, options_.ca, d_.clock, host);
    EnvelopeReader::Options options{
        .route = {options_.hub_id, host},
        .verify = [keys](const v1::Envelope& envelope) { return keys->Verify(envelope); },
        .hub_now = [this] { return std::optional(ToUnixNanos(d_.clock.Now())); },
        .opener = &d_.opener};
    return std::make_shared<Peer>(host, keys, std::move(options), log_.faults());
  }

  void OnBirth(const HostId& host, const MqttMessage& message) {
    const auto it = peers_.find(host);
    const std::shared_ptr<Peer> peer = it == peers_.end() ? MakePeer(host) : it->second;
    if (message.retained) {
      // It proves who the host is and nothing about being alive.
      v1::Envelope envelope;
      if (message.payload.size() <= kMaxEnvelopeBytes && envelope.ParseFromString(message.payload) &&
          peer->keys->Learn(envelope).ok()) {
        peers_[host] = peer;
      }
      return;
    }
    const auto read = peer->reader.Read(v1::CHANNEL_BIRTH, message.payload);
    if (!read.ok()) {
      log_.Refused(host, "birth", read.status());
      // A host whose counter was lost with its store has to learn what it must exceed.
      if (absl::IsFailedPrecondition(read.status()))
        AskAgain(*peer, peer->reader.outdated_session(), peer->reader.session());
      return;
    }
    peers_[host] = peer;
    if (!*read) return;
    v1::BrokerBirth born;
    v1::HostMessage opened;
    if (!born.ParseFromString((*read)->bytes) || !opened.ParseFromString(born.message()) ||
        !opened.has_birth() || opened.session() != (*read)->session) {
      return log_.Refused(host, "birth", absl::InvalidArgumentError("not a Birth"));
    }
    if (!peer->writer || peer->writer->session() != opened.session())
      peer->writer.emplace(MakeWriter(*peer, opened.session()));
    peer->sealing_key = opened.birth().sealing_public_key();
    if (peer->pipe == nullptr || peer->connection != born.connection()) {
      peer->connection = born.connection();
      auto pipe = std::make_unique<HostPipe>(self_, peer);
      HostPipe* raw = pipe.get();
      // The former pipe hears nothing more; whoever holds it closes it at the Birth on the new one.
      peer->pipe = raw;
      peer->handler = {};
      auto handler = on_accept_(std::move(pipe), host.value());
      // It may be closed already.
      if (peer->pipe == raw) peer->handler = std::move(handler);
    }
    Deliver(*peer, std::move(opened));
  }

  /// Sequences begin with the time, so that they are new to a host whose session outlived a hub.
  [[nodiscard]] EnvelopeWriter MakeWriter(const Peer& peer, std::uint64_t session) const {
    constexpr std::int64_t kNanosPerMicro = 1'000;
    return {EnvelopeRoute{options_.hub_id, peer.host}, d_.signer, session,
            static_cast<std::uint64_t>(ToUnixNanos(d_.clock.Now()) / kNanosPerMicro)};
  }

  void OnUp(Peer& peer, const MqttMessage& message) {
    const auto read = peer.reader.Read(v1::CHANNEL_UP, message.payload);
    if (!read.ok()) {
      if (absl::IsFailedPrecondition(read.status()))
        return AskAgain(peer, peer.reader.unborn_session(), peer.reader.unborn_session());
      return log_.Refused(peer.host, "up", read.status());
    }
    if (!*read) return;
    v1::HostMessage opened;
    if (!opened.ParseFromString((*read)->bytes) || opened.has_birth()) {
      return log_.Refused(peer.host, "up", absl::InvalidArgumentError("not a message"));
    }
    opened.set_session((*read)->session);
    if (peer.pipe == nullptr) return AskAgain(peer, opened.session(), opened.session());
    Deliver(peer, std::move(opened));
  }

  /// The host speaks in a session that the hub does not know: it shall begin one above `floor`.
  void AskAgain(Peer& peer, std::uint64_t session, std::uint64_t floor) {
    const Duration pause = peer.closed_by_hub ? kAgainAfterClose : kAgainAfterWill;
    if (peer.asked_again && d_.loop.Now() - *peer.asked_again < pause) return;
    peer.asked_again = d_.loop.Now();
    // Whoever repeats an old Birth must not disturb the present session.
    EnvelopeWriter writer = MakeWriter(peer, session);
    v1::HubMessage message;
    message.set_session(session);
    message.mutable_welcome()->set_hub_id(options_.hub_id);
    message.mutable_welcome()->set_session_floor(floor);
    Send(peer, writer, std::move(message));
  }

  /// Nobody signed it: it is believed only about the connection that the newest Birth names, and that only
  /// until the host speaks again.
  void OnWill(Peer& peer, const MqttMessage& message) {
    v1::Will will;
    constexpr std::size_t kMaxWill = 256;
    if (message.payload.size() > kMaxWill || !will.ParseFromString(message.payload)) {
      return log_.Count(EnvelopeFault::kMalformed, peer.host, "will", "not a will");
    }
    if (peer.pipe == nullptr || will.connection().empty() || will.connection() != peer.connection) {
      return LogDebug("will of an older connection ignored", {{"host", peer.host}});
    }
    peer.pipe = nullptr;
    peer.closed_by_hub = false;
    const auto handler = std::exchange(peer.handler, {});
    if (handler.on_closed) handler.on_closed(absl::UnavailableError("the broker says that the host is gone"));
  }

  static void Deliver(Peer& peer, v1::HostMessage message) {
    // It may close the pipe.
    const auto on_message = peer.handler.on_message;
    if (on_message) on_message(std::move(message));
  }

  const MqttHostAcceptorOptions options_;
  const MqttHostAcceptorDependencies d_;
  const MqttTopics topics_;
  FaultLog log_;
  Backoff backoff_;
  const std::string incarnation_;
  const std::int64_t started_;
  OnAccept on_accept_;
  std::unique_ptr<MqttConnection> broker_;
  bool connected_ = false;
  bool stopping_ = false;
  std::map<HostId, std::shared_ptr<Peer>> peers_;
  /// To be cleared once the broker can be reached.
  std::set<HostId> forgotten_;
  Timer reconnect_;
  Timer healthy_;
  /// Null once the acceptor is gone; pipes may outlive it.
  std::shared_ptr<AcceptorImpl*> self_ = std::make_shared<AcceptorImpl*>(this);
  Lifetime lifetime_;
};

void HostPipe::Send(v1::HubMessage message) {
  if (peer_->pipe != this) return;
  const auto acceptor = acceptor_.lock();
  if (acceptor && *acceptor != nullptr) (*acceptor)->Send(*peer_, std::move(message));
}

}  // namespace

std::unique_ptr<MqttHostAcceptor> MakeMqttHostAcceptor(MqttHostAcceptorOptions options,
                                                       MqttHostAcceptorDependencies dependencies) {
  return std::make_unique<AcceptorImpl>(std::move(options), dependencies);
}

}  // namespace slicelet
