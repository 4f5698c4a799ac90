#include <gmock/gmock.h>

#include "common/base/testing/fake_clock.h"
#include "common/crypto/tls_signing.h"
#include "common/loop/testing/sim_loop.h"
#include "common/mqtt/mqtt_host_acceptor.h"
#include "common/mqtt/mqtt_hub_connector.h"
#include "common/mqtt/testing/fake_broker.h"
#include "common/mqtt/topics.h"
#include "common/tls/pki.h"

namespace slicelet {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using HostPipe = MessagePipe<v1::HostMessage, v1::HubMessage>;
using HubPipe = MessagePipe<v1::HubMessage, v1::HostMessage>;

constexpr char kHub[] = "hub-1";

/// A hub's keys and certificates, made once.
struct Pki {
  CertificateAndKey authority = MakeAuthority("hub", FakeClockStart(), std::chrono::hours(24 * 365)).value();
  std::unique_ptr<Signer> root = MakeSigner(GenerateSigningKeyPem()).value();
  std::unique_ptr<Signer> envelope = MakeSigner(GenerateSigningKeyPem()).value();
  std::unique_ptr<Opener> inbox = MakeOpener(GenerateSealingKeyPem()).value();

  static WallTime FakeClockStart() {
    const SimLoop loop;
    return FakeClock(loop).Now();
  }
  [[nodiscard]] CertificateAndKey Issue(const std::string& name) const {
    return IssueCertificate(authority,
                            {.common_name = name,
                             .uris = {"spiffe://" + std::string(kHub) + "/host/" + name},
                             .client = true},
                            FakeClockStart(), std::chrono::hours(24 * 30))
        .value();
  }
  [[nodiscard]] std::vector<v1::KeyCertificate> keys() const {
    return {CertifyKey(*root, kHub, envelope->public_key(), "envelope", 1),
            CertifyKey(*root, kHub, inbox->public_key(), "inbox", 1)};
  }
};

const Pki& ThePki() {
  static const Pki pki;
  return pki;
}

/// A host's end: one connector, one pipe at a time.
struct Host {
  Host(SimLoop& loop, Random& random, FakeBroker& broker, const std::string& the_name,
       std::vector<v1::KeyCertificate> keys = ThePki().keys(), MqttHubConnectorOptions::OnKeys on_keys = {})
      : name(the_name), dialer(broker.MakeDialer()) {
    const auto identity = ThePki().Issue(name);
    connector = MakeMqttHubConnector({.hub_id = kHub,
                                      .host = HostId(name),
                                      .root_public_key = ThePki().root->public_key(),
                                      .keys = std::move(keys),
                                      .on_keys = std::move(on_keys),
                                      .certificate = identity.certificate_pem,
                                      .key = identity.key_pem},
                                     {loop, random, *dialer, *opener})
                    .value();
  }

  void Connect() {
    closed.reset();
    pipe = connector->Connect({.on_message = [this](v1::HubMessage m) { received.push_back(std::move(m)); },
                               .on_closed = [this](absl::Status status) { closed = std::move(status); }});
  }
  void Birth(std::uint64_t the_session) {
    session = the_session;
    v1::HostMessage message;
    message.mutable_birth()->set_host_id(name);
    message.mutable_birth()->set_sealing_public_key(opener->public_key());
    Say(std::move(message));
  }
  void Say(v1::HostMessage message) {
    message.set_session(session);
    pipe->Send(std::move(message));
  }
  void Heartbeat() {
    v1::HostMessage message;
    message.mutable_heartbeat()->set_want_ack(true);
    Say(std::move(message));
  }
  template <typename Has>
  [[nodiscard]] int Count(Has has) const {
    return static_cast<int>(std::count_if(received.begin(), received.end(), has));
  }

