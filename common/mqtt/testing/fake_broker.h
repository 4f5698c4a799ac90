#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/loop/loop.h"
#include "common/mqtt/mqtt.h"

namespace slicelet {

/// A broker in memory, on the loop's time: sessions, retained messages, wills with their delay, queues with a
/// bound; all callbacks come on the loop. It can be killed, forget everything, drop what is large, and be
/// used by somebody with all its rights.
class FakeBroker {
 public:
  explicit FakeBroker(Loop& loop) : loop_(loop) {}

  std::unique_ptr<MqttDialer> MakeDialer() { return std::make_unique<Dialer>(*this); }

  // ---- Faults ----

  /// Every connection breaks, and no new one is taken.
  void Kill() {
    alive_ = false;
    const auto clients = connected_;
    for (const auto& [id, link] : clients) Break(*link, "the broker died");
  }
  /// `remembers`: retained messages and sessions were on its disk.
  void Start(bool remembers) {
    alive_ = true;
    if (remembers) return;
    sessions_.clear();
    retained_.clear();
  }
  /// Cuts one client off without a word; its will is published after its delay.
  void Cut(const std::string& id) {
    const auto it = connected_.find(id);
    if (it != connected_.end()) Break(*it->second, "the connection broke");
  }
  void ClearRetained() { retained_.clear(); }
  /// Larger ones are lost; clients are told so only if it is `announced`.
  void set_max_packet(std::size_t bytes, bool announced) {
    max_packet_ = bytes;
    announced_max_packet_ = announced ? bytes : 0;
  }
  /// A client's publications are refused while more than this would be under way.
  void set_max_outstanding_bytes(std::size_t bytes) { max_outstanding_bytes_ = bytes; }
  void set_max_queued(std::size_t messages) { max_queued_ = messages; }
  /// Hangs up on whoever publishes, without taking the message: as servers do that refuse a topic.
  void RefusePublications(bool refuse) {
    refuses_ = [refuse](const MqttMessage&) { return refuse; };
  }
  /// The same, of some messages.
  void RefuseThose(std::function<bool(const MqttMessage&)> refuses) { refuses_ = std::move(refuses); }
  /// Takes messages and does not say so.
  void HoldAnswers(bool hold) { hold_answers_ = hold; }
  /// This many of the next messages are lost.
  void DropNext(int messages) { drop_next_ = messages; }
  /// Delivery of messages stops, and goes on.
  void Hold(bool hold) {
    hold_ = hold;
    for (const auto& [id, session] : sessions_) Flush(id);
  }

  // ---- Somebody with the broker's full rights ----

  /// Everything that was ever published.
  [[nodiscard]] const std::vector<MqttMessage>& seen() const { return seen_; }
  void Inject(const MqttMessage& message) { Route(message); }
  /// The last message on a topic; nullptr if there was none.
  [[nodiscard]] const MqttMessage* LastOn(const std::string& topic) const {
    const auto it =
        std::find_if(seen_.rbegin(), seen_.rend(), [&](const MqttMessage& m) { return m.topic == topic; });
    return it == seen_.rend() ? nullptr : &*it;
  }
  [[nodiscard]] bool IsConnected(const std::string& id) const { return connected_.count(id) != 0; }
  [[nodiscard]] bool Retains(const std::string& topic) const { return retained_.count(topic) != 0; }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

  static bool Matches(const std::string& filter, const std::string& topic) {
    std::size_t f = 0;
    std::size_t t = 0;
    while (f < filter.size()) {
      if (filter[f] == '#') return true;
      const std::size_t filter_end = std::min(filter.find('/', f), filter.size());
      const std::size_t topic_end = std::min(topic.find('/', t), topic.size());
      const std::string level = filter.substr(f, filter_end - f);
      if (t > topic.size() || (level != "+" && level != topic.substr(t, topic_end - t))) return false;
      f = filter_end + 1;
      t = topic_end + 1;
    }
    return t == topic.size() + 1;
  }

 private:
  struct Session {
    std::set<std::string> filters;
    std::deque<MqttMessage> queue;
  };
  /// What a connection and the broker share.
  struct Link {
    MqttConnection::Options options;
    MqttConnection::Events events;
    bool open = true;
    bool connected = false;
    std::size_t outstanding_bytes = 0;
  };

  class Connection : public MqttConnection {
   public:
    Connection(FakeBroker& broker, std::shared_ptr<Link> link) : broker_(broker), link_(std::move(link)) {}
    ~Connection() override { Close(); }

    absl::Status Publish(const MqttMessage& message) override {
      if (!link_->connected) return absl::UnavailableError("not connected");
      if (message.payload.size() > broker_.max_packet_) {
        ++broker_.dropped_;
        return absl::OkStatus();
      }
      const std::size_t bytes = message.payload.size();
      if (link_->outstanding_bytes + bytes > broker_.max_outstanding_bytes_)
        return absl::ResourceExhaustedError("too much waits for the broker");
      link_->outstanding_bytes += bytes;
      // On a later turn, as a network would.
      broker_.loop_.Post([this_broker = &broker_, message, link = link_] {
        if (!this_broker->alive_) return;
        if (this_broker->refuses_(message)) return this_broker->Break(*link, "the broker hung up");
        this_broker->Route(message);
        if (this_broker->hold_answers_) return;
        link->outstanding_bytes -= message.payload.size();
        const auto on_taken = link->events.on_taken;
        if (on_taken) on_taken(message.id);
      });
      return absl::OkStatus();
    }
    void Subscribe(const std::string& filter) override {
      if (link_->connected) broker_.Subscribe(link_, filter);
    }
    void Close() override {
      if (!link_->open) return;
      link_->open = false;
      link_->connected = false;
      link_->events = {};
      const auto it = broker_.connected_.find(link_->options.client_id);
      if (it != broker_.connected_.end() && it->second == link_) broker_.connected_.erase(it);
    }
    [[nodiscard]] std::size_t outstanding() const override { return 0; }
    [[nodiscard]] std::size_t max_packet() const override { return broker_.announced_max_packet_; }

