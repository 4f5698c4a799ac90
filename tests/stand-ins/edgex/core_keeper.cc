// The configuration provider and registry, and the one-shot program that fills in the common configuration.
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/stand-ins/edgex/database.h"
#include "tests/stand-ins/edgex/service.h"
#include "tests/stand-ins/edgex/services.h"

namespace slicelet::edgex {
namespace {

using Json = nlohmann::json;

constexpr int kPort = 59890;
constexpr char kSchema[] =
    "CREATE SCHEMA IF NOT EXISTS core_keeper;"
    "CREATE TABLE IF NOT EXISTS core_keeper.config (key text PRIMARY KEY, value text NOT NULL);"
    "CREATE TABLE IF NOT EXISTS core_keeper.registry (id text PRIMARY KEY, content jsonb NOT NULL)";
constexpr auto kPollPeriod = std::chrono::seconds(10);

std::string Encode64(const std::string& text) {
  static const char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    unsigned value = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      value = (value << 8) | (i + j < text.size() ? static_cast<unsigned char>(text[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j)
      out += i + j <= text.size() ? kAlphabet[(value >> (18 - 6 * j)) & 63] : '=';
  }
  return out;
}

class CoreKeeper {
 public:
  explicit CoreKeeper(const Service& service) : database_(service, kSchema) {
    std::thread([this] {
      for (;; std::this_thread::sleep_for(kPollPeriod)) Poll();
    }).detach();
  }

  std::optional<HttpResponse> Handle(const HttpRequest& request) {
    if (const auto key = request.Below("/api/v3/kvs/key"); key && !key->empty()) {
      return HandleKey(request, request.path.substr(std::string("/api/v3/kvs/key/").size()));
    }
    const auto below = request.Below("/api/v3/registry");
    if (!below) return std::nullopt;
    return HandleRegistry(request, *below);
  }

 private:
  static HttpResponse Answer(int status, Json more = Json::object()) {
    more["apiVersion"] = "v3";
    more["statusCode"] = status;
    return {status, more.dump()};
  }

  HttpResponse HandleKey(const HttpRequest& request, const std::string& key) {
    const bool plain = request.query.count("plaintext") > 0 && request.query.at("plaintext") == "true";
    if (request.method == "PUT") {
      const Json body = Json::parse(request.body);
      const Json& value = body.at("value");
      database_.Change(
          "INSERT INTO core_keeper.config VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value=$2",
          {key, value.is_string() ? value.get<std::string>() : value.dump()});
      return Answer(200, {{"response", Json::array({key})}});
    }
    if (request.method == "DELETE") {
      const int gone = database_.Change(
          "DELETE FROM core_keeper.config WHERE key=$1 OR starts_with(key, $1 || '/')", {key});
      return gone > 0 ? Answer(200) : Answer(404, {{"message", "no key " + key}});
    }
    Json found = Json::array();
    for (const auto& row : database_.Execute("SELECT key, value FROM core_keeper.config WHERE key=$1 OR "
                                             "starts_with(key, $1 || '/') ORDER BY key",
                                             {key})) {
      found.push_back({{"key", row[0]}, {"value", plain ? row[1] : Encode64(row[1])}});
    }
    if (found.empty()) return Answer(404, {{"message", "no key " + key}});
    return Answer(200, {{"response", found}});
  }

  HttpResponse HandleRegistry(const HttpRequest& request, const std::vector<std::string>& below) {
    if (below.empty() && (request.method == "POST" || request.method == "PUT")) {
      Json item = Json::parse(request.body).at("registration");
      item["status"] = "UNKNOWN";
      database_.Change(
          "INSERT INTO core_keeper.registry VALUES ($1, $2::jsonb) ON CONFLICT (id) DO UPDATE SET "
          "content=$2::jsonb",
          {item.at("serviceId"), item.dump()});
      return Answer(request.method == "POST" ? 201 : 204);
    }
    if (below.size() == 1 && below[0] == "all") {
      Json all = Json::array();
      for (const auto& row : database_.Execute("SELECT content FROM core_keeper.registry ORDER BY id")) {
        all.push_back(WithStatus(Json::parse(row[0])));
      }
      return Answer(200, {{"totalCount", all.size()}, {"registrations", all}});
    }
    if (below.size() != 2 || below[0] != "serviceId") return Answer(404, {{"message", "not found"}});
    if (request.method == "DELETE") {
      const int gone = database_.Change("DELETE FROM core_keeper.registry WHERE id=$1", {below[1]});
      return gone > 0 ? Answer(204) : Answer(404, {{"message", "no service " + below[1]}});
    }
    const auto rows = database_.Execute("SELECT content FROM core_keeper.registry WHERE id=$1", {below[1]});
    if (rows.empty()) return Answer(404, {{"message", "no service " + below[1]}});
    return Answer(200, {{"registration", WithStatus(Json::parse(rows[0][0]))}});
  }

  Json WithStatus(Json item) {
    const std::lock_guard lock(mutex_);
    const auto found = status_.find(item["serviceId"]);
    if (found != status_.end()) item["status"] = found->second;
    return item;
  }

  void Poll() {
    try {
      for (const auto& row : database_.Execute("SELECT content FROM core_keeper.registry")) {
        const Json item = Json::parse(row[0]);
        const auto answer = Fetch({item.at("host"), item.at("port")}, "GET", "/api/v3/ping");
        const std::lock_guard lock(mutex_);
        status_[item.at("serviceId")] = answer && answer->status == 200 ? "UP" : "DOWN";
      }
    } catch (const std::exception& failed) {
      Log("ERROR", std::string("poll: ") + failed.what());
    }
  }

  Database database_;
  std::mutex mutex_;
  std::map<std::string, std::string> status_;
};

}  // namespace

void RunCoreKeeper(int argc, char** argv) {
  Service service("core-keeper", kPort, argc, argv);
  CoreKeeper keeper(service);
  service.Handle([&](const HttpRequest& request) { return keeper.Handle(request); });
  service.Serve();
}

void RunBootstrapper(int argc, char** argv) {
  Service service("core-common-config-bootstrapper", 0, argc, argv);
  const Endpoint keeper = service.ProviderEndpoint();
  const std::string root = "edgex/v4/core-common-config-bootstrapper/all-services/";
  for (const auto& [key, name] :
       std::map<std::string, std::string>{{"Database/Host", "ALL_SERVICES_DATABASE_HOST"},
                                          {"MessageBus/Host", "ALL_SERVICES_MESSAGEBUS_HOST"},
                                          {"Registry/Host", "ALL_SERVICES_REGISTRY_HOST"}}) {
    const Json body = {{"value", service.Setting(name, "localhost")}};
    const auto answer = Fetch(keeper, "PUT", "/api/v3/kvs/key/" + root + key, body.dump());
    if (!answer || answer->status != 200) Die(1, "core-keeper refused " + key);
  }
  Log("INFO", "the common configuration is in core-keeper");
  std::_Exit(0);
}

}  // namespace slicelet::edgex
