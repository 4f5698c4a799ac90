#include <gmock/gmock.h>

#include <algorithm>
#include <deque>
#include <fstream>
#include <mutex>

#include "common/loop/testing/run_until.h"
#include "common/mqtt/module_dialer.h"
#include "common/mqtt/testing/mosquitto.h"

namespace slicelet {
namespace {

using testing::HasSubstr;

/// What one client saw.
struct Seen {
  bool connected = false;
  std::deque<MqttMessage> messages;
  std::optional<absl::Status> closed;
  std::vector<std::uint64_t> taken;
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
                                       const MqttConnection::Options& options = {}) {
    return Join(broker_.AddressFor(broker_.Issue(user)), user, seen, options);
  }
  /// Again when it fails: Paho 1.3 finds connections by their sockets' numbers, and may lay what was wrong
  /// with a former one to the next that has its number.
  std::unique_ptr<MqttConnection> Join(const MqttBrokerAddress& address, const std::string& id, Seen& seen,
                                       const MqttConnection::Options& options = {}) {
    std::unique_ptr<MqttConnection> connection;
    EXPECT_TRUE(RunUntil([&] {
      connection.reset();
      seen = {};
      connection = Connect(address, id, seen, options);
      EXPECT_TRUE(RunUntil([&] { return seen.connected || seen.closed; }));
      return seen.connected;
    })) << (seen.closed ? Message(*seen.closed) : "");
    return connection;
  }

