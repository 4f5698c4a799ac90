#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/base/backoff.h"
#include "common/base/random.h"
#include "common/loop/loop.h"
#include "common/mqtt/mqtt.h"
#include "edge-agent/senml-export/outbox.h"

namespace slicelet::senml {

/// Sends what is in the outbox to the server, oldest first, and removes what the server has taken.
///
///     Waiting --timer--> Connecting --connected--> Sending
///        ^                    |                       |
///        +------- closed, or an answer is overdue ----+
///
/// At most `kWindow` packs are under way, so that at most so many arrive twice when the connection or this
/// process ends before their answers came; they arrive as they were, with the same `bn` and `t`.
///
/// A server that hangs up on what we publish and has taken nothing on that connection refuses us: that is
/// what Mainflux does to a thing that is not connected to its channel, was deleted, or has another key. The
/// time between attempts grows until the server has taken something.
class Exporter {
 public:
  static constexpr std::size_t kWindow = 64;
  static constexpr Duration kAnswerTime = std::chrono::minutes(1);
  static constexpr Backoff::Options kBackoff{std::chrono::seconds(1), std::chrono::minutes(1)};

  struct Options {
    /// For Mainflux "channels/CHANNEL/messages".
    std::string topic;
    /// No other client of that server may have it.
    std::string client_id;
  };
  enum class State {
    kWaiting,
    kConnecting,
    kSending,
    /// As waiting or connecting, and the last connection ended in a refusal.
    kRefused,
  };
  struct Counts {
    std::uint64_t published = 0;
    /// Connections that ended, or never came about.
    std::uint64_t broken = 0;
  };

  /// The dependencies must outlive this object.
  Exporter(Loop& loop, Random& random, Outbox& outbox, MqttDialer& server, Options options);

  void Start();
  /// There may be something new in the outbox.
  void Wake();

  [[nodiscard]] State state() const;
  /// Why it is not sending; "" while it is.
  [[nodiscard]] const std::string& why() const { return why_; }
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  void Connect();
  void OnTaken(std::uint64_t id);
  /// The connection ended by itself.
  void OnClosed(const std::string& why);
  /// Gives the connection up; the next attempt comes after a while.
  void Disconnect(const std::string& why);
  void Pump();

  Outbox& outbox_;
  MqttDialer& server_;
  const Options options_;
  Backoff backoff_;
  std::unique_ptr<MqttConnection> connection_;
  bool connected_ = false;
  bool refused_ = false;
  /// Published on this connection.
  std::uint64_t sent_up_to_ = 0;
  /// Published on this connection and not answered.
  std::set<std::uint64_t> under_way_;
  bool taken_any_ = false;
  std::string why_ = "not connected to the server yet";
  Counts counts_;
  Timer retry_;
  Timer overdue_;
};

}  // namespace slicelet::senml
