#include <gmock/gmock.h>

#include <boost/asio/io_context.hpp>
#include <deque>

#include "common/loop/asio_loop.h"
#include "common/mqtt/module_dialer.h"
#include "common/mqtt/testing/mosquitto.h"

namespace slicelet {
namespace {

using testing::HasSubstr;

/// Long enough for a busy machine; only a failing test waits that long.
constexpr auto kPatience = std::chrono::seconds(20);

/// What one client saw.
struct Seen {
  bool connected = false;
  std::deque<MqttMessage> messages;
  std::optional<absl::Status> closed;
};

class MosquittoTest : public testing::Test {
 protected:
  std::unique_ptr<MqttConnection> Connect(const std::string& user, Seen& seen,
                                          MqttConnection::Options options = {}) {
    return Connect(broker_.AddressFor(broker_.Issue(user)), user, seen, std::move(options));
  }
  std::unique_ptr<MqttConnection> Connect(const MqttBrokerAddress& address, const std::string& id, Seen& seen,
                                          MqttConnection::Options options = {}) {
    options.client_id = id;
    const auto dialer = MakeModuleDialer(loop_, *slicelet_mqtt_module_v1(), address);
    return dialer->Connect(std::move(options),
                           {.on_connected = [&seen] { seen.connected = true; },
                            .on_message = [&seen](MqttMessage m) { seen.messages.push_back(std::move(m)); },
                            .on_closed = [&seen](absl::Status status) { seen.closed = std::move(status); }});
  }
  std::unique_ptr<MqttConnection> Join(const std::string& user, Seen& seen,
                                       MqttConnection::Options options = {}) {
    auto connection = Connect(user, seen, std::move(options));
    EXPECT_TRUE(RunUntil([&] { return seen.connected || seen.closed; }));
    EXPECT_TRUE(seen.connected) << (seen.closed ? Message(*seen.closed) : "");
    return connection;
  }

  bool RunUntil(const std::function<bool()>& done) {
    bool late = false;
    const auto limit = loop_.RunAfter(kPatience, [&late] { late = true; });
    auto* context = static_cast<boost::asio::io_context*>(loop_.io_context());
    while (!done() && !late) context->run_one();
    loop_.Cancel(limit);
    return !late;
  }
  /// Everything sent before has been delivered when this one has.
  void Settle(MqttConnection& hub, Seen& seen) {
    const std::string mark = "mark-" + std::to_string(++marks_);
    EXPECT_TRUE(hub.Publish({.topic = topics_.Hub(), .payload = mark}).ok());
    EXPECT_TRUE(RunUntil([&] {
      for (auto it = seen.messages.begin(); it != seen.messages.end(); ++it) {
        if (it->payload != mark) continue;
        seen.messages.erase(it);
        return true;
      }
      return false;
    }));
  }

  /// Our connections to the broker.
  [[nodiscard]] std::set<int> Sockets() const {
    std::set<int> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      const int one = std::atoi(entry.path().filename().c_str());
      sockaddr_in peer{};
      socklen_t size = sizeof(peer);
      if (getpeername(one, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
          ntohs(peer.sin_port) == broker_.port())
        found.insert(one);
    }
    return found;
  }

