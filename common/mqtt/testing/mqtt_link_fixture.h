#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/testing/fake_clock.h"
#include "common/loop/testing/sim_loop.h"
#include "common/mqtt/mqtt_host_acceptor.h"
#include "common/mqtt/mqtt_hub_connector.h"
#include "common/mqtt/testing/fake_broker.h"
#include "common/mqtt/topics.h"
#include "common/tls/pki.h"

namespace slicelet {

inline constexpr char kHub[] = "hub-1";

/// A hub's keys and certificates, made once.
struct HubPki {
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

inline const HubPki& ThePki() {
  static const HubPki pki;
  return pki;
}

/// A host's end: one connector, one pipe at a time.
struct LinkedHost {
  LinkedHost(SimLoop& loop, Random& random, FakeBroker& broker, const std::string& the_name,
             std::vector<v1::KeyCertificate> keys = ThePki().keys(),
             MqttHubConnectorOptions::OnKeys on_keys = {})
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
  std::unique_ptr<MessagePipe<v1::HostMessage, v1::HubMessage>> pipe;
  std::uint64_t session = 0;
  std::vector<v1::HubMessage> received;
  std::optional<absl::Status> closed;
};

/// A hub's end that welcomes every Birth and acknowledges every heartbeat.
class MqttLinkFixture : public testing::Test {
 protected:
  using HubPipe = MessagePipe<v1::HubMessage, v1::HostMessage>;

  MqttLinkFixture() { StartHub(); }

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
                              .on_closed = [this](const absl::Status&) { ++closed_; }};
    });
    loop_.Advance(std::chrono::seconds(1));
  }

  void OnMessage(HubPipe& pipe, v1::HostMessage message) {
    v1::HubMessage answer;
    answer.set_session(message.session());
    if (message.has_birth()) {
      answer.mutable_welcome()->set_hub_id(kHub);
      answer.mutable_welcome()->set_hub_time(ToUnixNanos(clock_.Now()));
      answer.mutable_welcome()->set_session_floor(message.session() - 1);
      answer.mutable_welcome()->set_nonce(message.birth().nonce());
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
  void Join(LinkedHost& host, std::uint64_t session) {
    host.Connect();
    host.Birth(session);
    loop_.Advance(std::chrono::seconds(1));
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
  LinkedHost host_{loop_, random_, broker_, "gw-1"};
};

}  // namespace slicelet