  const std::string name;
  std::unique_ptr<Opener> opener = MakeOpener(GenerateSealingKeyPem()).value();
  std::unique_ptr<MqttDialer> dialer;
  std::unique_ptr<MqttHubConnector> connector;
  std::unique_ptr<HostPipe> pipe;
  std::uint64_t session = 0;
  std::vector<v1::HubMessage> received;
  std::optional<absl::Status> closed;
};

/// A hub's end that welcomes every Birth and acknowledges every heartbeat.
class MqttLinkTest : public testing::Test {
 protected:
  MqttLinkTest() { StartHub(); }

  void StartHub() {
    pipes_.clear();
    acceptor_.reset();
    dialer_ = broker_.MakeDialer();
    acceptor_ = MakeMqttHostAcceptor(
        {.hub_id = kHub, .ca = ThePki().authority.certificate_pem, .keys = ThePki().keys()},
        {loop_, clock_, random_, *dialer_, *ThePki().envelope, *ThePki().inbox});
    acceptor_->Start([this](std::unique_ptr<HubPipe> pipe, const std::string& peer) {
      peers_.push_back(peer);
      pipes_.push_back(std::move(pipe));
      HubPipe* raw = pipes_.back().get();
      newest_ = raw;
      return HubPipe::Handler{.on_message = [this, raw](v1::HostMessage m) { OnMessage(*raw, std::move(m)); },
                              .on_closed = [this](absl::Status) { ++closed_; }};
    });
    loop_.Advance(seconds(1));
  }

  void OnMessage(HubPipe& pipe, v1::HostMessage message) {
    v1::HubMessage answer;
    answer.set_session(message.session());
    if (message.has_birth()) {
      answer.mutable_welcome()->set_hub_id(kHub);
      answer.mutable_welcome()->set_hub_time(ToUnixNanos(clock_.Now()));
      answer.mutable_welcome()->set_session_floor(message.session() - 1);
      pipe.Send(answer);
    } else if (message.has_heartbeat()) {
      answer.mutable_heartbeat_ack()->set_hub_time(ToUnixNanos(clock_.Now()));
      pipe.Send(answer);
    }
    session_ = message.session();
    heard_.push_back(std::move(message));
  }
  void Tell(v1::HubMessage message) {
    message.set_session(session_);
    newest_->Send(std::move(message));
  }
  void Join(Host& host, std::uint64_t session) {
    host.Connect();
    host.Birth(session);
    loop_.Advance(seconds(1));
  }
  static bool IsWelcome(const v1::HubMessage& m) { return m.has_welcome(); }
  static bool IsAck(const v1::HubMessage& m) { return m.has_heartbeat_ack(); }
  static bool IsBlob(const v1::HubMessage& m) { return m.has_blob(); }

