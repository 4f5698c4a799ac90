#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

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
/// Each connection proves itself: until the server has acknowledged a publication on it, nothing says that it
/// takes anything. Where no pack waits that could show it, a pack without records is published: it carries no
/// reading, and readers of SenML take it for nothing.
///
/// At most `kWindow` packs are under way, and no more than the connection takes, so that at most so many
/// arrive twice when the connection or this process ends before their answers came; they arrive as they were,
/// with the same `bn` and `t`.
///
/// A server that hangs up on what we publish and has taken nothing on that connection refuses us: that is
/// what Mainflux does to a thing that is not connected to its channel, was deleted, or has another key. The
/// time between attempts grows until the server has taken something.
///
/// A pack that ended `kSuspicious` connections is tried by itself, after a pack without records that the
/// server took. If it hangs up on it `kTries` times all the same, the pack is what it does not take: it is
/// set aside so that those behind it go on. It stays in the outbox and is tried again an hour later, and by
/// the next process.
class Exporter {
 public:
  static constexpr std::size_t kWindow = 64;
  static constexpr Duration kAnswerTime = std::chrono::minutes(1);
  /// Published where there is nothing else to publish. (RFC 8428 knows no such pack, but an array of records
  /// is how all of them are read; Mainflux's decoder takes it, and its writers store nothing for it.)
  static constexpr char kTestPack[] = "[]";
  static constexpr int kSuspicious = 2;
  static constexpr int kTries = 3;
  static constexpr Duration kAsideTime = std::chrono::hours(1);
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
    /// Connected; `why` says whether the server has acknowledged anything yet.
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
  /// Why nobody can tell that the server takes readings; "" once it has acknowledged a publication on this
  /// connection.
  [[nodiscard]] std::string why() const;
  [[nodiscard]] const Counts& counts() const { return counts_; }
  /// Packs that the server does not take.
  [[nodiscard]] std::size_t set_aside() const { return aside_.size(); }

 private:
  void Connect();
  void OnTaken(std::uint64_t id);
  /// The connection ended by itself.
  void OnClosed(const std::string& why);
  /// Gives the connection up; the next attempt comes after a while.
  void Disconnect(const std::string& why);
  void Pump();
  /// False when not all of them were: the connection takes no more now, or has been given up.
  bool PublishAll(const std::vector<Outbox::Item>& items);
  absl::Status Publish(std::uint64_t id, const std::string& pack);
  /// True when the suspect is all that this connection is for now.
  bool TryTheSuspect();
  /// The server hung up: whose fault may that be?
  void Blame(const std::string& why);
  void SetAside(std::uint64_t id, const std::string& why);

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
  /// This connection has refused a pack for want of room: large ones, which are not read before their turn.
  bool one_by_one_ = false;
  /// The server has acknowledged something on this connection.
  bool taken_any_ = false;
  /// The oldest pack without an answer when the last connections ended; 0 for none.
  struct Suspect {
    std::uint64_t id = 0;
    int connections = 0;
    /// Of them: those on which it was alone, and the server had taken something.
    int alone = 0;
  };
  Suspect suspect_;
  std::set<std::uint64_t> aside_;
  /// They are tried again when nothing is under way.
  bool aside_due_ = false;
  /// How the last connection ended; "" when none did since the server took something.
  std::string why_;
  Counts counts_;
  Timer retry_;
  Timer overdue_;
  Timer aside_over_;
};

}  // namespace slicelet::senml
