#include "tests/stand-ins/edgex/service.h"

#include <sys/random.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

namespace slicelet::edgex {

using Json = nlohmann::json;
using stand_ins::Env;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

constexpr char kApi[] = "/api/v3";
constexpr char kVersion[] = "4.0.1-stand-in";

}  // namespace

std::string NewId() {
  unsigned char bytes[16];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) Die(1, "no random numbers");
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3F) | 0x80);
  char text[40];
  char* at = text;
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *at++ = '-';
    at += std::snprintf(at, 3, "%02x", bytes[i]);
  }
  return text;
}

milliseconds ParseDuration(const std::string& text, milliseconds otherwise) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  if (text.empty() || value < 0) return otherwise;
  if (unit == "ms") return milliseconds(static_cast<long>(value));
  if (unit == "s" || unit.empty()) return milliseconds(static_cast<long>(value * 1'000));
  if (unit == "m") return milliseconds(static_cast<long>(value * 60'000));
  return otherwise;
}

Service::Service(std::string key, int default_port, int argc, char** argv)
    : key_(std::move(key)), default_port_(default_port) {
  stand_ins::HandleSignals(Setting("STANDIN_IGNORE_SIGTERM") == "true");
  key_ = Env("EDGEX_SERVICE_KEY", key_);
  ParseFlags(argc, argv);
  if (Env("EDGEX_SECURITY_SECRET_STORE", "true") != "false") {
    Die(1, "stand-ins have no secret store: set EDGEX_SECURITY_SECRET_STORE=false");
  }
  BeginFaults();
  if (!provider_.empty()) RequirePing("configuration provider", 1, ProviderEndpoint());
}

Endpoint Service::ProviderEndpoint() const {
  const std::string scheme = "keeper.http://";
  const auto colon = provider_.rfind(':');
  if (provider_.rfind(scheme, 0) != 0 || colon < scheme.size()) {
    Die(1, "configuration provider '" + provider_ + "' is not keeper.http://HOST:PORT");
  }
  return {provider_.substr(scheme.size(), colon - scheme.size()), std::atoi(provider_.c_str() + colon + 1)};
}

void Service::ParseFlags(int argc, char** argv) {
  // Long name, short name, whether a value follows.
  static const struct {
    const char* name;
    const char* brief;
    bool value;
  } kFlags[] = {
      {"configProvider", "cp", true}, {"commonConfig", "cc", true}, {"configDir", "cd", true},
      {"configFile", "cf", true},     {"profile", "p", true},       {"registry", "r", false},
      {"overwrite", "o", false},      {"dev", "d", false},          {"remoteServiceHosts", "rsh", true}};
  std::string common = Env("EDGEX_COMMON_CONFIG", "");
  provider_ = Env("EDGEX_CONFIG_PROVIDER", "");
  registry_ = Env("EDGEX_USE_REGISTRY", "false") == "true";
  for (int i = 0; i < argc; ++i) {
    std::string text = argv[i];
    const auto dashes = text.find_first_not_of('-');
    if (dashes == 0 || dashes == std::string::npos) Die(1, "'" + text + "' is no flag");
    text.erase(0, dashes);
    const auto equals = text.find('=');
    const std::string name = text.substr(0, equals);
    bool known = false;
    for (const auto& flag : kFlags) {
      if (name != flag.name && name != flag.brief) continue;
      known = true;
      std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
      if (flag.value && equals == std::string::npos && i + 1 < argc) value = argv[++i];
      // The environment wins over the command line.
      if (name == "cp" || name == "configProvider") provider_ = Env("EDGEX_CONFIG_PROVIDER", value);
      if (name == "cc" || name == "commonConfig") common = Env("EDGEX_COMMON_CONFIG", value);
      if (name == "r" || name == "registry") registry_ = Env("EDGEX_USE_REGISTRY", "true") == "true";
    }
    if (!known) Die(1, "unknown flag -" + name);
  }
  if (provider_ == "none") provider_.clear();
  if (!common.empty() && access(common.c_str(), R_OK) != 0)
    Die(1, "can not read the common configuration " + common);
}

void Service::BeginFaults() const {
  std::this_thread::sleep_for(milliseconds(IntSetting("STANDIN_START_DELAY_MS", 0)));
  if (const int ms = IntSetting("STANDIN_CRASH_AFTER_MS", 0); ms > 0) {
    std::thread([ms] {
      std::this_thread::sleep_for(milliseconds(ms));
      Die(3, "crashing as STANDIN_CRASH_AFTER_MS says");
    }).detach();
  }
}

std::string Service::Setting(const std::string& name, const std::string& otherwise) const {
  return Env(name, otherwise);
}

int Service::IntSetting(const std::string& name, int otherwise) const {
  return stand_ins::IntEnv(name, otherwise);
}

Endpoint Service::MetadataEndpoint() const {
  return {Setting("CLIENTS_CORE_METADATA_HOST", "localhost"),
          IntSetting("CLIENTS_CORE_METADATA_PORT", 59881)};
}

void Service::Require(const std::string& what, int exit_code, const std::function<bool()>& attempt) const {
  const auto seconds_of = [&](const char* name, int otherwise) {
    return seconds(IntSetting(name, otherwise));
  };
  const auto end = steady_clock::now() + seconds_of("EDGEX_STARTUP_DURATION", 60);
  while (!attempt()) {
    if (steady_clock::now() >= end) Die(exit_code, what + " was not reached within the startup duration");
    Log("WARN", "waiting for " + what);
    std::this_thread::sleep_for(seconds_of("EDGEX_STARTUP_INTERVAL", 1));
  }
}

void Service::RequirePing(const std::string& what, int exit_code, const Endpoint& endpoint) const {
  Require(what + " at " + endpoint.host + ":" + std::to_string(endpoint.port), exit_code, [&] {
    const auto answer = Fetch(endpoint, "GET", "/api/v3/ping");
    return answer && answer->status == 200;
  });
}

HttpResponse Service::Answer(const HttpRequest& request) const {
  const auto below = request.Below(kApi);
  if (!below || below->size() != 1 || request.method != "GET") return {404, R"({"message": "not found"})"};
  const std::string& what = below->front();
  Json body = {{"apiVersion", "v3"}, {"serviceName", key_}};
  if (what == "ping") {
    while (Setting("STANDIN_PING_HANGS") == "true") pause();
    body["timestamp"] = NowNanos();
  } else if (what == "version") {
    body["version"] = kVersion;
  } else if (what == "config") {
    body["config"] = {{"Service",
                       {{"Host", Setting("SERVICE_HOST", "localhost")},
                        {"Port", IntSetting("SERVICE_PORT", default_port_)}}}};
  } else {
    return {404, R"({"message": "not found"})"};
  }
  return {200, body.dump()};
}

void Service::Register() const {
  if (!registry_ || provider_.empty()) return;
  const Json body = {{"apiVersion", "v3"},
                     {"registration",
                      {{"serviceId", key_},
                       {"host", Setting("SERVICE_HOST", "localhost")},
                       {"port", IntSetting("SERVICE_PORT", default_port_)},
                       {"healthCheck", {{"interval", "10s"}, {"path", "/api/v3/ping"}, {"type", "http"}}}}}};
  const auto answer = Fetch(ProviderEndpoint(), "POST", "/api/v3/registry", body.dump());
  if (!answer || answer->status != 201) Die(1, "could not register with the provider");
}

void Service::Serve() {
  Register();
  const int port = IntSetting("SERVICE_PORT", default_port_);
  Log("INFO", key_ + " serves on port " + std::to_string(port));
  ServeHttp(port, [this](const HttpRequest& request) -> std::optional<HttpResponse> {
    try {
      if (handler_) {
        if (auto answer = handler_(request)) return answer;
      }
      return Answer(request);
    } catch (const Json::exception& bad) {
      return HttpResponse{400,
                          Json{{"apiVersion", "v3"}, {"statusCode", 400}, {"message", bad.what()}}.dump()};
    } catch (const std::exception& failed) {
      return HttpResponse{500,
                          Json{{"apiVersion", "v3"}, {"statusCode", 500}, {"message", failed.what()}}.dump()};
    }
  });
  Die(1, "port " + std::to_string(port) + " can not be opened");
}

}  // namespace slicelet::edgex