   private:
    FakeBroker& broker_;
    std::shared_ptr<Link> link_;
  };

  class Dialer : public MqttDialer {
   public:
    explicit Dialer(FakeBroker& broker) : broker_(broker) {}
    std::unique_ptr<MqttConnection> Connect(MqttConnection::Options options,
                                            MqttConnection::Events events) override {
      auto link = std::make_shared<Link>();
      link->options = std::move(options);
      link->events = std::move(events);
      broker_.loop_.Post([broker = &broker_, link] { broker->Accept(link); });
      return std::make_unique<Connection>(broker_, link);
    }

   private:
    FakeBroker& broker_;
  };

  void Accept(const std::shared_ptr<Link>& link) {
    if (!link->open) return;
    if (!alive_) return Closed(*link, "connection refused");
    const std::string id = link->options.client_id;
    if (const auto other = connected_.find(id); other != connected_.end()) {
      Break(*other->second, "another client has this identity");
    }
    wills_.erase(id);
    connected_[id] = link;
    link->connected = true;
    if (link->events.on_connected) link->events.on_connected();
    Flush(id);
  }

  /// The connection is lost, not left.
  void Break(Link& link, const std::string& why) {
    const std::string id = link.options.client_id;
    const auto it = connected_.find(id);
    if (it == connected_.end() || it->second.get() != &link) return;
    const std::shared_ptr<Link> held = it->second;
    connected_.erase(it);
    if (held->options.will && alive_) {
      wills_[id] = ++will_count_;
      loop_.RunAfter(held->options.will_delay, [this, id, number = will_count_, will = *held->options.will] {
        const auto due = wills_.find(id);
        if (due == wills_.end() || due->second != number) return;
        wills_.erase(due);
        if (alive_) Route(will);
      });
    }
    loop_.Post([held, why] { Closed(*held, why); });
  }

  static void Closed(Link& link, const std::string& why) {
    if (!link.open) return;
    link.open = false;
    link.connected = false;
    const auto events = std::exchange(link.events, {});
    if (events.on_closed) events.on_closed(absl::UnavailableError(why));
  }

  void Subscribe(const std::shared_ptr<Link>& link, const std::string& filter) {
    const std::string id = link->options.client_id;
    sessions_[id].filters.insert(filter);
    for (const auto& [topic, message] : retained_) {
      if (Matches(filter, topic)) Enqueue(id, message);
    }
  }

  void Route(const MqttMessage& message) {
    seen_.push_back(message);
    if (drop_next_ > 0) {
      --drop_next_;
      ++dropped_;
      return;
    }
    if (message.retained) {
      if (message.payload.empty()) {
        retained_.erase(message.topic);
      } else {
        retained_[message.topic] = message;
      }
    }
    MqttMessage live = message;
    live.retained = false;
    for (const auto& [id, session] : sessions_) {
      const bool wanted =
          std::any_of(session.filters.begin(), session.filters.end(),
                      [&](const std::string& filter) { return Matches(filter, message.topic); });
      if (wanted) Enqueue(id, live);
    }
  }

  void Enqueue(const std::string& id, const MqttMessage& message) {
    auto& queue = sessions_[id].queue;
    if (queue.size() >= max_queued_) {
      ++dropped_;
      return;
    }
    queue.push_back(message);
    Flush(id);
  }

  void Flush(const std::string& id) {
    loop_.Post([this, id] {
      while (true) {
        const auto it = connected_.find(id);
        auto& queue = sessions_[id].queue;
        if (it == connected_.end() || queue.empty() || hold_) return;
        const std::shared_ptr<Link> link = it->second;
        const MqttMessage message = std::move(queue.front());
        queue.pop_front();
        const auto on_arrival = link->events.on_arrival;
        if (on_arrival) {
          on_arrival(message);
          continue;
        }
        const auto on_message = link->events.on_message;
        if (on_message) on_message(message);
      }
    });
  }

  Loop& loop_;
  bool alive_ = true;
  bool hold_ = false;
  std::function<bool(const MqttMessage&)> refuses_ = [](const MqttMessage&) { return false; };
  bool hold_answers_ = false;
  std::size_t max_packet_ = std::size_t{256} * 1024;
  std::size_t announced_max_packet_ = 0;
  std::size_t max_outstanding_bytes_ = kMaxMqttOutstandingBytes;
  std::size_t max_queued_ = 1'000;
  int drop_next_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t will_count_ = 0;
  std::map<std::string, std::shared_ptr<Link>> connected_;
  std::map<std::string, std::uint64_t> wills_;
  std::map<std::string, Session> sessions_;
  std::map<std::string, MqttMessage> retained_;
  std::vector<MqttMessage> seen_;
};

}  // namespace slicelet
