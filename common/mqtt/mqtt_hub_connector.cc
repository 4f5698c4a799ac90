#include "common/mqtt/mqtt_hub_connector.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "common/crypto/tls_signing.h"
#include "common/mqtt/fault_log.h"
#include "common/mqtt/hub_keys.h"
#include "common/mqtt/topics.h"

namespace slicelet {
namespace {

constexpr int kConnectionIdBytes = 12;
/// What the hub hears later than this is of no use to it.
constexpr Duration kUpExpiry = std::chrono::minutes(10);

/// What outlives a connection.
struct Shared {
  Shared(MqttHubConnectorOptions the_options, MqttHubConnectorDependencies dependencies,
         std::unique_ptr<Signer> the_signer)
      : options(std::move(the_options)),
        d(dependencies),
        signer(std::move(the_signer)),
        topics(options.hub_id),
        keys(options.hub_id, options.root_public_key),
        log(d.loop) {
    keys.Add(options.keys);
  }

  const MqttHubConnectorOptions options;
  const MqttHubConnectorDependencies d;
  const std::unique_ptr<Signer> signer;
  const MqttTopics topics;
  HubKeys keys;
  FaultLog log;
  /// Of the newest announcement.
  std::int64_t announced = 0;
};

bool IsPrivate(const v1::HostMessage& message) { return message.has_reply() || message.has_history(); }

class HostPipe : public MessagePipe<v1::HostMessage, v1::HubMessage> {
 public:
  HostPipe(std::shared_ptr<Shared> shared, Handler handler)
      : shared_(std::move(shared)),
        handler_(std::move(handler)),
        connection_id_(shared_->d.random.Hex(kConnectionIdBytes)),
        reader_({.route = Route(),
                 .verify = [shared = shared_.get()](
                               const v1::Envelope& envelope) { return shared->keys.Verify(envelope); },
                 .hub_now = [this] { return HubNow(); },
                 .opener = &shared_->d.opener},
                shared_->log.faults()),
        again_(shared_->d.loop) {
    v1::Will will;
    will.set_connection(connection_id_);
    MqttConnection::Options options;
    options.client_id = shared_->options.host.value();
    options.keepalive = shared_->options.keepalive;
    options.will = MqttMessage{.topic = Topic("will"), .payload = will.SerializeAsString()};
    broker_ = shared_->d.broker.Connect(
        std::move(options),
        {.on_connected = lifetime_.Guard([this] { OnConnected(); }),
         .on_message = lifetime_.Guard([this](const MqttMessage& message) { OnMessage(message); }),
         .on_closed = lifetime_.Guard([this](const absl::Status& status) { Break(status); })});
  }

  void Send(v1::HostMessage message) override {
    if (!broker_) return;
    if (connected_) return Publish(message);
    if (waiting_.size() >= kMaxMqttWaiting) {
      return BreakLater(absl::ResourceExhaustedError("too many messages wait for the broker"));
    }
    waiting_.push_back(std::move(message));
  }

  void Close() override {
    handler_ = {};
    again_.Cancel();
    if (broker_) broker_->Close();
    broker_.reset();
  }

 private:
  [[nodiscard]] EnvelopeRoute Route() const { return {shared_->options.hub_id, shared_->options.host}; }
  [[nodiscard]] std::string Topic(const std::string& leaf) const {
    return shared_->topics.Of(shared_->options.host, leaf);
  }

  void OnConnected() {
    connected_ = true;
    // Whether or not the broker remembers: retained messages come with every subscription.
    for (const std::string& filter :
         {shared_->topics.Hub(), Topic("down"), Topic("blob/+"), Topic("desired")}) {
      broker_->Subscribe(filter);
    }
    while (connected_ && !waiting_.empty()) {
      const v1::HostMessage message = std::move(waiting_.front());
      waiting_.pop_front();
      Publish(message);
    }
  }

