#include "common/mqtt/module_dialer.h"

#include <atomic>
#include <map>
#include <utility>

#include "common/log/log.h"

namespace slicelet {
namespace {

constexpr std::uint32_t kConnectTimeoutSeconds = 20;
constexpr std::size_t kErrorBytes = 512;

std::uint32_t Seconds(Duration duration) {
  return static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::seconds>(duration).count());
}

/// What the library's threads know of a connection: only how to reach it on the loop, and how much they have
/// sent there.
struct Mailbox {
  Loop& loop;
  class ModuleConnection* owner;
  /// Runs on the library's thread.
  std::function<void(const MqttMessage&)> on_arrival;
  /// False once the owner is gone; on the loop only.
  std::shared_ptr<bool> open = std::make_shared<bool>(true);
  /// Bytes of messages that the loop has not come to.
  std::atomic<std::size_t> unhandled = 0;
  /// Since the loop last had nothing left of them.
  std::atomic<std::uint64_t> dropped = 0;
};

class ModuleConnection : public MqttConnection {
 public:
  ModuleConnection(Loop& loop, const slicelet_mqtt_module& module, const MqttBrokerAddress& broker,
                   const Options& options, Events events)
      : module_(module), events_(std::move(events)), mailbox_{loop, this, std::move(events_.on_arrival)} {
    slicelet_mqtt_options open{};
    const std::string uri = (broker.tls ? "ssl://" : "tcp://") + broker.endpoint;
    open.uri = uri.c_str();
    open.client_id = options.client_id.c_str();
    open.protocol = broker.protocol;
    open.username = broker.username.empty() ? nullptr : broker.username.c_str();
    open.password = broker.password.empty() ? nullptr : broker.password.c_str();
    open.ca = broker.ca.c_str();
    open.certificate = broker.certificate.c_str();
    open.key = broker.key.c_str();
    open.keepalive_seconds = Seconds(options.keepalive);
    open.session_expiry_seconds = Seconds(options.session_expiry);
    open.connect_timeout_seconds = kConnectTimeoutSeconds;
    open.keeps_arrivals = mailbox_.on_arrival ? 1 : 0;
    if (options.will) {
      open.will_topic = options.will->topic.c_str();
      open.will_payload = options.will->payload.data();
      open.will_size = options.will->payload.size();
      open.will_retained = options.will->retained ? 1 : 0;
      open.will_delay_seconds = Seconds(options.will_delay);
    }
    static constexpr slicelet_mqtt_callbacks kCallbacks = {OnConnected, OnClosed, OnMessage, OnPublished};
    char error[kErrorBytes] = "";
    client_ = module_.open(&open, &kCallbacks, &mailbox_, error, sizeof(error));
    if (client_ == nullptr) {
      Post(mailbox_, [why = std::string(error)](ModuleConnection& self) { self.Closed(why); });
    }
  }

  ~ModuleConnection() override {
    Leave();
    *mailbox_.open = false;
  }

  absl::Status Publish(const MqttMessage& message) override {
    if (client_ == nullptr || !connected_) return absl::UnavailableError("not connected to the broker");
    if (sent_.size() >= kMaxMqttOutstanding ||
        outstanding_bytes_ + message.payload.size() > kMaxMqttOutstandingBytes) {
      return absl::ResourceExhaustedError("the broker takes messages too slowly");
    }
    const int code = module_.publish(client_, ++last_sent_, message.topic.c_str(), message.payload.data(),
                                     message.payload.size(), message.at_most_once ? 0 : 1,
                                     message.retained ? 1 : 0, Seconds(message.expiry));
    if (code != 0) {
      return absl::UnavailableError("the message was not taken, code " + std::to_string(code));
    }
    sent_[last_sent_] = {message.id, message.payload.size()};
    outstanding_bytes_ += message.payload.size();
    return absl::OkStatus();
  }

  void Subscribe(const std::string& filter) override {
    if (client_ != nullptr && connected_) module_.subscribe(client_, filter.c_str());
  }

  void Close() override {
    events_ = {};
    Leave();
  }

  [[nodiscard]] std::size_t outstanding() const override { return sent_.size(); }
  [[nodiscard]] std::size_t max_packet() const override { return max_packet_; }

 private:
  template <typename Task>
  static void Post(const Mailbox& mailbox, Task task) {
    // Read on the library's thread: only what never changes. The flag is looked at on the loop.
    mailbox.loop.Post([owner = mailbox.owner, open = mailbox.open, task = std::move(task)]() mutable {
      if (*open) task(*owner);
    });
  }
  static Mailbox& Of(void* user) { return *static_cast<Mailbox*>(user); }