  AsioLoop loop_;
  Mosquitto broker_{"hub-1"};
  const MqttTopics topics_{"hub-1"};
  int marks_ = 0;
};

TEST_F(MosquittoTest, MessagesAndRetainedOnesTravelBothWays) {
  Seen hub_saw;
  Seen host_saw;
  const auto hub = Join(kMqttHubUser, hub_saw);
  hub->Subscribe(topics_.OfAll("up"));
  EXPECT_TRUE(
      hub->Publish({.topic = topics_.Of(HostId("gw-1"), "desired"), .payload = "m1", .retained = true}).ok());
  EXPECT_TRUE(RunUntil([&] { return hub->outstanding() == 0; }));
  const auto host = Join("gw-1", host_saw);
  host->Subscribe(topics_.Of(HostId("gw-1"), "desired"));
  ASSERT_TRUE(RunUntil([&] { return !host_saw.messages.empty(); }));
  EXPECT_EQ(host_saw.messages.front().payload, "m1");
  EXPECT_TRUE(host_saw.messages.front().retained);

  EXPECT_TRUE(
      hub->Publish({.topic = topics_.Of(HostId("gw-1"), "desired"), .payload = "m2", .retained = true}).ok());
  ASSERT_TRUE(RunUntil([&] { return host_saw.messages.size() == 2; }));
  EXPECT_FALSE(host_saw.messages.back().retained);

  const std::string large(60'000, 'x');
  EXPECT_TRUE(host->Publish({.topic = topics_.Of(HostId("gw-1"), "up"), .payload = large}).ok());
  ASSERT_TRUE(RunUntil([&] { return !hub_saw.messages.empty(); }));
  EXPECT_EQ(hub_saw.messages.front().payload, large);
  EXPECT_EQ(hub_saw.messages.front().topic, "slicelet/v1/hub-1/h/gw-1/up");
}

TEST_F(MosquittoTest, AHostReachesItsOwnTopicsOnly) {
  Seen hub_saw;
  Seen host_saw;
  const auto hub = Join(kMqttHubUser, hub_saw);
  hub->Subscribe(topics_.OfAll("up"));
  hub->Subscribe(topics_.Hub());
  const auto host = Join("gw-1", host_saw);
  for (const char* filter : {"#", "slicelet/v1/hub-1/h/+/down", "slicelet/v1/hub-1/h/gw-2/down"})
    host->Subscribe(filter);
  host->Subscribe(topics_.Hub());
  Settle(*hub, host_saw);
  EXPECT_TRUE(hub->Publish({.topic = topics_.Of(HostId("gw-2"), "down"), .payload = "for gw-2"}).ok());
  EXPECT_TRUE(host->Publish({.topic = topics_.Of(HostId("gw-2"), "up"), .payload = "forged"}).ok());
  EXPECT_TRUE(host->Publish({.topic = topics_.Of(HostId("gw-1"), "down"), .payload = "forged"}).ok());
  EXPECT_TRUE(host->Publish({.topic = topics_.Hub(), .payload = "forged"}).ok());
  EXPECT_TRUE(host->Publish({.topic = topics_.Of(HostId("gw-1"), "up"), .payload = "own"}).ok());
  ASSERT_TRUE(
      RunUntil([&] { return !hub_saw.messages.empty() && hub_saw.messages.back().payload == "own"; }));
  for (const MqttMessage& message : hub_saw.messages) EXPECT_NE(message.payload, "forged");
  Settle(*hub, host_saw);
  // What an earlier test left on the host's own topics may come late; nothing else may come.
  for (const MqttMessage& message : host_saw.messages) {
    EXPECT_EQ(message.topic, topics_.Of(HostId("gw-1"), "desired"));
    EXPECT_NE(message.payload, "forged");
  }
}

TEST_F(MosquittoTest, AStrangerIsRefused) {
  const auto authority = MakeAuthority("another", SystemClock().Now(), std::chrono::hours(1)).value();
  auto address = broker_.AddressFor(IssueCertificate(authority, {.common_name = "gw-1", .client = true},
                                                     SystemClock().Now(), std::chrono::hours(1))
                                        .value());
  Seen seen;
  const auto host = Connect(address, "gw-1", seen);
  ASSERT_TRUE(RunUntil([&] { return seen.closed.has_value(); }));
  EXPECT_FALSE(seen.connected);

  // Nor do we talk to a broker that another authority vouches for.
  address = broker_.AddressFor(broker_.Issue("gw-1"));
  address.ca = authority.certificate_pem;
  Seen other;
  const auto to_impostor = Connect(address, "gw-1", other);
  ASSERT_TRUE(RunUntil([&] { return other.closed.has_value(); }));
  EXPECT_FALSE(other.connected);
}

TEST_F(MosquittoTest, AKilledBrokerIsNoticedAndForgetsEverything) {
  Seen hub_saw;
  auto hub = Join(kMqttHubUser, hub_saw);
  EXPECT_TRUE(hub->Publish({.topic = topics_.Hub(), .payload = "kept", .retained = true}).ok());
  EXPECT_TRUE(RunUntil([&] { return hub->outstanding() == 0; }));
  broker_.Kill();
  ASSERT_TRUE(RunUntil([&] { return hub_saw.closed.has_value(); }));
  EXPECT_TRUE(absl::IsUnavailable(hub->Publish({.topic = topics_.Hub(), .payload = "x"})));

  Seen refused;
  const auto early = Connect(kMqttHubUser, refused);
  ASSERT_TRUE(RunUntil([&] { return refused.closed.has_value(); }));
  EXPECT_THAT(Message(*refused.closed), HasSubstr("connect"));

  broker_.Start();
  Seen again;
  hub = Join(kMqttHubUser, again);
  hub->Subscribe(topics_.Hub());
  Settle(*hub, again);
  EXPECT_TRUE(again.messages.empty());
}

TEST_F(MosquittoTest, TheWillComesWhenAClientVanishesAndNotWhenItLeaves) {
  Seen hub_saw;
  const auto hub = Join(kMqttHubUser, hub_saw);
  hub->Subscribe(topics_.OfAll("will"));
  hub->Subscribe(topics_.Hub());
  MqttConnection::Options options;
  options.will = MqttMessage{.topic = topics_.Of(HostId("gw-1"), "will"), .payload = "session 1"};
  options.will_delay = Duration::zero();
  Seen first;
  auto leaving = Join("gw-1", first, options);
  leaving->Close();
  leaving.reset();
  Settle(*hub, hub_saw);
  EXPECT_TRUE(hub_saw.messages.empty());

  const std::set<int> others = Sockets();
  Seen second;
  const auto vanishing = Join("gw-1", second, options);
  for (const int one : Sockets()) {
    if (others.count(one) == 0) shutdown(one, SHUT_RDWR);
  }
  ASSERT_TRUE(RunUntil([&] { return second.closed.has_value() && !hub_saw.messages.empty(); }));
  EXPECT_EQ(hub_saw.messages.front().payload, "session 1");
}

TEST_F(MosquittoTest, ASecondClientWithOneIdentityTakesThePlaceOfTheFirst) {
  Seen first;
  Seen second;
  const auto one = Join("gw-1", first);
  const auto two = Join("gw-1", second);
  ASSERT_TRUE(RunUntil([&] { return first.closed.has_value(); }));
  EXPECT_FALSE(second.closed.has_value());
}

TEST_F(MosquittoTest, TheModuleIsTheSameCodeLoadedLater) {
  const auto module = LoadMqttModule(SLICELET_MQTT_MODULE);
  ASSERT_TRUE(module.ok()) << module.status();
  Seen seen;
  const auto dialer = MakeModuleDialer(loop_, **module, broker_.AddressFor(broker_.Issue("gw-1")));
  const auto host = dialer->Connect({.client_id = "gw-1", .will = {}},
                                    {.on_connected = [&seen] { seen.connected = true; }});
  EXPECT_TRUE(RunUntil([&] { return seen.connected; }));

  EXPECT_THAT(Message(LoadMqttModule("/nowhere/slicelet-mqtt.so").status()),
              HasSubstr("/nowhere/slicelet-mqtt.so"));
  EXPECT_THAT(Message(LoadMqttModule("libz.so.1").status()), HasSubstr("is not an MQTT module"));
}

}  // namespace
}  // namespace slicelet
