#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/status.h"
#include "common/base/time.h"

namespace slicelet {

struct MqttMessage {
  std::string topic;
  std::string payload;
  /// Sending: the broker keeps it. Receiving: it was kept, and says nothing about now.
  bool retained = false;
  /// The broker drops it when it could not deliver it for so long; zero: never.
  Duration expiry{};
  /// Sending: at QoS 0, which costs nothing but the message itself. For what is soon said again.
  bool at_most_once = false;
  /// Sending: what `on_taken` calls it.
  std::uint64_t id = 0;
};

/// One connection to a broker, QoS 1 unless a message says otherwise. The broker may lose, repeat, reorder
/// and invent whatever it likes; nothing here makes up for that. All calls and callbacks happen on the loop.
class MqttConnection {
 public:
  struct Options {
    std::string client_id;
    /// Published by the broker when the connection is lost and not back in time.
    std::optional<MqttMessage> will;
    Duration will_delay = std::chrono::seconds(30);
    /// How long the broker keeps subscriptions and queued messages for us; longer than the will's delay.
    /// Zero: not at all.
    Duration session_expiry = std::chrono::hours(1);
    Duration keepalive = std::chrono::seconds(60);
  };
  struct Events {
    std::function<void()> on_connected;
    /// What comes while `kMaxMqttUnhandledBytes` wait for the loop is lost, like what a broker loses.
    std::function<void(MqttMessage)> on_message;
    /// In the place of `on_message`, and not on the loop: on a thread of the library's, before the broker is
    /// told that the message arrived. What must not be lost is made durable here; it must not wait for the
    /// loop.
    std::function<void(const MqttMessage&)> on_arrival;
    /// The broker has the message of this id. Not called for what was under way when the connection closed.
    std::function<void(std::uint64_t id)> on_taken;
    /// At most once; nothing follows it. Not called after `Close` or destruction.
    std::function<void(absl::Status)> on_closed;
  };

  /// Destroying an open connection closes it.
  virtual ~MqttConnection() = default;
  /// ResourceExhausted when too much waits for the broker; Unavailable when not connected. Not sent then.
  virtual absl::Status Publish(const MqttMessage& message) = 0;
  /// Retained messages that match follow. The last level may be "+".
  virtual void Subscribe(const std::string& filter) = 0;
  /// Sends what was published, then leaves; the will is not published.
  virtual void Close() = 0;
  /// Published and not yet taken by the broker.
  [[nodiscard]] virtual std::size_t outstanding() const = 0;
  /// The largest packet that the broker takes, with its topic; 0: it has not said. Known once connected.
  [[nodiscard]] virtual std::size_t max_packet() const = 0;
};

/// Makes connections to one broker.
class MqttDialer {
 public:
  virtual ~MqttDialer() = default;
  virtual std::unique_ptr<MqttConnection> Connect(MqttConnection::Options options,
                                                  MqttConnection::Events events) = 0;
};

/// More messages than this waiting for the broker are refused.
inline constexpr std::size_t kMaxMqttOutstanding = 2'048;
inline constexpr std::size_t kMaxMqttOutstandingBytes = std::size_t{32} * 1024 * 1024;
/// Of the messages of one connection, with what each costs beside its text: more than this waiting for a busy
/// loop are dropped.
inline constexpr std::size_t kMaxMqttUnhandledBytes = std::size_t{64} * 1024 * 1024;
inline constexpr std::size_t kMqttMessageBytes = 256;

}  // namespace slicelet
