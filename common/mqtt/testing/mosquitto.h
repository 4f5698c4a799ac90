#pragma once

#include <chrono>
#include <string>

#include "common/mqtt/module_dialer.h"
#include "common/mqtt/mosquitto_files.h"
#include "common/mqtt/testing/mosquitto_process.h"
#include "common/mqtt/topics.h"
#include "common/tls/pki.h"
#include "common/tls/revocation.h"

namespace slicelet {

/// A real mosquitto with the configuration and the access list that `hub init` writes.
class Mosquitto : public MosquittoProcess {
 public:
  explicit Mosquitto(std::string hub, const std::string& more = "") : hub_(std::move(hub)) {
    authority_ = MakeAuthority("slicelet hub " + hub_, Now(), std::chrono::hours(24)).value();
    const auto broker = IssueCertificate(authority_,
                                         {.common_name = "broker",
                                          .dns_names = {"localhost"},
                                          .ip_addresses = {"127.0.0.1"},
                                          .server = true},
                                         Now(), std::chrono::hours(24))
                            .value();
    Write("ca.crt", authority_.certificate_pem);
    Write("mqtt-broker.crt", broker.certificate_pem);
    Write("mqtt-broker.key", broker.key_pem);
    Write("mosquitto.acl", MosquittoAccessList(hub_));
    Revoke("");
    Write("mosquitto.conf",
          MosquittoConfiguration(
              {.hub = hub_, .listen = "127.0.0.1:" + std::to_string(port()), .directory = directory()}) +
              more);
    Start();
  }

  [[nodiscard]] MqttBrokerAddress AddressFor(const CertificateAndKey& identity) const {
    return {.endpoint = "127.0.0.1:" + std::to_string(port()),
            .ca = authority_.certificate_pem,
            .certificate = identity.certificate_pem,
            .key = identity.key_pem};
  }
  [[nodiscard]] CertificateAndKey Issue(const std::string& name) const {
    return IssueCertificate(
               authority_,
               {.common_name = name, .uris = {"spiffe://" + hub_ + "/host/" + name}, .client = true}, Now(),
               std::chrono::hours(24))
        .value();
  }
  /// It refuses these certificates, and no others, from its next start or `Reload` on.
  void Revoke(const std::string& certificates_pem) const {
    Write(kRevocationListFile, MakeRevocationList(authority_, "", certificates_pem, Now()).value());
  }
  [[nodiscard]] const CertificateAndKey& authority() const { return authority_; }

 private:
  static WallTime Now() { return SystemClock().Now(); }

  std::string hub_;
  CertificateAndKey authority_;
};

}  // namespace slicelet
