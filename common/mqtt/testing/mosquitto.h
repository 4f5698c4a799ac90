#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "common/mqtt/module_dialer.h"
#include "common/mqtt/mosquitto_files.h"
#include "common/mqtt/topics.h"
#include "common/tls/pki.h"

extern char** environ;

namespace slicelet {

/// A real mosquitto on a free port of the loopback, with the configuration and the access list that `hub
/// init` writes. Forgets everything when it is restarted.
class Mosquitto {
 public:
  explicit Mosquitto(std::string hub, const std::string& more = "") : hub_(std::move(hub)) {
    char name[] = "/tmp/slicelet-mosquitto-XXXXXX";
    directory_ = mkdtemp(name);
    // mosquitto gives up its rights when it is started by root.
    std::filesystem::permissions(directory_, std::filesystem::perms(0755));
    port_ = FreePort();
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
    Write("mosquitto.conf",
          MosquittoConfiguration(
              {.hub = hub_, .listen = "127.0.0.1:" + std::to_string(port_), .directory = directory_}) +
              more);
    Start();
  }
  ~Mosquitto() {
    Kill();
    std::filesystem::remove_all(directory_);
  }
  Mosquitto(const Mosquitto&) = delete;
  Mosquitto& operator=(const Mosquitto&) = delete;

  /// Returns once it accepts connections.
  void Start() {
    const std::string configuration = directory_ + "/mosquitto.conf";
    const char* arguments[] = {"mosquitto", "-c", configuration.c_str(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    const std::string log = directory_ + "/log";
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                     0644);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    const char* path = access("/usr/sbin/mosquitto", X_OK) == 0 ? "/usr/sbin/mosquitto" : "mosquitto";
    if (posix_spawnp(&pid_, path, &actions, nullptr, const_cast<char**>(arguments), environ) != 0) pid_ = -1;
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < 500 && !Accepts(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  [[nodiscard]] MqttBrokerAddress AddressFor(const CertificateAndKey& identity) const {
    return {.endpoint = "127.0.0.1:" + std::to_string(port_),
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
  [[nodiscard]] const CertificateAndKey& authority() const { return authority_; }
  [[nodiscard]] int port() const { return port_; }

 private:
  static WallTime Now() { return SystemClock().Now(); }
  static sockaddr_in Loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  static int FreePort() {
    const int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    bind(one, reinterpret_cast<sockaddr*>(&address), size);
    getsockname(one, reinterpret_cast<sockaddr*>(&address), &size);
    close(one);
    return ntohs(address.sin_port);
  }
  [[nodiscard]] bool Accepts() const {
    const int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(port_);
    const bool connected = connect(one, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    close(one);
    return connected;
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ + "/" + name) << text;
  }

  std::string hub_;
  std::string directory_;
  CertificateAndKey authority_;
  int port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace slicelet
