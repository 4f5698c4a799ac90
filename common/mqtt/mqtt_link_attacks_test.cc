// What somebody with the broker's full rights can and can not do.
#include <gmock/gmock.h>

#include "common/crypto/tls_signing.h"
#include "common/mqtt/hub_keys.h"
#include "common/mqtt/testing/mqtt_link_fixture.h"

namespace slicelet {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

using MqttLinkAttacksTest = MqttLinkFixture;

TEST_F(MqttLinkAttacksTest, WhateverIsSentAgainIsRefusedAndCounted) {
  Join(host_, 5);
  host_.Heartbeat();
  v1::HubMessage command;
  command.mutable_command()->set_request_id("r1");
  Tell(command);
  loop_.Advance(seconds(1));
  LinkedHost other(loop_, random_, broker_, "gw-2");
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

TEST_F(MqttLinkAttacksTest, NobodyElseCanSpeakForAHostOrForTheHub) {
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
  const auto authority = MakeAuthority("hub", HubPki::FakeClockStart(), std::chrono::hours(24)).value();
  const auto forged =
      IssueCertificate(authority, {.common_name = "gw-1", .uris = {"spiffe://hub-1/host/gw-1"}},
                       HubPki::FakeClockStart(), std::chrono::hours(24))
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

TEST_F(MqttLinkAttacksTest, AWithdrawnKeyOfTheHubStaysWithdrawnInTheNextLife) {
  // The hub's envelope key was stolen, and replaced by another with a higher number.
  const auto stolen = MakeSigner(GenerateSigningKeyPem()).value();
  const v1::KeyCertificate former = CertifyKey(*ThePki().root, kHub, stolen->public_key(), "envelope", 0);
  const auto announce = [&](std::int64_t started) {
    v1::HubAnnouncementBody body;
    body.set_hub_id(kHub);
    body.set_incarnation("evil");
    body.set_started(started);
    body.set_online(true);
    broker_.Inject({.topic = MqttTopics(kHub).Hub(),
                    .payload = SignAnnouncement(body, *stolen, {former}).SerializeAsString()});
    loop_.Advance(seconds(1));
  };
  std::vector<v1::KeyCertificate> stored;
  LinkedHost young(loop_, random_, broker_, "gw-2", {former}, [&](const auto& keys) { stored = keys; });
  Join(young, 1);
  EXPECT_EQ(young.Count(IsWelcome), 1);
  ASSERT_EQ(stored.size(), 2U) << "the hub announced its envelope and its inbox key";
  announce(ToUnixNanos(clock_.Now()) * 2);
  EXPECT_EQ(young.connector->faults().Of(EnvelopeFault::kForged), 1U);

  young.pipe.reset();
  LinkedHost again(loop_, random_, broker_, "gw-2", stored);
  Join(again, 2);
  announce(ToUnixNanos(clock_.Now()) * 2);
  EXPECT_EQ(again.connector->faults().Of(EnvelopeFault::kForged), 1U);
}

TEST_F(MqttLinkAttacksTest, AForgedWillIsMendedByTheHostsNextMessage) {
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

TEST_F(MqttLinkAttacksTest, AForgeryThatIsNoTextIsCountedAndMakesTheParserWriteNothing) {
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

TEST_F(MqttLinkAttacksTest, WhatIsPrivateCanNotBeRead) {
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

}  // namespace
}  // namespace slicelet
