#include "tests/sim/broker.h"

#include <algorithm>
#include <utility>

#include "common/mqtt/testing/fake_broker.h"

namespace slicelet::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr Duration kConnectTimeout = seconds(30);
/// How long after its first delivery a message may come again, or a will after its client's return.
constexpr Duration kLatest = seconds(20);
constexpr std::size_t kMostHeard = 64;
constexpr std::size_t kSigned = 64;

Duration Patience(const MqttConnection::Options& options) { return options.keepalive * 3 / 2; }

}  // namespace

/// What a connection and the broker share.
struct SimBroker::Link {
  std::uint64_t number = 0;
  MqttConnection::Options options;
  MqttConnection::Events events;
  /// The client has not closed it and knows of no end.
  bool open = true;
  bool connected = false;
  /// Per topic, when the last message arrives.
  std::map<std::string, MonotonicTime> up, down;
  std::deque<MqttMessage> held_up;
};

class SimBroker::Connection : public MqttConnection {
 public:
  Connection(SimBroker& broker, std::shared_ptr<Link> link) : broker_(broker), link_(std::move(link)) {}
  /// The process ended: its machine's kernel says so.
  ~Connection() override {
    if (!std::exchange(link_->open, false)) return;
    link_->events = {};
    // A silent machine's kernel is not heard either.
    if (broker_.SilenceOf(link_->options.client_id) == Silence::kNone)
      broker_.Break(link_, "the client is gone", false);
  }

  absl::Status Publish(const MqttMessage& message) override {
    if (!link_->open || !link_->connected) return absl::UnavailableError("not connected");
    if (link_->held_up.size() >= kMaxMqttOutstanding)
      return absl::ResourceExhaustedError("too much is held up");
    broker_.Publish(link_, message);
    return absl::OkStatus();
  }
  void Subscribe(const std::string& filter) override {
    if (link_->open && link_->connected) broker_.Subscribe(link_, filter);
  }
  void Close() override {
    if (!std::exchange(link_->open, false)) return;
    link_->events = {};
    link_->options.will.reset();
    broker_.Break(link_, "the client left", false);
  }
  [[nodiscard]] std::size_t outstanding() const override { return link_->held_up.size(); }
  [[nodiscard]] std::size_t max_packet() const override { return 0; }

 private:
  SimBroker& broker_;
  std::shared_ptr<Link> link_;
};

std::unique_ptr<MqttConnection> SimBroker::Dialer::Connect(MqttConnection::Options options,
                                                           MqttConnection::Events events) {
  auto link = std::make_shared<Link>();
  link->number = ++broker_.links_;
  link->options = std::move(options);
  link->events = std::move(events);
  const bool silent = broker_.SilenceOf(link->options.client_id) != Silence::kNone;
  broker_.loop_.RunAfter(silent ? kConnectTimeout : broker_.Delay(),
                         broker_.lifetime_.Guard([broker = &broker_, link] { broker->Accept(link); }));
  return std::make_unique<Connection>(broker_, link);
}

bool SimBroker::Chance(std::uint64_t per_million) {
  return per_million > 0 && random_.Below(1'000'000) < per_million;
}

Duration SimBroker::Delay() {
  const auto spread = (faults_.max_delay - faults_.min_delay).count();
  if (spread <= 0) return faults_.min_delay;
  return faults_.min_delay +
         Duration(static_cast<Duration::rep>(random_.Below(static_cast<std::uint64_t>(spread) + 1)));
}

Silence SimBroker::SilenceOf(const std::string& client) const {
  const auto it = silences_.find(client);
  return it == silences_.end() ? Silence::kNone : it->second.silence;
}

MonotonicTime SimBroker::Due(std::map<std::string, MonotonicTime>& topics, const std::string& topic) {
  // The empty name is that of all topics together.
  MonotonicTime& of_topic = topics[topic];
  MonotonicTime& of_all = topics[""];
  const MonotonicTime due = loop_.Now() + Delay();
  of_topic = std::max(Chance(faults_.reorder) ? due : std::max(due, of_all), of_topic);
  of_all = std::max(of_all, of_topic);
  return of_topic;
}

void SimBroker::At(MonotonicTime due, Loop::Task task) {
  loop_.RunAfter(due - loop_.Now(), lifetime_.Guard(std::move(task)));
}

// ---- Connections

