#include "edge-agent/senml-export/settings.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>
#include <vector>

#include "common/base/file_system.h"
#include "common/log/log.h"

namespace slicelet::senml {
namespace {

constexpr std::uint64_t kMaxCaFile = std::uint64_t{1} << 20;
constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
constexpr std::uint64_t kMaxStoreMebibytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kMaxSetting = std::uint64_t{64} << 10;
/// What may come from files: where the server is, and who we are there.
constexpr const char* kFollowed[] = {"SENML_SERVER",    "SENML_USERNAME", "SENML_PASSWORD",
                                     "SENML_CLIENT_ID", "SENML_TOPIC",    "SENML_CA_FILE"};
constexpr int kHighestPort = 65'535;
constexpr int kOldProtocol = 3;

std::optional<std::uint64_t> Number(const std::string& text, std::uint64_t lowest, std::uint64_t highest) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < lowest || number > highest)
    return std::nullopt;
  return number;
}

/// HOST:PORT.
bool IsEndpoint(const std::string& text) {
  const auto colon = text.rfind(':');
  return colon != std::string::npos && colon > 0 && Number(text.substr(colon + 1), 1, kHighestPort);
}

class Reader {
 public:
  explicit Reader(const Environment& environment) : environment_(environment) {}

  std::string Optional(const std::string& name, const std::string& otherwise) {
    auto value = environment_(name);
    return value && !value->empty() ? *std::move(value) : otherwise;
  }
  std::string Required(const std::string& name) {
    std::string value = Optional(name, "");
    if (value.empty()) problems_.push_back(name + " is not set");
    return value;
  }
  void Problem(const std::string& name, const std::string& problem) {
    problems_.push_back(name + ": " + problem);
  }
  [[nodiscard]] absl::Status Finish() const {
    if (problems_.empty()) return absl::OkStatus();
    std::string text;
    for (const auto& problem : problems_) text += (text.empty() ? "" : "; ") + problem;
    return absl::InvalidArgumentError(text + " (see --help)");
  }

 private:
  const Environment& environment_;
  std::vector<std::string> problems_;
};

void ReadBus(Reader& reader, Settings& settings) {
  const std::string protocol = reader.Optional("MESSAGEBUS_PROTOCOL", "tcp");
  if (protocol != "tcp") reader.Problem("MESSAGEBUS_PROTOCOL", "\"" + protocol + "\" is not tcp");
  const std::string type = reader.Optional("MESSAGEBUS_TYPE", "mqtt");
  if (type != "mqtt") reader.Problem("MESSAGEBUS_TYPE", "\"" + type + "\" is not mqtt");
  const std::string port = reader.Optional("MESSAGEBUS_PORT", "1883");
  if (!Number(port, 1, kHighestPort)) reader.Problem("MESSAGEBUS_PORT", "\"" + port + "\" is no port");
  settings.bus.endpoint = reader.Optional("MESSAGEBUS_HOST", "edgex-mqtt-broker") + ":" + port;
  settings.bus.username = reader.Optional("SENML_BUS_USERNAME", "");
  settings.bus.password = reader.Optional("SENML_BUS_PASSWORD", "");
  settings.bus.tls = false;
  settings.bus.protocol = kOldProtocol;
  settings.reader.client_id = reader.Optional("MESSAGEBUS_OPTIONAL_CLIENTID", "senml-export");
  settings.reader.filter = reader.Optional("MESSAGEBUS_BASETOPICPREFIX", "edgex") + "/events/#";
}

void ReadServer(Reader& reader, Settings& settings) {
  const std::string url = reader.Required("SENML_SERVER");
  const auto scheme = url.find("://");
  const std::string kind = scheme == std::string::npos ? "" : url.substr(0, scheme);
  if (!url.empty()) {
    settings.server.endpoint = kind.empty() ? "" : url.substr(scheme + 3);
    if ((kind != "tcp" && kind != "ssl") || !IsEndpoint(settings.server.endpoint))
      reader.Problem("SENML_SERVER", "\"" + url + "\" is not tcp://HOST:PORT or ssl://HOST:PORT");
  }
  settings.server.tls = kind == "ssl";
  settings.server.protocol = kOldProtocol;
  settings.server.username = reader.Required("SENML_USERNAME");
  settings.server.password = reader.Required("SENML_PASSWORD");
  settings.exporter.topic = reader.Required("SENML_TOPIC");
  if (settings.exporter.topic.find_first_of("+#") != std::string::npos)
    reader.Problem("SENML_TOPIC", "\"" + settings.exporter.topic + "\" has a wildcard");
  settings.exporter.client_id = reader.Required("SENML_CLIENT_ID");
  const std::string ca = reader.Optional("SENML_CA_FILE", "");
  if (ca.empty()) return;
  auto pem = MakeSystemFileSystem()->Read(ca, kMaxCaFile);
  if (!pem.ok()) return reader.Problem("SENML_CA_FILE", Message(pem.status()));
  settings.server.ca = *std::move(pem);
}

