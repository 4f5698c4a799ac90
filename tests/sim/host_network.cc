#include "tests/sim/host_network.h"

#include <map>
#include <set>
#include <utility>

#include "common/mqtt/mqtt_host_acceptor.h"
#include "common/mqtt/mqtt_hub_connector.h"
#include "common/mqtt/topics.h"
#include "common/tls/pki.h"
#include "tests/sim/crypto.h"
#include "tests/sim/machines.h"

namespace slicelet::sim {

const char kHubClient[] = "slicelet_hub-hub-1";

namespace {

class StreamNetwork : public HostNetwork {
 public:
  StreamNetwork(Loop& loop, Random& random) : link_(loop, random) {}

  std::unique_ptr<HostConnector> MakeConnector(const std::string& host, Random&, const Opener&) override {
    return link_.MakeConnector(host);
  }
  std::unique_ptr<HubAcceptor> MakeAcceptor(Clock&, Random&) override { return link_.MakeAcceptor(); }
  void SetFaults(const LinkFaults& faults) override { link_.SetFaults(faults); }
  void SetSilence(const std::string& host, Silence silence) override {
    silent_.insert(host);
    link_.SetSilence(host, silence);
  }
  void Break(const std::string& host) override { link_.Break(host); }
  void Heal() override {
    for (const std::string& host : silent_) link_.SetSilence(host, Silence::kNone);
  }

 private:
  LocalLink<v1::HostMessage, v1::HubMessage> link_;
  std::set<std::string> silent_;
};

/// Certificates of the hub and its hosts. Making them costs more than a schedule, so that there is one set.
struct Identities {
  static const Identities& All() {
    static const Identities all;
    return all;
  }
  Identities() {
    SealingKeyPem(0);
    SeedCrypto(8);
    const SimLoop loop;
    // Long before and after all that clocks which jump may say.
    const WallTime from = FakeClock(loop).Now() - std::chrono::hours(24 * 365);
    const Duration validity = std::chrono::hours(24 * 365 * 3);
    authority = MakeAuthority("hub", from, validity).value();
    for (int n = 1; n <= 9; ++n) {
      const std::string name = "gw-" + std::to_string(n);
      hosts[name] = IssueCertificate(authority,
                                     {.common_name = name,
                                      .uris = {"spiffe://" + std::string(kHubId) + "/host/" + name},
                                      .client = true},
                                     from, validity)
                        .value();
    }
  }

  CertificateAndKey authority;
  std::map<std::string, CertificateAndKey> hosts;
};

/// Looks at what one end accepts of the broker.
class AcceptedOnce {
 public:
  AcceptedOnce(const SimBroker& broker, Story& story, std::string who)
      : broker_(broker), story_(story), who_(std::move(who)) {}

  void Check() {
    const SimBroker::Publication* publication = broker_.current();
    // Made by the link itself, or retained: then its Generation orders it.
    if (publication == nullptr || publication->message.topic.ends_with("/desired")) return;
    if (publication->forged) story_.Violate(who_ + " accepts what was forged: " + publication->message.topic);
    if (!accepted_.insert(publication->origin).second)
      story_.Violate(who_ + " accepts the same envelope twice: " + publication->message.topic);
  }

 private:
  const SimBroker& broker_;
  Story& story_;
  const std::string who_;
  std::set<std::uint64_t> accepted_;
};

class WatchedConnector : public HostNetwork::HostConnector {
 public:
  WatchedConnector(std::unique_ptr<HostNetwork::HostConnector> inner, AcceptedOnce watch)
      : inner_(std::move(inner)), watch_(std::make_shared<AcceptedOnce>(std::move(watch))) {}
  std::unique_ptr<Pipe> Connect(Pipe::Handler handler) override {
    handler.on_message = [watch = watch_, deliver = std::move(handler.on_message)](v1::HubMessage message) {
      watch->Check();
      deliver(std::move(message));
    };
    return inner_->Connect(std::move(handler));
  }

