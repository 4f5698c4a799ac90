#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "common/loop/loop.h"
#include "common/mqtt/mqtt.h"
#include "common/stream/testing/local_pipe.h"

namespace slicelet::sim {

/// An MQTT broker, the network around it, and somebody who has all of its rights, on virtual time.
///
/// What is published arrives at least once while sessions and queues last: it waits for who is away, comes
/// again when a connection broke before it was acknowledged, and keeps the order of its topic. Everything
/// else is up to the faults. The same seed of `random` gives the same run.
class SimBroker {
 public:
  /// More messages than this waiting for one client are lost.
  static constexpr std::size_t kMaxQueued = 1'000;

  /// Both must outlive this object and its connections.
  SimBroker(Loop& loop, Random& random) : loop_(loop), random_(random), dialer_(*this) {}

  MqttDialer& dialer() { return dialer_; }

  // ---- Faults

  /// `reorder`: a message keeps its place within its topic only. `drop`: the broker loses it. `duplicate`: it
  /// comes again later.
  void SetFaults(const LinkFaults& faults) { faults_ = faults; }
  /// What a client sends, or is sent, is held up; after one and a half keepalives its connection ends.
  void SetSilence(const std::string& client, Silence silence);
  /// The connection breaks, and both ends hear of it.
  void Cut(const std::string& client);
  /// Every connection breaks, and none is taken.
  void Kill();
  /// `remembers`: sessions and retained messages were on its disk.
  void Start(bool remembers);
  [[nodiscard]] bool alive() const { return alive_; }
  void LoseRetained() { retained_.clear(); }
  void SetMaxQueued(std::size_t messages) { max_queued_ = messages; }
  /// Wills come although the client is back.
  void SetLateWills(bool late) { late_wills_ = late; }
  /// Somebody else connects with this client's identity, again and again until then, and swallows its
  /// messages.
  void Usurp(const std::string& client, Duration time);

  /// Publishes again something that was heard, as if it were new. Nothing heard yet: nothing happens.
  void Replay(std::uint64_t pick);
  /// The same, changed in one bit or on another client's topic: nobody may accept it.
  void Forge(std::uint64_t pick);
  /// Ends all faults.
  void Heal();

  /// What is being delivered at this moment; null outside of a delivery.
  struct Publication {
    MqttMessage message;
    /// Equal for everything that has the same signed bytes.
    std::uint64_t origin = 0;
    bool forged = false;
    MonotonicTime published{};
  };
  [[nodiscard]] const Publication* current() const { return current_; }

 private:
  struct Link;
  struct Session {
    std::set<std::string> filters;
    /// Not acknowledged, the oldest first.
    std::deque<std::shared_ptr<const Publication>> queue;
  };
  class Connection;
  class Dialer : public MqttDialer {
   public:
    explicit Dialer(SimBroker& broker) : broker_(broker) {}
    std::unique_ptr<MqttConnection> Connect(MqttConnection::Options options,
                                            MqttConnection::Events events) override;

   private:
    SimBroker& broker_;
  };

  [[nodiscard]] bool Chance(std::uint64_t per_million);
  [[nodiscard]] Duration Delay();
  [[nodiscard]] Silence SilenceOf(const std::string& client) const;
  /// When a message of this topic arrives: after all before it, or only after those of its topic.
  MonotonicTime Due(std::map<std::string, MonotonicTime>& topics, const std::string& topic);
  void At(MonotonicTime due, Loop::Task task);

  void Accept(const std::shared_ptr<Link>& link);
  void Break(const std::shared_ptr<Link>& link, const std::string& why, bool client_hears);
  void ScheduleWill(const Link& link);
  void Publish(const std::shared_ptr<Link>& link, const MqttMessage& message);
  void Subscribe(const std::shared_ptr<Link>& link, const std::string& filter);
  void Route(const std::shared_ptr<const Publication>& publication);
  void Enqueue(const std::string& client, const std::shared_ptr<const Publication>& publication);
  void Transmit(const std::shared_ptr<Link>& link, const std::shared_ptr<const Publication>& publication,
                Duration later);
  void Deliver(const std::shared_ptr<Link>& link, const std::shared_ptr<const Publication>& publication);
  void TakeOver(const std::string& client);

  Loop& loop_;
  Random& random_;
  Dialer dialer_;
  LinkFaults faults_;
  bool alive_ = true;
  bool late_wills_ = false;
  std::size_t max_queued_ = kMaxQueued;
  std::map<std::string, std::shared_ptr<Link>> connected_;
  std::map<std::string, Session> sessions_;
  std::map<std::string, std::shared_ptr<const Publication>> retained_;
  /// By client, with the number of the connection it is of.
  std::map<std::string, std::uint64_t> wills_;
  struct Quiet {
    Silence silence = Silence::kNone;
    std::uint64_t times = 0;
  };
  std::map<std::string, Quiet> silences_;
  std::map<std::string, MonotonicTime> usurped_;
  std::deque<std::shared_ptr<const Publication>> heard_;
  std::uint64_t links_ = 0;
  std::uint64_t publications_ = 0;
  const Publication* current_ = nullptr;
  Lifetime lifetime_;
};

}  // namespace slicelet::sim