  void Publish(const v1::HostMessage& message) {
    if (!writer_ || writer_->session() != message.session()) {
      writer_.emplace(Route(), *shared_->signer, message.session());
      reader_.BeginSession(message.session());
      welcomed_ = false;
      hub_time_.reset();
      again_.Cancel();
    }
    MqttMessage sent{.topic = Topic(message.has_birth() ? "birth" : "up"), .retained = message.has_birth()};
    EnvelopeWriter::Options options;
    std::string bytes;
    if (message.has_birth()) {
      v1::BrokerBirth birth;
      birth.set_connection(connection_id_);
      birth.set_message(message.SerializeAsString());
      bytes = birth.SerializeAsString();
      options.certificate = shared_->options.certificate;
      born_ = true;
    } else {
      bytes = message.SerializeAsString();
      if (const auto now = HubNow()) {
        options.expires = *now + kUpExpiry.count();
        sent.expiry = kUpExpiry;
      }
      // The next one is as good, and an idle host sends nothing else.
      if (message.has_heartbeat()) {
        sent.at_most_once = true;
        sent.expiry = {};
      }
    }
    if (IsPrivate(message)) {
      options.seal_for = shared_->keys.inbox_key();
      if (options.seal_for.empty()) {
        LogWarning("no key of the hub's is known, a private answer is not sent",
                   {{"host", shared_->options.host}});
        return;
      }
    }
    options.slice_bytes = SliceBytesFor(broker_->max_packet());
    const auto envelopes =
        writer_->Write(message.has_birth() ? v1::CHANNEL_BIRTH : v1::CHANNEL_UP, bytes, options);
    if (!envelopes.ok()) {
      LogError("message not sent", {{"host", shared_->options.host}, {"why", Message(envelopes.status())}});
      return;
    }
    for (const std::string& envelope : *envelopes) {
      sent.payload = envelope;
      if (const auto status = broker_->Publish(sent); !status.ok()) return BreakLater(status);
    }
  }

  void OnMessage(const MqttMessage& message) {
    if (message.payload.empty()) return;  // a retained one was cleared
    if (message.topic == shared_->topics.Hub()) return OnAnnouncement(message.payload, message.retained);
    const std::string leaf = shared_->topics.Parse(message.topic).leaf;
    const auto channel = leaf == "desired" ? v1::CHANNEL_DESIRED
                         : leaf == "down"  ? v1::CHANNEL_DOWN
                                           : v1::CHANNEL_BLOB;
    auto read = reader_.Read(channel, message.payload);
    if (!read.ok()) return shared_->log.Refused(shared_->options.host, leaf, read.status());
    if (!*read) return;
    v1::HubMessage opened;
    if (!opened.ParseFromString((*read)->bytes)) {
      return shared_->log.Refused(shared_->options.host, leaf, absl::InvalidArgumentError("not a message"));
    }
    // 0 on `desired`: it does not belong to a session, and says nothing about now.
    opened.set_session((*read)->session);
    if ((channel == v1::CHANNEL_DESIRED && !opened.has_desired()) ||
        (channel == v1::CHANNEL_BLOB && !opened.has_blob())) {
      return shared_->log.Refused(shared_->options.host, leaf, absl::InvalidArgumentError("misplaced"));
    }
    if (opened.has_welcome()) {
      HubTime(opened.welcome().hub_time());
      welcomed_ = true;
      incarnation_ = opened.welcome().incarnation().empty() ? incarnation_ : opened.welcome().incarnation();
    } else if (opened.has_heartbeat_ack()) {
      HubTime(opened.heartbeat_ack().hub_time());
    }
    Deliver(std::move(opened));
  }