 private:
  std::unique_ptr<HostNetwork::HostConnector> inner_;
  std::shared_ptr<AcceptedOnce> watch_;
};

class WatchedAcceptor : public HostNetwork::HubAcceptor {
 public:
  WatchedAcceptor(std::unique_ptr<HostNetwork::HubAcceptor> inner, AcceptedOnce watch)
      : inner_(std::move(inner)), watch_(std::make_shared<AcceptedOnce>(std::move(watch))) {}
  void Start(OnAccept on_accept) override {
    inner_->Start([watch = watch_, on_accept = std::move(on_accept)](std::unique_ptr<Pipe> pipe,
                                                                     const std::string& peer) {
      auto handler = on_accept(std::move(pipe), peer);
      handler.on_message = [watch, deliver = std::move(handler.on_message)](v1::HostMessage message) {
        watch->Check();
        if (deliver) deliver(std::move(message));
      };
      return handler;
    });
  }

 private:
  std::unique_ptr<HostNetwork::HubAcceptor> inner_;
  std::shared_ptr<AcceptedOnce> watch_;
};

class BrokerNetwork : public HostNetwork {
 public:
  BrokerNetwork(Loop& loop, Random& random, const Signer& root, Story& story)
      : loop_(loop),
        story_(story),
        broker_(loop, random),
        root_key_(root.public_key()),
        signer_(MakeSignerFromSeed(std::string(32, 'e'))),
        inbox_(MakeOpener(SealingKeyPem(0)).value()),
        keys_{CertifyKey(root, kHubId, signer_->public_key(), "envelope", 1),
              CertifyKey(root, kHubId, inbox_->public_key(), "inbox", 1)} {}

  std::unique_ptr<HostConnector> MakeConnector(const std::string& host, Random& random,
                                               const Opener& opener) override {
    const CertificateAndKey& identity = Identities::All().hosts.at(host);
    auto connector = MakeMqttHubConnector({.hub_id = kHubId,
                                           .host = HostId(host),
                                           .root_public_key = root_key_,
                                           .keys = keys_,
                                           .certificate = identity.certificate_pem,
                                           .key = identity.key_pem},
                                          {loop_, random, broker_.dialer(), opener});
    return std::make_unique<WatchedConnector>(*std::move(connector), AcceptedOnce(broker_, story_, host));
  }
  std::unique_ptr<HubAcceptor> MakeAcceptor(Clock& clock, Random& random) override {
    auto acceptor = MakeMqttHostAcceptor(
        {.hub_id = kHubId, .ca = Identities::All().authority.certificate_pem, .keys = keys_},
        {loop_, clock, random, broker_.dialer(), *signer_, *inbox_});
    return std::make_unique<WatchedAcceptor>(std::move(acceptor),
                                             AcceptedOnce(broker_, story_, "the provider"));
  }

  void SetFaults(const LinkFaults& faults) override { broker_.SetFaults(faults); }
  void SetSilence(const std::string& host, Silence silence) override { broker_.SetSilence(host, silence); }
  void Break(const std::string& host) override { broker_.Cut(host); }
  void Heal() override { broker_.Heal(); }
  SimBroker* broker() override { return &broker_; }

 private:
  Loop& loop_;
  Story& story_;
  SimBroker broker_;
  const std::string root_key_;
  const std::unique_ptr<Signer> signer_;
  const std::unique_ptr<Opener> inbox_;
  const std::vector<v1::KeyCertificate> keys_;
};

}  // namespace

std::unique_ptr<HostNetwork> MakeStreamNetwork(Loop& loop, Random& random) {
  return std::make_unique<StreamNetwork>(loop, random);
}

std::unique_ptr<HostNetwork> MakeBrokerNetwork(Loop& loop, Random& random, const Signer& root, Story& story) {
  // They take random bytes of their own, not of this schedule.
  Identities::All();
  return std::make_unique<BrokerNetwork>(loop, random, root, story);
}

}  // namespace slicelet::sim
