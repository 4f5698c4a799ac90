#include "provider/app/broker.h"

#include "common/log/log.h"
#include "common/mqtt/module_dialer.h"

namespace slicelet::provider {
namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{64} * 1'024;

/// The hub's certificate at the broker may have been renewed since the last connection. Files that can not be
/// read leave the former in force.
void TakeRenewed(const ProviderMqtt& config, FileSystem& files, MqttBrokerAddress& address) {
  auto certificate = files.Read(config.certificate_file, kMaxFile);
  auto key = files.Read(config.key_file, kMaxFile);
  if (!certificate.ok() || !key.ok()) {
    const absl::Status& why = certificate.ok() ? key.status() : certificate.status();
    return LogWarning("certificate for the broker not read again", {{"why", Message(why)}});
  }
  address.certificate = *std::move(certificate);
  address.key = *std::move(key);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Broker>> Broker::Make(const std::string& hub_id, const ProviderMqtt& config,
                                                     FileSystem& files, Loop& loop, Clock& clock,
                                                     Random& random) {
  auto broker = std::make_unique<Broker>();
  MqttBrokerAddress address{.endpoint = config.broker};
  SLICELET_ASSIGN_OR_RETURN(address.ca, files.Read(config.ca_file, kMaxFile));
  SLICELET_ASSIGN_OR_RETURN(address.certificate, files.Read(config.certificate_file, kMaxFile));
  SLICELET_ASSIGN_OR_RETURN(address.key, files.Read(config.key_file, kMaxFile));
  SLICELET_ASSIGN_OR_RETURN(const std::string envelope_key, files.Read(config.envelope_key_file, kMaxFile));
  SLICELET_ASSIGN_OR_RETURN(broker->signer_, MakeSigner(envelope_key));
  SLICELET_ASSIGN_OR_RETURN(const std::string inbox_key, files.Read(config.inbox_key_file, kMaxFile));
  SLICELET_ASSIGN_OR_RETURN(broker->opener_, MakeOpener(inbox_key));
  MqttHostAcceptorOptions options{
      .hub_id = hub_id, .ca = address.ca, .keys = {}, .keepalive = config.keepalive};
  for (const std::string& path : config.key_certificate_files) {
    SLICELET_ASSIGN_OR_RETURN(const std::string bytes, files.Read(path, kMaxFile));
    if (!options.keys.emplace_back().ParseFromString(bytes))
      return absl::InvalidArgumentError(path + " is not a key certificate");
  }
  broker->dialer_ = MakeAskingModuleDialer(loop, *slicelet_mqtt_module_v1(),
                                           [address = std::move(address), config, &files]() mutable {
                                             TakeRenewed(config, files, address);
                                             return address;
                                           });
  broker->hosts_ = MakeMqttHostAcceptor(
      std::move(options), {loop, clock, random, *broker->dialer_, *broker->signer_, *broker->opener_});
  return broker;
}

void Broker::AddMetrics(MetricsPage& page) const {
  page.Gauge("slicelet_provider_mqtt_connected", "1 while the hub is connected to its broker.",
             hosts_->connected() ? 1 : 0);
  for (std::size_t i = 0; i < kEnvelopeFaults; ++i) {
    const auto fault = static_cast<EnvelopeFault>(i);
    page.Counter("slicelet_provider_mqtt_refused_total", "Messages from the broker that were not accepted.",
                 static_cast<double>(hosts_->faults().Of(fault)), {{"reason", FaultName(fault)}});
  }
}

}  // namespace slicelet::provider
