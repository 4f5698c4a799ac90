#include "provider/enrol/mqtt_files.h"

#include <nlohmann/json.hpp>

#include "common/crypto/sealing.h"
#include "common/mqtt/mosquitto_files.h"
#include "common/mqtt/topics.h"
#include "common/tls/revocation.h"
#include "provider/enrol/certificate_names.h"

namespace slicelet::provider {
namespace {

constexpr std::uint32_t kSecret = 0600;
constexpr std::uint32_t kPublic = 0644;

}  // namespace

absl::StatusOr<std::vector<HubFile>> MakeMqttFiles(const std::string& directory,
                                                   const MqttHubOptions& options,
                                                   const CertificateAndKey& authority, const Signer& root,
                                                   WallTime now) {
  const std::string host = options.endpoint.substr(0, options.endpoint.rfind(':'));
  CertificateTemplate broker{.common_name = "slicelet-broker", .dns_names = {"localhost"}, .server = true};
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  AddName(broker, brackets ? host.substr(1, host.size() - 2) : host);
  for (const std::string& name : options.alternative_names) AddName(broker, name);
  SLICELET_ASSIGN_OR_RETURN(const CertificateAndKey broker_identity,
                            IssueCertificate(authority, broker, now, options.certificate_validity));
  SLICELET_ASSIGN_OR_RETURN(const CertificateAndKey hub_identity,
                            IssueCertificate(authority, {.common_name = kMqttHubUser, .client = true}, now,
                                             options.certificate_validity));
  const std::string envelope_key = GenerateSigningKeyPem();
  const std::string inbox_key = GenerateSealingKeyPem();
  SLICELET_ASSIGN_OR_RETURN(const auto signer, MakeSigner(envelope_key));
  SLICELET_ASSIGN_OR_RETURN(const auto opener, MakeOpener(inbox_key));
  const auto certify = [&](const std::string& public_key, const std::string& purpose) {
    return CertifyKey(root, options.hub, public_key, purpose, 1).SerializeAsString();
  };
  SLICELET_ASSIGN_OR_RETURN(const std::string revoked, MakeRevocationList(authority, "", "", now));
  const std::string own = directory + "/mosquitto";
  return std::vector<HubFile>{
      {"mqtt.crt", hub_identity.certificate_pem, kPublic},
      {"mqtt.key", hub_identity.key_pem, kSecret},
      {"envelope.key", envelope_key, kSecret},
      {"envelope.cert", certify(signer->public_key(), "envelope"), kPublic},
      {"inbox.key", inbox_key, kSecret},
      {"inbox.cert", certify(opener->public_key(), "inbox"), kPublic},
      {"mosquitto/ca.crt", authority.certificate_pem, kPublic},
      {"mosquitto/mqtt-broker.crt", broker_identity.certificate_pem, kPublic},
      {"mosquitto/mqtt-broker.key", broker_identity.key_pem, kSecret},
      {std::string("mosquitto/") + kRevocationListFile, revoked, kPublic},
      {"mosquitto/mosquitto.acl", MosquittoAccessList(options.hub), kPublic},
      {"mosquitto/mosquitto.conf",
       MosquittoConfiguration({.hub = options.hub, .listen = options.listen, .directory = own}), kPublic},
  };
}

std::string MqttProviderYaml(const std::string& directory, const std::string& endpoint) {
  const auto quoted = [&](const std::string& file) { return nlohmann::json(directory + "/" + file).dump(); };
  return "mqtt:\n  broker: " + nlohmann::json(endpoint).dump() + "\n  ca: " + quoted("ca.crt") +
         "\n  certificate: " + quoted("mqtt.crt") + "\n  key: " + quoted("mqtt.key") +
         "\n  envelopeKey: " + quoted("envelope.key") + "\n  inboxKey: " + quoted("inbox.key") +
         "\n  keyCertificates: [" + quoted("envelope.cert") + ", " + quoted("inbox.cert") + "]\n";
}

}  // namespace slicelet::provider