void ReadListen(Reader& reader, std::string& listen) {
  listen = reader.Optional("SENML_LISTEN", listen);
  if (!IsEndpoint(listen)) reader.Problem("SENML_LISTEN", "\"" + listen + "\" is not HOST:PORT");
}

}  // namespace

absl::StatusOr<Settings> ReadSettings(const Environment& environment) {
  Settings settings;
  Reader reader(environment);
  ReadBus(reader, settings);
  ReadServer(reader, settings);
  settings.store = reader.Optional("SENML_STORE", settings.store);
  const std::string mebibytes = reader.Optional("SENML_STORE_MIB", "256");
  const auto limit = Number(mebibytes, 1, kMaxStoreMebibytes);
  if (!limit) reader.Problem("SENML_STORE_MIB", "\"" + mebibytes + "\" is no number from 1 to 1048576");
  settings.store_limit = limit.value_or(1) * kMebibyte;
  ReadListen(reader, settings.listen);
  SLICELET_RETURN_IF_ERROR(reader.Finish());
  return settings;
}

absl::StatusOr<std::string> ListenAddress(const Environment& environment) {
  std::string listen = Settings().listen;
  Reader reader(environment);
  ReadListen(reader, listen);
  SLICELET_RETURN_IF_ERROR(reader.Finish());
  return listen;
}

Environment WithFiles(Environment environment, const std::string& directory) {
  if (directory.empty()) return environment;
  return [environment = std::move(environment), directory](const std::string& name) {
    auto value = environment(name);
    if (value || std::ranges::find(kFollowed, name) == std::end(kFollowed)) return value;
    auto text = MakeSystemFileSystem()->Read(directory + "/" + name, kMaxSetting);
    if (!text.ok()) return value;
    while (!text->empty() && text->back() == '\n') text->pop_back();
    return std::make_optional(*std::move(text));
  };
}

std::string FollowedSettings(const Environment& environment) {
  std::string all;
  for (const char* name : kFollowed) all += std::string(name) + "=" + environment(name).value_or("") + "\n";
  const std::string ca = environment("SENML_CA_FILE").value_or("");
  if (!ca.empty()) all += MakeSystemFileSystem()->Read(ca, kMaxCaFile).value_or("");
  return all;
}

const char kSettingsHelp[] =
    "Environment; those with a [default] need not be set:\n"
    "  SENML_SERVER          the server's MQTT endpoint: tcp://HOST:PORT or ssl://HOST:PORT\n"
    "  SENML_CA_FILE         PEM authorities for ssl [the system's]\n"
    "  SENML_USERNAME        user name at the server; Mainflux: the thing's id\n"
    "  SENML_PASSWORD        its password; Mainflux: the thing's key\n"
    "  SENML_CLIENT_ID       no other client of the server may have it\n"
    "  SENML_TOPIC           where packs go; Mainflux: channels/CHANNEL/messages\n"
    "  SENML_SETTINGS        directory of files named like the variables above, for those that are not set;\n"
    "                        they may come late and change [none]\n"
    "  SENML_STORE           file for what the server does not have yet, on a volume that outlives the\n"
    "                        container [/var/lib/senml-export/outbox.db]\n"
    "  SENML_STORE_MIB       its size; beyond it the oldest readings are dropped and counted [256]\n"
    "  SENML_LISTEN          HOST:PORT of /healthz, /readyz and /metrics, HTTPS with a certificate of its "
    "own\n"
    "                        [0.0.0.0:59750]\n"
    "  SENML_LOG_LEVEL       debug, info, warning, error or off [info]\n"
    "  MESSAGEBUS_HOST       the gateway's broker, as EdgeX's own services name it [edgex-mqtt-broker]\n"
    "  MESSAGEBUS_PORT       [1883]\n"
    "  MESSAGEBUS_BASETOPICPREFIX    [edgex]\n"
    "  MESSAGEBUS_OPTIONAL_CLIENTID  the same after every restart, and no other client's [senml-export]\n"
    "  SENML_BUS_USERNAME, SENML_BUS_PASSWORD    if the bus asks for them [none]\n";

}  // namespace slicelet::senml