  bool RunUntil(const std::function<bool()>& done) { return RunLoopUntil(loop_, done); }
  /// The broker reads what comes by one connection in its order, but connections as it likes: what others
  /// publish from here on meets what this one has subscribed to. It may write to `topic`, and nobody reads
  /// it.
  void AwaitSubscriptions(MqttConnection& connection, const std::string& topic) {
    EXPECT_TRUE(connection.Publish({.topic = topic, .payload = "x"}).ok());
    EXPECT_TRUE(RunUntil([&] { return connection.outstanding() == 0; }));
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

TEST_F(MosquittoTest, WhatIsSentAtMostOnceComesAndWaitsForNoAnswer) {
  Seen hub_saw;
  Seen host_saw;
  const auto hub = Join(kMqttHubUser, hub_saw);
  hub->Subscribe(topics_.OfAll("up"));
  AwaitSubscriptions(*hub, topics_.Of(HostId("gw-9"), "down"));
  const auto host = Join("gw-1", host_saw);
  EXPECT_TRUE(
      host->Publish({.topic = topics_.Of(HostId("gw-1"), "up"), .payload = "beat", .at_most_once = true})
          .ok());
  ASSERT_TRUE(RunUntil([&] { return !hub_saw.messages.empty() && host->outstanding() == 0; }));
  EXPECT_EQ(hub_saw.messages.front().payload, "beat");
}

TEST_F(MosquittoTest, TheBrokerSaysWhatItTakesAtMost) {
  Seen seen;
  const auto host = Join("gw-1", seen);
  EXPECT_EQ(host->max_packet(), 262'144U) << "as mosquitto.conf says";
}

TEST_F(MosquittoTest, AHostReachesItsOwnTopicsOnly) {
  Seen hub_saw;
  Seen host_saw;
  const auto hub = Join(kMqttHubUser, hub_saw);
  hub->Subscribe(topics_.OfAll("up"));
  hub->Subscribe(topics_.Hub());
  AwaitSubscriptions(*hub, topics_.Of(HostId("gw-9"), "down"));
  const auto host = Join("gw-1", host_saw);
  for (const char* filter : {"#", "slicelet/v1/hub-1/h/+/down", "slicelet/v1/hub-1/h/gw-2/down"})
    host->Subscribe(filter);
  host->Subscribe(topics_.Hub());
  AwaitSubscriptions(*host, topics_.Of(HostId("gw-1"), "birth"));
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
  // A mark may come twice, and what an earlier test left on the host's own topics late; nothing else may
  // come.
  for (const MqttMessage& message : host_saw.messages) {
    EXPECT_TRUE(message.payload.rfind("mark-", 0) == 0 ||
                message.topic == topics_.Of(HostId("gw-1"), "desired"))
        << message.topic;
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

TEST_F(MosquittoTest, ARevokedHostIsRefusedAndTheOthersAreNot) {
  const auto lost = broker_.AddressFor(broker_.Issue("gw-1"));
  const auto is_let_in = [&](const MqttBrokerAddress& address, const std::string& id) {
    Seen seen;
    const auto host = Connect(address, id, seen);
    EXPECT_TRUE(RunUntil([&] { return seen.connected || seen.closed; }));
    return seen.connected;
  };
  EXPECT_TRUE(is_let_in(lost, "gw-1"));
  broker_.Revoke(lost.certificate);
  broker_.Restart();
  EXPECT_FALSE(is_let_in(lost, "gw-1"));
  // Everybody is judged by its own certificate, also by a new one of the same name.
  for (const char* user : {kMqttHubUser, "gw-2", "gw-1"}) {
    Seen seen;
    Join(user, seen);
  }
  EXPECT_FALSE(is_let_in(lost, "gw-1"));
}

TEST_F(MosquittoTest, RenewedCertificatesCountForNewConnectionsOnBothSides) {
  const auto until = [&](const std::string& pem, Duration from_now) {
    const WallTime begin = SystemClock().Now() - std::chrono::hours(48);
    return RenewCertificate(broker_.authority(), pem, begin, std::chrono::hours(48) + from_now).value();
  };
  const Duration ended = -std::chrono::hours(1);
  const Duration good = std::chrono::hours(1);
  auto address = broker_.AddressFor(broker_.Issue(kMqttHubUser));
  const auto dialer = MakeAskingModuleDialer(loop_, *slicelet_mqtt_module_v1(), [&] { return address; });
  const auto connects = [&] {
    Seen seen;
    const auto hub =
        dialer->Connect({.client_id = kMqttHubUser, .will = {}},
                        {.on_connected = [&seen] { seen.connected = true; },
                         .on_closed = [&seen](absl::Status why) { seen.closed = std::move(why); }});
    EXPECT_TRUE(RunUntil([&] { return seen.connected || seen.closed; }));
    return seen.connected;
  };
  Seen stays;
  const auto before = Join("gw-1", stays);
  address.certificate = until(address.certificate, ended);
  EXPECT_FALSE(connects());
  address.certificate = until(address.certificate, good);
  // As in Join.
  EXPECT_TRUE(RunUntil(connects));
  EXPECT_FALSE(stays.closed.has_value()) << "what stood before stands still";

  const auto replace = [&](Duration from_now) {
    std::ifstream file(broker_.directory() + "/mqtt-broker.crt");
    const std::string former(std::istreambuf_iterator<char>(file), {});
    broker_.Write("mqtt-broker.crt", until(former, from_now));
    broker_.Restart();
  };
  replace(ended);
  EXPECT_FALSE(connects());
  replace(good);
  EXPECT_TRUE(RunUntil(connects));
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

  // The library closes the socket of who left on a thread of its own, and its number is given anew.
  ASSERT_TRUE(RunUntil([&] { return Sockets().size() == 1; }));
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

/// MQTT 3.1.1 without TLS: what EdgeX's bus and older servers speak.
class OldProtocolTest : public MosquittoTest {
 protected:
  /// What comes, on the library's thread.
  struct Kept {
    std::mutex mutex;
    std::vector<std::string> payloads;
    std::size_t Count() {
      const std::lock_guard lock(mutex);
      return payloads.size();
    }
    bool Has(const std::string& payload) {
      const std::lock_guard lock(mutex);
      return std::find(payloads.begin(), payloads.end(), payload) != payloads.end();
    }
    std::string Last() {
      const std::lock_guard lock(mutex);
      return payloads.empty() ? "" : payloads.back();
    }
  };

  MqttBrokerAddress Address() const { return {.endpoint = plain_.endpoint(), .tls = false, .protocol = 3}; }
  std::unique_ptr<MqttConnection> Keep(const MqttBrokerAddress& address, Seen& seen, Kept& kept) {
    return MakeModuleDialer(loop_, *slicelet_mqtt_module_v1(), address)
        ->Connect({.client_id = "keeper", .will = {}},
                  {.on_connected = [&seen] { seen.connected = true; },
                   .on_arrival =
                       [&kept](const MqttMessage& message) {
                         const std::lock_guard lock(kept.mutex);
                         kept.payloads.push_back(message.payload);
                       },
                   .on_taken = [&seen](std::uint64_t id) { seen.taken.push_back(id); },
                   .on_closed = [&seen](absl::Status status) { seen.closed = std::move(status); }});
  }

  OpenMosquitto plain_;
};

TEST_F(OldProtocolTest, TheBrokerKeepsASessionsMessagesUntilTheyArrived) {
  Seen seen;
  Kept kept;
  auto keeper = Keep(Address(), seen, kept);
  ASSERT_TRUE(RunUntil([&] { return seen.connected; }));
  keeper->Subscribe("events/#");
  // Published by the subscriber itself, so that the subscription stands when the answer is there.
  ASSERT_TRUE(keeper->Publish({.topic = "events/1", .payload = "one", .id = 41}).ok());
  ASSERT_TRUE(RunUntil([&] { return kept.Count() == 1 && !seen.taken.empty(); }));
  EXPECT_THAT(seen.taken, testing::ElementsAre(41));
  EXPECT_EQ(keeper->outstanding(), 0U);
  keeper.reset();

  Seen other;
  const auto publisher = Connect(Address(), "publisher", other);
  ASSERT_TRUE(RunUntil([&] { return other.connected; }));
  ASSERT_TRUE(publisher->Publish({.topic = "events/2", .payload = "two"}).ok());
  ASSERT_TRUE(RunUntil([&] { return publisher->outstanding() == 0; }));

  Seen again;
  keeper = Keep(Address(), again, kept);
  // The first may come once more, if its connection ended before the broker was told that it arrived.
  ASSERT_TRUE(RunUntil([&] { return kept.Last() == "two"; }));
}

TEST_F(OldProtocolTest, WhatArrivesWhileItLeavesIsKeptToo) {
  Kept kept;
  Seen other;
  const auto publisher = Connect(Address(), "publisher", other);
  ASSERT_TRUE(RunUntil([&] { return other.connected; }));
  constexpr std::size_t kBurst = 300;
  std::size_t published = 0;
  for (int round = 1; round <= 8; ++round) {
    Seen seen;
    const auto keeper = Keep(Address(), seen, kept);
    ASSERT_TRUE(RunUntil([&] { return seen.connected; }));
    keeper->Subscribe("events/#");
    // The subscription stands once the keeper's own message is back.
    const std::string mark = "round " + std::to_string(round);
    ASSERT_TRUE(keeper->Publish({.topic = "events/mark", .payload = mark}).ok());
    ASSERT_TRUE(RunUntil([&] { return kept.Has(mark); }));
    for (std::size_t i = 0; i < kBurst; ++i) {
      ASSERT_TRUE(publisher->Publish({.topic = "events/1", .payload = std::to_string(++published)}).ok());
    }
    // In the midst of them it leaves.
    const std::string one = std::to_string(published - kBurst + 20);
    ASSERT_TRUE(RunUntil([&] { return kept.Has(one); }));
  }
  Seen seen;
  const auto keeper = Keep(Address(), seen, kept);
  ASSERT_TRUE(RunUntil([&] { return kept.Has(std::to_string(published)); }));
  for (std::size_t i = 1; i <= published; ++i) EXPECT_TRUE(kept.Has(std::to_string(i))) << i << " is lost";
}

TEST_F(OldProtocolTest, ASessionOfNoLengthIsForgotten) {
  Seen seen;
  auto visitor = Connect(Address(), "visitor", seen, {.session_expiry = Duration::zero()});
  ASSERT_TRUE(RunUntil([&] { return seen.connected; }));
  visitor->Subscribe("events/#");
  ASSERT_TRUE(visitor->Publish({.topic = "events/1", .payload = "one"}).ok());
  ASSERT_TRUE(RunUntil([&] { return seen.messages.size() == 1; }));
  visitor.reset();
  Seen other;
  const auto publisher = Connect(Address(), "publisher", other);
  ASSERT_TRUE(RunUntil([&] { return other.connected; }));
  ASSERT_TRUE(publisher->Publish({.topic = "events/2", .payload = "two"}).ok());
  ASSERT_TRUE(RunUntil([&] { return publisher->outstanding() == 0; }));

  Seen again;
  visitor = Connect(Address(), "visitor", again, {.session_expiry = Duration::zero()});
  ASSERT_TRUE(RunUntil([&] { return again.connected; }));
  visitor->Subscribe("events/#");
  ASSERT_TRUE(visitor->Publish({.topic = "events/3", .payload = "three"}).ok());
  ASSERT_TRUE(RunUntil([&] { return !again.messages.empty(); }));
  EXPECT_EQ(again.messages.front().payload, "three");
}

TEST_F(OldProtocolTest, AWrongPasswordIsCalledThat) {
  plain_.Kill();
  // "right", as mosquitto_passwd writes it.
  plain_.Write("passwords",
               "gw-1:$7$101$UN2gRqs2L7SY+3Ac$lWH0F2uWgUebxV4+"
               "TRQJltum73yTYckuC0Aa1bLqJorNBGmcz8JAVyNalMxrHvVgPKxRO8f2DQBQVCnDOpyyyQ==\n");
  plain_.Write("mosquitto.conf", "listener " + std::to_string(plain_.port()) + " 127.0.0.1\npassword_file " +
                                     plain_.directory() + "/passwords\n");
  plain_.Start();
  auto address = Address();
  address.username = "gw-1";
  address.password = "wrong";
  Seen refused;
  const auto stranger = Connect(address, "gw-1", refused);
  ASSERT_TRUE(RunUntil([&] { return refused.closed.has_value(); }));
  EXPECT_THAT(Message(*refused.closed), HasSubstr("not authorized"));
  address.password = "right";
  Seen seen;
  const auto known = Join(address, "gw-1", seen);
}

}  // namespace
}  // namespace slicelet