  static void OnConnected(void* user, std::uint32_t max_packet) {
    Post(Of(user), [max_packet](ModuleConnection& self) {
      if (self.client_ == nullptr) return;
      self.max_packet_ = max_packet;
      self.connected_ = true;
      // The callback may destroy the connection.
      const auto on_connected = self.events_.on_connected;
      if (on_connected) on_connected();
    });
  }
  static void OnClosed(void* user, const char* why) {
    Post(Of(user), [why = std::string(why)](ModuleConnection& self) { self.Closed(why); });
  }
  static void OnMessage(void* user, const char* topic, std::size_t topic_size, const char* payload,
                        std::size_t size, int retained) {
    Mailbox& mailbox = Of(user);
    const std::size_t cost = topic_size + size + kMqttMessageBytes;
    // The library would not wait for the loop, and whoever may publish could fill the memory.
    if (!mailbox.on_arrival && mailbox.unhandled + cost > kMaxMqttUnhandledBytes) {
      if (mailbox.dropped++ == 0)
        LogWarning("messages from the broker are dropped: too many wait to be read");
      return;
    }
    MqttMessage message;
    message.topic.assign(topic, topic_size);
    message.payload.assign(payload, size);
    message.retained = retained != 0;
    if (mailbox.on_arrival) return mailbox.on_arrival(message);
    mailbox.unhandled += cost;
    Post(mailbox, [cost, message = std::move(message)](ModuleConnection& self) mutable {
      self.mailbox_.unhandled -= cost;
      if (self.mailbox_.unhandled == 0) self.TellDropped();
      const auto on_message = self.events_.on_message;
      if (on_message) on_message(std::move(message));
    });
  }
  static void OnPublished(void* user, std::uint64_t id, int taken) {
    Post(Of(user), [id, taken](ModuleConnection& self) {
      const auto it = self.sent_.find(id);
      if (it == self.sent_.end()) return;
      const Sent sent = it->second;
      self.sent_.erase(it);
      self.outstanding_bytes_ -= sent.bytes;
      const auto on_taken = self.events_.on_taken;
      if (taken != 0 && on_taken) on_taken(sent.id);
    });
  }

  void TellDropped() {
    const std::uint64_t dropped = mailbox_.dropped.exchange(0);
    if (dropped > 0) LogWarning("messages from the broker were dropped", {{"count", dropped}});
  }

  void Closed(const std::string& why) {
    const auto events = std::exchange(events_, {});
    Leave();
    if (events.on_closed) events.on_closed(absl::UnavailableError(why));
  }

  void Leave() {
    connected_ = false;
    if (client_ != nullptr) module_.close(std::exchange(client_, nullptr));
  }

  const slicelet_mqtt_module& module_;
  Events events_;
  Mailbox mailbox_;
  slicelet_mqtt_client* client_ = nullptr;
  bool connected_ = false;
  struct Sent {
    std::uint64_t id = 0;
    std::size_t bytes = 0;
  };
  /// By what the module calls it.
  std::map<std::uint64_t, Sent> sent_;
  std::uint64_t last_sent_ = 0;
  std::size_t outstanding_bytes_ = 0;
  std::size_t max_packet_ = 0;
};

class ModuleDialer : public MqttDialer {
 public:
  ModuleDialer(Loop& loop, const slicelet_mqtt_module& module, std::function<MqttBrokerAddress()> broker)
      : loop_(loop), module_(module), broker_(std::move(broker)) {}

  std::unique_ptr<MqttConnection> Connect(MqttConnection::Options options,
                                          MqttConnection::Events events) override {
    return std::make_unique<ModuleConnection>(loop_, module_, broker_(), options, std::move(events));
  }

 private:
  Loop& loop_;
  const slicelet_mqtt_module& module_;
  const std::function<MqttBrokerAddress()> broker_;
};

}  // namespace

std::unique_ptr<MqttDialer> MakeModuleDialer(Loop& loop, const slicelet_mqtt_module& module,
                                             MqttBrokerAddress broker) {
  return MakeAskingModuleDialer(loop, module, [broker = std::move(broker)] { return broker; });
}

std::unique_ptr<MqttDialer> MakeAskingModuleDialer(Loop& loop, const slicelet_mqtt_module& module,
                                                   std::function<MqttBrokerAddress()> broker) {
  return std::make_unique<ModuleDialer>(loop, module, std::move(broker));
}

}  // namespace slicelet