void SimBroker::Accept(const std::shared_ptr<Link>& link) {
  if (!link->open) return;
  const std::string& client = link->options.client_id;
  if (!alive_ || SilenceOf(client) != Silence::kNone) {
    link->open = false;
    const auto events = std::exchange(link->events, {});
    if (events.on_closed) events.on_closed(absl::UnavailableError("the broker can not be reached"));
    return;
  }
  const auto other = connected_.find(client);
  if (other != connected_.end())
    Break(std::shared_ptr<Link>(other->second), "another client has this identity", true);
  // A broker of several nodes may hear of the end after the new beginning.
  if (!late_wills_) wills_.erase(client);
  connected_[client] = link;
  link->connected = true;
  const auto on_connected = link->events.on_connected;
  if (on_connected) on_connected();
  const auto queue = sessions_[client].queue;
  for (const auto& publication : queue) Transmit(link, publication, Duration::zero());
  if (usurped_.count(client) != 0) {
    loop_.RunAfter(seconds(1) + milliseconds(random_.Below(5'000)),
                   lifetime_.Guard([this, client] { TakeOver(client); }));
  }
}

void SimBroker::Break(const std::shared_ptr<Link>& link, const std::string& why, bool client_hears) {
  if (std::exchange(link->connected, false)) {
    const auto it = connected_.find(link->options.client_id);
    if (it != connected_.end() && it->second == link) connected_.erase(it);
    ScheduleWill(*link);
  }
  if (!client_hears) return;
  loop_.Post(lifetime_.Guard([link, why] {
    if (!std::exchange(link->open, false)) return;
    const auto events = std::exchange(link->events, {});
    if (events.on_closed) events.on_closed(absl::UnavailableError(why));
  }));
}

void SimBroker::ScheduleWill(const Link& link) {
  if (!link.options.will || !alive_) return;
  const std::string client = link.options.client_id;
  wills_[client] = link.number;
  const Duration late = late_wills_ ? Delay() + kLatest : Duration::zero();
  loop_.RunAfter(link.options.will_delay + late, lifetime_.Guard([this, client, number = link.number,
                                                                  will = *link.options.will] {
    const auto due = wills_.find(client);
    if (due == wills_.end() || due->second != number || !alive_) return;
    wills_.erase(due);
    Route(std::make_shared<Publication>(Publication{will, ++publications_, false, loop_.Now()}));
  }));
}

void SimBroker::TakeOver(const std::string& client) {
  const auto until = usurped_.find(client);
  if (until == usurped_.end()) return;
  if (until->second <= loop_.Now()) {
    usurped_.erase(until);
    return;
  }
  const auto it = connected_.find(client);
  if (it == connected_.end()) return;
  Break(std::shared_ptr<Link>(it->second), "another client has this identity", true);
  sessions_[client].queue.clear();
}

void SimBroker::Usurp(const std::string& client, Duration time) {
  usurped_[client] = loop_.Now() + time;
  TakeOver(client);
}

// ---- Messages

void SimBroker::Publish(const std::shared_ptr<Link>& link, const MqttMessage& message) {
  const std::string& client = link->options.client_id;
  if (Chance(faults_.break_connection)) return Break(link, "the connection broke", true);
  const Silence silence = SilenceOf(client);
  if (silence == Silence::kUp || silence == Silence::kBoth) {
    link->held_up.push_back(message);
    return;
  }
  auto publication = std::make_shared<Publication>(Publication{message, ++publications_, false, loop_.Now()});
  // Broken before it arrived: lost, as the client does not send it again.
  At(Due(link->up, message.topic), [this, link, publication] {
    if (link->connected) Route(publication);
  });
}

void SimBroker::Subscribe(const std::shared_ptr<Link>& link, const std::string& filter) {
  const std::string& client = link->options.client_id;
  sessions_[client].filters.insert(filter);
  for (const auto& [topic, publication] : retained_) {
    if (!FakeBroker::Matches(filter, topic)) continue;
    auto copy = std::make_shared<Publication>(*publication);
    copy->message.retained = true;
    Enqueue(client, copy);
  }
}

void SimBroker::Route(const std::shared_ptr<const Publication>& publication) {
  if (!alive_) return;
  if (!publication->message.payload.empty()) {
    heard_.push_back(publication);
    if (heard_.size() > kMostHeard) heard_.pop_front();
  }
  const std::string& topic = publication->message.topic;
  if (publication->message.retained) {
    if (publication->message.payload.empty())
      retained_.erase(topic);
    else
      retained_[topic] = publication;
  }
  auto live = std::make_shared<Publication>(*publication);
  live->message.retained = false;
  for (const auto& [client, session] : sessions_) {
    const bool wanted =
        std::any_of(session.filters.begin(), session.filters.end(),
                    [&topic](const std::string& filter) { return FakeBroker::Matches(filter, topic); });
    if (wanted) Enqueue(client, live);
  }
}

void SimBroker::Enqueue(const std::string& client, const std::shared_ptr<const Publication>& publication) {
  auto& queue = sessions_[client].queue;
  if (queue.size() >= max_queued_ || Chance(faults_.drop)) return;
  const bool once = publication->message.at_most_once;
  if (!once) queue.push_back(publication);
  const auto it = connected_.find(client);
  if (it == connected_.end()) return;
  Transmit(it->second, publication, Duration::zero());
}

void SimBroker::Transmit(const std::shared_ptr<Link>& link,
                         const std::shared_ptr<const Publication>& publication, Duration later) {
  At(Due(link->down, publication->message.topic) + later,
     [this, link, publication] { Deliver(link, publication); });
}

void SimBroker::Deliver(const std::shared_ptr<Link>& link,
                        const std::shared_ptr<const Publication>& publication) {
  if (!link->open || !link->connected) return;
  const std::string& client = link->options.client_id;
  const Silence silence = SilenceOf(client);
  // It stays in the queue and comes when the way is free again.
  if (silence == Silence::kDown || silence == Silence::kBoth) return;
  if (Chance(faults_.break_connection)) return Break(link, "the connection broke", true);
  auto& queue = sessions_[client].queue;
  const auto it = std::find(queue.begin(), queue.end(), publication);
  const Duration expiry = publication->message.expiry;
  const bool expired = expiry > Duration::zero() && loop_.Now() - publication->published > expiry;
  const bool again = !publication->message.at_most_once && Chance(faults_.duplicate);
  if (it != queue.end() && (expired || !again)) queue.erase(it);
  if (expired) return;
  // The acknowledgement was lost: once more, also on another connection.
  if (again) Transmit(link, publication, milliseconds(random_.Below(20'000)));
  current_ = publication.get();
  const auto on_message = link->events.on_message;
  if (on_message) on_message(publication->message);
  current_ = nullptr;
}

// ---- Faults

void SimBroker::SetSilence(const std::string& client, Silence silence) {
  Quiet& quiet = silences_[client];
  quiet.silence = silence;
  const std::uint64_t times = ++quiet.times;
  const auto it = connected_.find(client);
  if (it == connected_.end()) return;
  const std::shared_ptr<Link> link = it->second;
  if (silence != Silence::kNone) {
    loop_.RunAfter(Patience(link->options), lifetime_.Guard([this, client, link, times] {
      if (silences_[client].times == times) Break(link, "no answer to a ping", true);
    }));
    return;
  }
  if (!link->open) return Break(link, "the client is gone", false);
  for (const MqttMessage& message : std::exchange(link->held_up, {})) Publish(link, message);
  const auto queue = sessions_[client].queue;
  for (const auto& publication : queue) Transmit(link, publication, Duration::zero());
}

void SimBroker::Cut(const std::string& client) {
  const auto it = connected_.find(client);
  if (it != connected_.end()) Break(std::shared_ptr<Link>(it->second), "the connection broke", true);
}

void SimBroker::Kill() {
  alive_ = false;
  wills_.clear();
  const auto links = connected_;
  for (const auto& [client, link] : links) Break(link, "the broker died", true);
}

void SimBroker::Start(bool remembers) {
  if (std::exchange(alive_, true)) return;
  if (remembers) return;
  sessions_.clear();
  retained_.clear();
}

void SimBroker::Replay(std::uint64_t pick) {
  if (heard_.empty()) return;
  auto copy = std::make_shared<Publication>(*heard_[pick % heard_.size()]);
  copy->published = loop_.Now();
  Route(copy);
}

void SimBroker::Forge(std::uint64_t pick) {
  if (heard_.empty()) return;
  auto copy = std::make_shared<Publication>(*heard_[pick % heard_.size()]);
  copy->forged = true;
  copy->published = loop_.Now();
  MqttMessage& message = copy->message;
  const std::size_t digit = message.topic.find("/gw-");
  if (pick % 3 == 0 && digit != std::string::npos && digit + 4 < message.topic.size()) {
    char& host = message.topic[digit + 4];
    host = host == '3' ? '1' : static_cast<char>(host + 1);
  } else {
    // What is signed comes first; a certificate that is sent along can be written in more than one way.
    char& byte = message.payload[pick / 3 % std::min(message.payload.size(), kSigned)];
    byte = static_cast<char>(byte ^ (1 << (pick % 8)));
  }
  Route(copy);
}

void SimBroker::Heal() {
  Start(true);
  SetMaxQueued(kMaxQueued);
  SetLateWills(false);
  usurped_.clear();
  for (auto& [client, quiet] : silences_) {
    if (quiet.silence != Silence::kNone) SetSilence(client, Silence::kNone);
  }
}

}  // namespace slicelet::sim