  SimLoop loop_;
  FakeClock clock_{loop_};
  SeededRandom random_{7};
  FakeBroker broker_{loop_};
  std::unique_ptr<MqttDialer> dialer_;
  std::unique_ptr<MqttHostAcceptor> acceptor_;
  std::vector<std::unique_ptr<HubPipe>> pipes_;
  HubPipe* newest_ = nullptr;
  std::vector<std::string> peers_;
  std::vector<v1::HostMessage> heard_;
  std::uint64_t session_ = 0;
  int closed_ = 0;
  Host host_{loop_, random_, broker_, "gw-1"};
};

TEST_F(MqttLinkTest, ABirthIsAConnectionAndMessagesTravelBothWays) {
  Join(host_, 5);
  EXPECT_EQ(peers_, (std::vector<std::string>{"gw-1"}));
  ASSERT_EQ(host_.Count(IsWelcome), 1);
  EXPECT_EQ(host_.received.front().session(), 5U);
  host_.Heartbeat();
  loop_.RunReady();
  EXPECT_EQ(host_.Count(IsAck), 1);
  EXPECT_EQ(acceptor_->faults().Total() + host_.connector->faults().Total(), 0U);
}

TEST_F(MqttLinkTest, AHostThatKnowsOnlyTheRootLearnsTheHubsKeys) {
  Host host(loop_, random_, broker_, "gw-2", std::vector<v1::KeyCertificate>());
  Join(host, 1);
  EXPECT_EQ(host.Count(IsWelcome), 1);
}

TEST_F(MqttLinkTest, ANewSessionOnTheSameConnectionIsTheSamePipe) {
  Join(host_, 5);
  host_.Birth(6);
  loop_.RunReady();
  EXPECT_EQ(peers_.size(), 1U);
  EXPECT_EQ(host_.received.back().session(), 6U);
}

TEST_F(MqttLinkTest, TheNewestManifestWaitsForAHostThatIsAway) {
  Join(host_, 5);
  host_.pipe.reset();
  v1::HubMessage desired;
  desired.mutable_desired()->mutable_manifest()->set_manifest("signed elsewhere");
  Tell(desired);
  loop_.RunReady();
  acceptor_->Stop();
  host_.received.clear();
  host_.Connect();
  loop_.RunReady();
  ASSERT_FALSE(host_.received.empty());
  EXPECT_EQ(host_.received.front().desired().manifest().manifest(), "signed elsewhere");
  // It belongs to no session: it does not prove that the hub is alive.
  EXPECT_EQ(host_.received.front().session(), 0U);
}

TEST_F(MqttLinkTest, ALargeManifestTravelsInPartsAndIsNotKept) {
  Join(host_, 5);
  v1::HubMessage desired;
  desired.mutable_desired()->mutable_manifest()->set_manifest("small");
  Tell(desired);
  desired.mutable_desired()->mutable_manifest()->set_manifest(std::string(500'000, 'm'));
  Tell(desired);
  loop_.RunReady();
  EXPECT_EQ(host_.received.back().desired().manifest().manifest().size(), 500'000U);
  EXPECT_TRUE(broker_.LastOn(MqttTopics(kHub).Of(HostId("gw-1"), "desired"))->payload.empty());
}

TEST_F(MqttLinkTest, AWillClosesItsOwnConnectionOnly) {
  Join(host_, 5);
  broker_.Cut("gw-1");
  loop_.RunReady();
  EXPECT_TRUE(host_.closed.has_value());
  // Back before the will's delay is over: it is never published.
  Join(host_, 6);
  loop_.Advance(minutes(2));
  EXPECT_EQ(closed_, 0);
  EXPECT_EQ(peers_.size(), 2U);
  broker_.Cut("gw-1");
  loop_.Advance(seconds(29));
  EXPECT_EQ(closed_, 0);
  loop_.Advance(seconds(2));
  EXPECT_EQ(closed_, 1);
}

TEST_F(MqttLinkTest, ALateWillHarmsNoNewerConnection) {
  Join(host_, 5);
  broker_.Cut("gw-1");
  loop_.Advance(minutes(1));
  EXPECT_EQ(closed_, 1);
  const MqttMessage will = *broker_.LastOn(MqttTopics(kHub).Of(HostId("gw-1"), "will"));
  Join(host_, 6);
  broker_.Inject(will);
  loop_.Advance(seconds(1));
  EXPECT_EQ(closed_, 1);
}

TEST_F(MqttLinkTest, AForgedWillIsMendedByTheHostsNextMessage) {
  Join(host_, 5);
  v1::Will will;
  v1::Envelope envelope;
  v1::EnvelopeBody body;
  v1::EnvelopeContent content;
  v1::BrokerBirth birth;
  ASSERT_TRUE(
      envelope.ParseFromString(broker_.LastOn(MqttTopics(kHub).Of(HostId("gw-1"), "birth"))->payload) &&
      body.ParseFromString(envelope.body()) && content.ParseFromString(body.content()) &&
      birth.ParseFromString(content.plain()));
  will.set_connection(birth.connection());
  broker_.Inject({.topic = MqttTopics(kHub).Of(HostId("gw-1"), "will"), .payload = will.SerializeAsString()});
  loop_.RunReady();
  EXPECT_EQ(closed_, 1);
  host_.Heartbeat();
  loop_.Advance(seconds(1));
  // It is told to begin a session above the one it has.
  EXPECT_EQ(host_.received.back().welcome().session_floor(), 5U);
  host_.Birth(6);
  loop_.Advance(seconds(1));
  EXPECT_EQ(host_.received.back().welcome().session_floor(), 5U);
  EXPECT_EQ(host_.received.back().session(), 6U);
}

TEST_F(MqttLinkTest, AHostWhoseCounterWasLostLearnsWhatItMustExceed) {
  Join(host_, 4);
  Join(host_, 16);
  const MqttMessage former = *std::find_if(
      broker_.seen().begin(), broker_.seen().end(),
      [](const MqttMessage& m) { return m.topic == MqttTopics(kHub).Of(HostId("gw-1"), "birth"); });
  host_.pipe.reset();
  Host again(loop_, random_, broker_, "gw-1");
  Join(again, 1);
  ASSERT_EQ(again.Count(IsWelcome), 1);
  EXPECT_EQ(again.received.back().session(), 1U);
  EXPECT_EQ(again.received.back().welcome().session_floor(), 16U);
  again.Birth(17);
  loop_.Advance(seconds(1));
  EXPECT_EQ(again.received.back().welcome().session_floor(), 16U);
  EXPECT_EQ(again.received.back().session(), 17U);

  // Somebody repeats the first Birth: the answer is of its session, and the present one goes on.
  const std::size_t received = again.received.size();
  loop_.Advance(minutes(1));
  broker_.Inject(former);
  loop_.Advance(seconds(1));
  EXPECT_EQ(again.received.size(), received);
  again.Heartbeat();
  loop_.Advance(seconds(1));
  EXPECT_EQ(again.Count(IsAck), 1);
}

TEST_F(MqttLinkTest, AHubThatBeginsAnewIsTold) {
  Join(host_, 5);
  loop_.Advance(minutes(1));
  broker_.Cut("slicelet_hub-hub-1");
  loop_.RunReady();
  StartHub();
  loop_.Advance(seconds(3));
  // As by a floor, which the host exceeds.
  ASSERT_TRUE(host_.received.back().has_welcome());
  EXPECT_EQ(host_.received.back().welcome().session_floor(), 5U);
  host_.Birth(6);
  loop_.Advance(seconds(1));
  EXPECT_EQ(host_.received.back().session(), 6U);
  EXPECT_NE(host_.received.back().welcome().incarnation(), host_.received.front().welcome().incarnation());
}

TEST_F(MqttLinkTest, AHubThatComesAfterItsHostIsNotKeptWaiting) {
  acceptor_.reset();
  loop_.Advance(seconds(10));
  broker_.Start(/*remembers=*/false);
  host_.Connect();
  host_.Birth(5);
  loop_.Advance(seconds(1));
  StartHub();
  loop_.Advance(seconds(3));
  EXPECT_EQ(host_.received.back().welcome().session_floor(), 5U);
  host_.Birth(6);
  loop_.Advance(seconds(1));
  EXPECT_EQ(host_.received.back().session(), 6U);
  EXPECT_EQ(host_.Count(IsWelcome), 2);
}

TEST_F(MqttLinkTest, AHubThatOnlyLostItsBrokerKeepsItsHosts) {
  Join(host_, 5);
  broker_.Cut("slicelet_hub-hub-1");
  loop_.Advance(minutes(1));
  EXPECT_TRUE(acceptor_->connected());
  host_.Heartbeat();
  loop_.Advance(seconds(1));
  EXPECT_EQ(host_.Count(IsAck), 1);
  EXPECT_EQ(host_.Count(IsWelcome), 1);
  EXPECT_EQ(peers_.size(), 1U);
}

TEST_F(MqttLinkTest, ABrokerThatDiesAndForgetsCostsNothingButTime) {
  Join(host_, 5);
  broker_.Kill();
  loop_.Advance(seconds(1));
  EXPECT_TRUE(host_.closed.has_value());
  host_.Connect();
  loop_.Advance(seconds(1));
  EXPECT_TRUE(host_.closed.has_value());
  broker_.Start(/*remembers=*/false);
  loop_.Advance(minutes(10));
  EXPECT_TRUE(acceptor_->connected());
  Join(host_, 6);
  host_.Heartbeat();
  loop_.Advance(seconds(1));
  EXPECT_EQ(host_.Count(IsAck), 1);
}

TEST_F(MqttLinkTest, ClearedRetainedMessagesAreNotMissed) {
  Join(host_, 5);
  broker_.ClearRetained();
  host_.pipe.reset();
  Join(host_, 6);
  EXPECT_EQ(host_.Count(IsWelcome), 2);
}

TEST_F(MqttLinkTest, TwoHostsWithOneIdentityNeverCountAtTheSameTime) {
  // A cloned disk: the same certificate, the same counter.
  Join(host_, 5);
  Host clone(loop_, random_, broker_, "gw-1");
  Join(clone, 5);
  EXPECT_TRUE(host_.closed.has_value());
  // Its Birth is of no newer session: the hub does not count it as one, and the real host's next one does.
  EXPECT_EQ(clone.Count(IsWelcome), 0);
  Join(host_, 6);
  EXPECT_TRUE(clone.closed.has_value());
  EXPECT_EQ(host_.Count(IsWelcome), 2);
  EXPECT_EQ(peers_.size(), 2U);
}

TEST_F(MqttLinkTest, ABrokerThatDropsLargePacketsStopsBlobsAndNothingElse) {
  broker_.set_max_packet(16 * 1024, /*announced=*/false);
  Join(host_, 5);
  v1::HubMessage blob;
  blob.mutable_blob()->set_digest(std::string(32, 'd'));
  blob.mutable_blob()->set_data(std::string(64 * 1024, 'x'));
  Tell(blob);
  host_.Heartbeat();
  loop_.Advance(seconds(1));
  EXPECT_EQ(host_.Count(IsBlob), 0);
  EXPECT_EQ(host_.Count(IsAck), 1);
}

TEST_F(MqttLinkTest, WhatABrokerSaysIsTooLargeTravelsInSmallerParts) {
  broker_.set_max_packet(8 * 1024, /*announced=*/true);
  Join(host_, 5);
  v1::HubMessage large;
  large.mutable_blob()->set_digest(std::string(32, 'd'));
  large.mutable_blob()->set_data(std::string(64 * 1024, 'x'));
  Tell(large);
  v1::HubMessage desired;
  desired.mutable_desired()->mutable_manifest()->set_manifest(std::string(30'000, 'm'));
  Tell(desired);
  v1::HostMessage report;
  report.mutable_status()->add_workloads()->set_message(std::string(100'000, 's'));
  host_.Say(report);
  loop_.Advance(seconds(1));
  EXPECT_EQ(host_.Count(IsBlob), 1);
  EXPECT_EQ(host_.received.back().desired().manifest().manifest().size(), 30'000U);
  EXPECT_EQ(heard_.back().status().workloads(0).message().size(), 100'000U);
  EXPECT_EQ(broker_.dropped(), 0U);
}

TEST_F(MqttLinkTest, AHostThatMayNotConnectAnyMoreLeavesNothingAtTheBroker) {
  const auto kept = [this] {
    int found = 0;
    for (const char* leaf : {"birth", "desired"})
      found += broker_.Retains(MqttTopics(kHub).Of(HostId("gw-1"), leaf)) ? 1 : 0;
    return found;
  };
  Join(host_, 5);
  v1::HubMessage desired;
  desired.mutable_desired()->mutable_manifest()->set_manifest("small");
  Tell(desired);
  loop_.RunReady();
  EXPECT_EQ(kept(), 2);
  acceptor_->Forget("gw-1");
  loop_.RunReady();
  EXPECT_EQ(kept(), 0);

  // Also when the broker is away at that moment.
  Join(host_, 6);
  EXPECT_EQ(kept(), 1);
  broker_.Kill();
  loop_.RunReady();
  acceptor_->Forget("gw-1");
  broker_.Start(/*remembers=*/true);
  loop_.Advance(minutes(10));
  EXPECT_EQ(kept(), 0);
}

TEST_F(MqttLinkTest, AWithdrawnKeyOfTheHubStaysWithdrawnInTheNextLife) {
  // The hub's envelope key was stolen, and replaced by another with a higher number.
  const auto stolen = MakeSigner(GenerateSigningKeyPem()).value();
  const v1::KeyCertificate former = CertifyKey(*ThePki().root, kHub, stolen->public_key(), "envelope", 0);
  const auto announce = [&](std::int64_t started) {
    v1::HubAnnouncementBody body;
    body.set_hub_id(kHub);
    body.set_incarnation("evil");
    body.set_started(started);
    body.set_online(true);
    v1::HubAnnouncement announcement;
    announcement.set_body(body.SerializeAsString());
    announcement.set_key_id(stolen->key_id());
    announcement.set_signature(stolen->Sign(SignaturePurpose::kHub, announcement.body()));
    *announcement.add_keys() = former;
    broker_.Inject({.topic = MqttTopics(kHub).Hub(), .payload = announcement.SerializeAsString()});
    loop_.Advance(seconds(1));
  };
  std::vector<v1::KeyCertificate> stored;
  Host young(loop_, random_, broker_, "gw-2", {former}, [&](const auto& keys) { stored = keys; });
  Join(young, 1);
  EXPECT_EQ(young.Count(IsWelcome), 1);
  ASSERT_EQ(stored.size(), 2U) << "the hub announced its envelope and its inbox key";
  announce(ToUnixNanos(clock_.Now()) * 2);
  EXPECT_EQ(young.connector->faults().Of(EnvelopeFault::kForged), 1U);

  young.pipe.reset();
  Host again(loop_, random_, broker_, "gw-2", stored);
  Join(again, 2);
  announce(ToUnixNanos(clock_.Now()) * 2);
  EXPECT_EQ(again.connector->faults().Of(EnvelopeFault::kForged), 1U);
}

TEST_F(MqttLinkTest, AFullQueueLosesMessagesAndNotTheSession) {
  Join(host_, 5);
  broker_.set_max_queued(10);
  broker_.Hold(true);
  for (int i = 0; i < 100; ++i) host_.Heartbeat();
  loop_.Advance(seconds(1));
  broker_.Hold(false);
  host_.Heartbeat();
  loop_.Advance(seconds(1));
  EXPECT_GT(broker_.dropped(), 0U);
  EXPECT_GT(host_.Count(IsAck), 0);
  EXPECT_EQ(acceptor_->faults().Total() + host_.connector->faults().Total(), 0U);
}

TEST_F(MqttLinkTest, WhatCameTooLateIsNotRun) {
  Join(host_, 5);
  v1::HubMessage command;
  command.mutable_command()->set_request_id("r1");
  command.mutable_command()->set_expires(ToUnixNanos(clock_.Now() + seconds(30)));
  Tell(command);
  broker_.Hold(true);
  loop_.Advance(seconds(31));
  broker_.Hold(false);
  Tell({});
  loop_.RunReady();
  EXPECT_EQ(host_.Count([](const v1::HubMessage& m) { return m.has_command(); }), 0);
  EXPECT_EQ(host_.connector->faults().Of(EnvelopeFault::kExpired), 1U);
}

// ---- Somebody with the broker's full rights ----

TEST_F(MqttLinkTest, WhateverIsSentAgainIsRefusedAndCounted) {
  Join(host_, 5);
  host_.Heartbeat();
  v1::HubMessage command;
  command.mutable_command()->set_request_id("r1");
  Tell(command);
  loop_.Advance(seconds(1));
  Host other(loop_, random_, broker_, "gw-2");
  Join(other, 9);
  const auto everything = broker_.seen();
  const std::size_t heard = heard_.size();
  const std::size_t received = host_.received.size();
  const std::size_t other_received = other.received.size();
  std::uint64_t replays = 0;
  for (const MqttMessage& message : everything) {
    // On its own topic, on every other topic of the host, and to another host.
    for (const char* leaf : {"birth", "up", "down", "blob/00", "desired"}) {
      for (const char* name : {"gw-1", "gw-2"}) {
        MqttMessage again = message;
        again.topic = MqttTopics(kHub).Of(HostId(name), leaf);
        again.retained = false;
        broker_.Inject(again);
        ++replays;
      }
    }
  }
  loop_.Advance(seconds(1));
  EXPECT_EQ(heard_.size(), heard);
  EXPECT_EQ(host_.received.size(), received);
  EXPECT_EQ(other.received.size(), other_received);
  EXPECT_EQ(
      acceptor_->faults().Total() + host_.connector->faults().Total() + other.connector->faults().Total(),
      replays);
  // And the link goes on.
  host_.Heartbeat();
  loop_.RunReady();
  EXPECT_EQ(heard_.size(), heard + 1);
}

TEST_F(MqttLinkTest, NobodyElseCanSpeakForAHostOrForTheHub) {
  Join(host_, 5);
  const std::size_t heard = heard_.size();
  const std::size_t received = host_.received.size();
  const EnvelopeRoute route{kHub, HostId("gw-1")};
  const auto inject = [&](const std::string& leaf, v1::Channel channel, const Signer& signer,
                          const std::string& certificate, const std::string& bytes) {
    EnvelopeWriter writer(route, signer, channel == v1::CHANNEL_BIRTH ? 99 : 5, 500);
    const auto wires = writer.Write(channel, bytes, {.certificate = certificate}).value();
    for (const auto& wire : wires) {
      broker_.Inject({.topic = MqttTopics(kHub).Of(HostId("gw-1"), leaf), .payload = wire});
    }
  };
  v1::HostMessage birth;
  birth.set_session(99);
  birth.mutable_birth()->set_host_id("gw-1");
  v1::BrokerBirth born;
  born.set_message(birth.SerializeAsString());
  v1::HubMessage order;
  order.set_session(5);
  order.mutable_command()->set_request_id("r1");

  // Another host of the same hub, with its real certificate.
  const auto other = ThePki().Issue("gw-2");
  const auto other_key = MakeTlsSigner(other.key_pem).value();
  inject("birth", v1::CHANNEL_BIRTH, *other_key, other.certificate_pem, born.SerializeAsString());
  inject("up", v1::CHANNEL_UP, *other_key, other.certificate_pem, v1::HostMessage().SerializeAsString());
  inject("down", v1::CHANNEL_DOWN, *other_key, other.certificate_pem, order.SerializeAsString());
  // A certificate in the host's name by another authority.
  const auto authority = MakeAuthority("hub", Pki::FakeClockStart(), std::chrono::hours(24)).value();
  const auto forged =
      IssueCertificate(authority, {.common_name = "gw-1", .uris = {"spiffe://hub-1/host/gw-1"}},
                       Pki::FakeClockStart(), std::chrono::hours(24))
          .value();
  inject("birth", v1::CHANNEL_BIRTH, *MakeTlsSigner(forged.key_pem).value(), forged.certificate_pem,
         born.SerializeAsString());
  // The host's real certificate with somebody else's signature.
  inject("birth", v1::CHANNEL_BIRTH, *other_key, host_.name, born.SerializeAsString());
  // A key that the root certified, but for manifests.
  inject("down", v1::CHANNEL_DOWN, *ThePki().root, "", order.SerializeAsString());
  inject("desired", v1::CHANNEL_DESIRED, *ThePki().root, "", order.SerializeAsString());
  // An announcement by nobody.
  v1::HubAnnouncementBody body;
  body.set_hub_id(kHub);
  body.set_incarnation("evil");
  body.set_started(ToUnixNanos(clock_.Now()) * 2);
  v1::HubAnnouncement announcement;
  announcement.set_body(body.SerializeAsString());
  announcement.set_key_id(ThePki().envelope->key_id());
  announcement.set_signature(other_key->Sign(SignaturePurpose::kHub, announcement.body()));
  broker_.Inject(
      {.topic = MqttTopics(kHub).Hub(), .payload = announcement.SerializeAsString(), .retained = true});

  loop_.Advance(minutes(1));
  EXPECT_EQ(heard_.size(), heard);
  EXPECT_EQ(host_.received.size(), received);
  EXPECT_EQ(acceptor_->faults().Total(), 4U);
  EXPECT_EQ(host_.connector->faults().Total(), 4U);
}

TEST_F(MqttLinkTest, AForgeryThatIsNoTextIsCountedAndMakesTheParserWriteNothing) {
  Join(host_, 5);
  const std::string no_text = "\xff\xfe";
  v1::KeyCertificateBody named;
  named.set_hub_id(kHub);
  // What the generated setter would complain about is written as an attacker writes it: field 2, two bytes.
  const std::string named_so = named.SerializeAsString() + "\x12\x02" + no_text;
  v1::HubAnnouncement announcement;
  announcement.set_body(named_so);
  announcement.set_key_id(no_text);
  announcement.set_signature("none");
  announcement.add_keys()->set_body(named_so);
  v1::Will will;
  will.set_connection(no_text);
  v1::Envelope envelope;
  envelope.set_body(named_so);
  envelope.set_key_id(no_text);

  const MqttTopics topics(kHub);
  testing::internal::CaptureStderr();
  broker_.Inject({.topic = topics.Hub(), .payload = announcement.SerializeAsString()});
  broker_.Inject({.topic = topics.Of(HostId("gw-1"), "will"), .payload = will.SerializeAsString()});
  for (const char* leaf : {"up", "down", "desired", "birth"})
    broker_.Inject({.topic = topics.Of(HostId("gw-1"), leaf), .payload = envelope.SerializeAsString()});
  loop_.Advance(seconds(1));
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_EQ(written.find("UTF-8"), std::string::npos) << written;
  EXPECT_EQ(host_.connector->faults().Of(EnvelopeFault::kForged), 3U);
  EXPECT_EQ(acceptor_->faults().Of(EnvelopeFault::kForged), 2U);
  EXPECT_EQ(host_.connector->faults().Total() + acceptor_->faults().Total(), 5U);
  EXPECT_EQ(closed_, 0);
}

TEST_F(MqttLinkTest, WhatIsPrivateCanNotBeRead) {
  Join(host_, 5);
  v1::HostMessage reply;
  reply.mutable_reply()->set_message("a line of a log with a password");
  host_.Say(reply);
  v1::HubMessage command;
  command.mutable_command()->mutable_open_tunnel()->mutable_exec()->add_command("--token=a password");
  Tell(command);
  loop_.Advance(seconds(1));
  EXPECT_THAT(heard_.back().reply().message(), HasSubstr("password"));
  EXPECT_THAT(host_.received.back().command().open_tunnel().exec().command(0), HasSubstr("password"));
  for (const MqttMessage& message : broker_.seen())
    EXPECT_EQ(message.payload.find("password"), std::string::npos);
}

TEST_F(MqttLinkTest, ARetainedBirthProvesNothingAboutBeingAlive) {
  Join(host_, 5);
  host_.pipe.reset();
  loop_.RunReady();
  const std::size_t heard = heard_.size();
  StartHub();
  EXPECT_EQ(heard_.size(), heard);
  EXPECT_EQ(acceptor_->faults().Total(), 0U);
}

}  // namespace
}  // namespace slicelet
