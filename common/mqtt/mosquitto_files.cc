#include "common/mqtt/mosquitto_files.h"

#include "common/mqtt/topics.h"

namespace slicelet {

std::string MosquittoConfiguration(const MosquittoOptions& options) {
  // mosquitto takes the address behind the port.
  const std::size_t colon = options.listen.rfind(':');
  std::string address;
  std::string port = options.listen;
  if (colon != std::string::npos) {
    address = options.listen.substr(0, colon);
    port = options.listen.substr(colon + 1);
    if (address.size() > 2 && address.front() == '[') address = address.substr(1, address.size() - 2);
  }
  if (address == "0.0.0.0" || address == "::") address.clear();
  std::string text = "# The broker of hub " + options.hub +
                     ". Nothing in it is secret and nothing needs to last: every message is\n"
                     "# signed, answers are sealed, and whatever the broker loses is sent again.\n";
  text += "listener " + port + (address.empty() ? "" : " " + address) + "\n";
  text += "cafile " + options.directory + "/ca.crt\n";
  text += "certfile " + options.directory + "/mqtt-broker.crt\n";
  text += "keyfile " + options.directory + "/mqtt-broker.key\n";
  text +=
      "# What 'slicectl hub revoke' lists is refused once mosquitto has been restarted. (2.0.11 may crash at "
      "SIGHUP.)\n";
  text += "crlfile " + options.directory + "/" + kRevocationListFile + "\n";
  text +=
      "tls_version tlsv1.2\n"
      "# A certificate of this hub is the only way in, and its CN is the user name.\n"
      "require_certificate true\n"
      "use_identity_as_username true\n"
      "allow_anonymous false\n";
  text += "acl_file " + options.directory + "/mosquitto.acl\n";
  text +=
      "max_packet_size 262144\n"
      "max_inflight_messages 100\n"
      "max_queued_messages 10000\n"
      "max_queued_bytes 67108864\n"
      "persistent_client_expiration 1d\n"
      "persistence false\n";
  return text;
}

std::string MosquittoAccessList(const std::string& hub) {
  const MqttTopics topics(hub);
  const HostId own("%u");
  std::string text = "# Hosts: %u is the CN of the certificate.\n";
  text += "pattern read " + topics.Hub() + "\n";
  for (const char* leaf : {"desired", "down", "blob/+"})
    text += "pattern read " + topics.Of(own, leaf) + "\n";
  for (const char* leaf : {"birth", "up", "will"}) text += "pattern write " + topics.Of(own, leaf) + "\n";
  text += "\nuser " + std::string(kMqttHubUser) + "\n";
  text += "topic readwrite " + topics.root() + "#\n";
  return text;
}

}  // namespace slicelet
