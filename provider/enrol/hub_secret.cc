#include "provider/enrol/hub_secret.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "common/base/encoding.h"
#include "common/mqtt/mosquitto_files.h"
#include "provider/enrol/authority.h"
#include "provider/enrol/hub_directory.h"

namespace slicelet::provider {
namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{1024} * 1024;
constexpr char kBrokerConfiguration[] = "mosquitto/mosquitto.conf";
/// Where the chart mounts the broker's files.
constexpr char kBrokerDirectory[] = "/etc/slicelet/broker";

/// The broker's configuration with the paths of its pod, where it listens on every address.
std::string InCluster(const std::string& configuration) {
  std::istringstream lines(configuration);
  std::string moved;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string key;
    std::string value;
    words >> key >> value;
    if (key == "cafile" || key == "certfile" || key == "keyfile" || key == "crlfile" || key == "acl_file")
      line = key + " " + kBrokerDirectory + "/" + value.substr(value.rfind('/') + 1);
    else if (key == "listener")
      line = key + " " + value;
    moved += line + "\n";
  }
  return moved;
}

}  // namespace

absl::StatusOr<std::string> HubSecret(const std::string& directory, const std::string& name,
                                      const std::string& ns, FileSystem& files) {
  SLICELET_RETURN_IF_ERROR(CheckDnsLabel("secret", name));
  SLICELET_RETURN_IF_ERROR(CheckDnsLabel("namespace", ns));
  if (!files.Stat(directory + "/hub.json").ok()) return NoHubIn(directory);
  std::vector<std::string> names = {"ca.crt",       "manifest.key", "manifest.cert", "tag.key",
                                    "provider.crt", "provider.key", "shim.crt",      "shim.key"};
  const bool broker = files.Stat(directory + "/" + kBrokerConfiguration).ok();
  if (broker) {
    names.insert(names.end(),
                 {"mqtt.crt", "mqtt.key", "envelope.key", "envelope.cert", "inbox.key", "inbox.cert",
                  "mosquitto/mqtt-broker.crt", "mosquitto/mqtt-broker.key", "mosquitto/mosquitto.acl"});
    // A hub that was made before there were lists has none until a host is revoked.
    const std::string list = std::string("mosquitto/") + kRevocationListFile;
    if (files.Stat(directory + "/" + list).ok()) names.push_back(list);
  }
  nlohmann::json data = nlohmann::json::object();
  for (const std::string& name : names) {
    SLICELET_ASSIGN_OR_RETURN(const std::string content, files.Read(directory + "/" + name, kMaxFile));
    data[name.substr(name.rfind('/') + 1)] = Base64Encode(content);
  }
  if (broker) {
    SLICELET_ASSIGN_OR_RETURN(const std::string content,
                              files.Read(directory + "/" + kBrokerConfiguration, kMaxFile));
    data["mosquitto.conf"] = Base64Encode(InCluster(content));
  }
  const nlohmann::json secret = {{"apiVersion", "v1"},
                                 {"kind", "Secret"},
                                 {"metadata", {{"name", name}, {"namespace", ns}}},
                                 {"type", "Opaque"},
                                 {"data", std::move(data)}};
  return secret.dump(2) + "\n";
}

}  // namespace slicelet::provider