  void OnAnnouncement(const std::string& payload, bool retained) {
    v1::HubAnnouncement announcement;
    if (payload.size() > kMaxEnvelopeBytes || !announcement.ParseFromString(payload)) {
      return shared_->log.Count(EnvelopeFault::kMalformed, shared_->options.host, "hub",
                                "not an announcement");
    }
    if (shared_->keys.Add(announcement.keys()) && shared_->options.on_keys)
      shared_->options.on_keys(shared_->keys.certificates());
    const auto body = shared_->keys.Open(announcement);
    if (!body.ok()) {
      return shared_->log.Count(EnvelopeFault::kForged, shared_->options.host, "hub", Message(body.status()));
    }
    if (body->started() < shared_->announced) {
      return shared_->log.Count(EnvelopeFault::kOldSession, shared_->options.host, "hub",
                                "an announcement of an older incarnation");
    }
    shared_->announced = body->started();
    if (!body->online()) return LogInfo("the hub left the broker", {{"host", shared_->options.host}});
    // One that came to the broker after us has not heard our Birth.
    const bool unheard = !retained && !welcomed_;
    const bool anew = unheard || (!incarnation_.empty() && incarnation_ != body->incarnation());
    incarnation_ = body->incarnation();
    if (!anew || !born_ || again_.armed()) return;
    // As if the hub had answered our Birth with a floor that it must exceed.
    again_.Set(shared_->d.random.Below(kMqttReturnSpread), [this] {
      LogInfo("the hub began anew", {{"host", shared_->options.host}});
      v1::HubMessage message;
      message.set_session(writer_->session());
      message.mutable_welcome()->set_hub_id(shared_->options.hub_id);
      message.mutable_welcome()->set_session_floor(writer_->session());
      Deliver(std::move(message));
    });
  }

  /// Never back within a session: a message that was held up must not make an expired one young.
  void HubTime(std::int64_t time) {
    if (time <= 0) return;
    const auto now = HubNow();
    if (now && *now >= time) return;
    hub_time_ = time;
    hub_time_heard_ = shared_->d.loop.Now();
  }
  [[nodiscard]] std::optional<std::int64_t> HubNow() const {
    if (!hub_time_) return std::nullopt;
    return *hub_time_ + (shared_->d.loop.Now() - hub_time_heard_).count();
  }

  void Deliver(v1::HubMessage message) {
    // It may destroy this pipe.
    const auto on_message = handler_.on_message;
    if (on_message) on_message(std::move(message));
  }

  /// Who sends must not be called back.
  void BreakLater(const absl::Status& status) {
    shared_->d.loop.Post(lifetime_.Guard([this, status] { Break(status); }));
  }

  void Break(const absl::Status& status) {
    if (!broker_) return;
    connected_ = false;
    again_.Cancel();
    // It may be calling us.
    shared_->d.loop.Post([held = std::shared_ptr<MqttConnection>(std::move(broker_))] {});
    const auto handler = std::exchange(handler_, {});
    if (handler.on_closed) handler.on_closed(status);
  }

  const std::shared_ptr<Shared> shared_;
  Handler handler_;
  const std::string connection_id_;
  EnvelopeReader reader_;
  std::optional<EnvelopeWriter> writer_;
  std::unique_ptr<MqttConnection> broker_;
  std::deque<v1::HostMessage> waiting_;
  bool connected_ = false;
  bool born_ = false;
  bool welcomed_ = false;
  std::string incarnation_;
  std::optional<std::int64_t> hub_time_;
  MonotonicTime hub_time_heard_{};
  Timer again_;
  Lifetime lifetime_;
};

class ConnectorImpl : public MqttHubConnector {
 public:
  explicit ConnectorImpl(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

  std::unique_ptr<Pipe> Connect(Pipe::Handler handler) override {
    return std::make_unique<HostPipe>(shared_, std::move(handler));
  }
  [[nodiscard]] const EnvelopeFaults& faults() const override { return shared_->log.faults(); }

 private:
  const std::shared_ptr<Shared> shared_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<MqttHubConnector>> MakeMqttHubConnector(
    MqttHubConnectorOptions options, MqttHubConnectorDependencies dependencies) {
  SLICELET_ASSIGN_OR_RETURN(auto signer, MakeTlsSigner(options.key));
  return std::make_unique<ConnectorImpl>(
      std::make_shared<Shared>(std::move(options), dependencies, std::move(signer)));
}

}  // namespace slicelet
