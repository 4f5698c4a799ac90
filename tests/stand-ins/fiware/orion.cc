// The context broker: entities per tenant and path, and subscriptions to their changes.
#include <mutex>
#include <regex>

#include "tests/stand-ins/fiware/database.h"
#include "tests/stand-ins/fiware/services.h"

namespace slicelet::fiware {
namespace {

constexpr char kDocument[] = "orion";
constexpr char kWholeTenant[] = "/#";

/// Whether an entity at `path` is seen by a request for `wanted`: "/a" is that level only, "/a/#" all below
/// it too.
bool Covers(const std::string& wanted, const std::string& path) {
  if (wanted.size() < 2 || wanted.compare(wanted.size() - 2, 2, kWholeTenant) != 0) return wanted == path;
  const std::string above = wanted.substr(0, wanted.size() - 2);
  return path == above || path.compare(0, above.size() + 1, above + "/") == 0;
}

bool Concerns(const Json& subscription, const Json& entity) {
  for (const auto& subject : subscription["subject"]["entities"]) {
    const std::string id = entity["id"];
    const std::string type = entity["type"];
    const bool named = subject.contains("idPattern")
                           ? std::regex_search(id, std::regex(subject["idPattern"].get<std::string>()))
                           : subject.value("id", "") == id;
    if (named && subject.value("type", type) == type) return true;
  }
  return false;
}

class Orion {
 public:
  explicit Orion(const Endpoint& database)
      : documents_(database),
        state_(documents_.Load(kDocument, {{"entities", Json::array()}, {"subscriptions", Json::array()}})) {}

  std::optional<HttpResponse> Handle(const HttpRequest& request) {
    if (request.path == "/version") return Answer(200, {{"orion", {{"version", "4.4.0-stand-in"}}}});
    const Scope scope = ScopeOf(request);
    if (scope.tenant.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos) {
      return Refuse(400, "BadRequest",
                    "bad character in tenant name - only underscore and alphanumeric characters");
    }
    if (!scope.path.empty() && scope.path[0] != '/') {
      return Refuse(400, "BadRequest",
                    "Only /absolute/ Service Paths allowed [a service path must begin with /]");
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    if (const auto below = request.Below("/v2/entities")) return Entities(request, scope, *below);
    if (const auto below = request.Below("/v2/subscriptions")) return Subscriptions(request, scope, *below);
    return std::nullopt;
  }

 private:
  std::optional<HttpResponse> Entities(const HttpRequest& request, const Scope& scope,
                                       const std::vector<std::string>& below) {
    if (request.method == "POST" && below.empty()) return Update(request, scope);
    if (request.method != "GET" || below.size() > 1) return std::nullopt;
    const auto type = request.query.find("type");
    const std::string path = scope.path.empty() ? kWholeTenant : scope.path;
    Json found = Json::array();
    for (const auto& kept : state_["entities"]) {
      if (kept["tenant"] != scope.tenant || !Covers(path, kept["path"])) continue;
      if (!below.empty() && kept["entity"]["id"] != below[0]) continue;
      if (type != request.query.end() && kept["entity"]["type"] != type->second) continue;
      found.push_back(kept["entity"]);
    }
    if (below.empty()) return Answer(200, found);
    if (found.empty())
      return Refuse(404, "NotFound", "The requested entity has not been found. Check type and id");
    if (found.size() > 1)
      return Refuse(409, "TooManyResults", "More than one matching entity. Please refine your query");
    return Answer(200, found[0]);
  }

  HttpResponse Update(const HttpRequest& request, const Scope& scope) {
    const Json update = Json::parse(request.body);
    const std::string id = update.at("id");
    const std::string type = update.value("type", "Thing");
    const std::string path = scope.path.empty() ? "/" : scope.path;
    const auto options = request.query.find("options");
    const bool upsert = options != request.query.end() && options->second == "upsert";
    Json next = state_;
    Json* kept = nullptr;
    for (auto& candidate : next["entities"]) {
      if (candidate["tenant"] == scope.tenant && candidate["path"] == path &&
          candidate["entity"]["id"] == id && candidate["entity"]["type"] == type) {
        kept = &candidate;
      }
    }
    const bool created = kept == nullptr;
    if (!created && !upsert) return Refuse(422, "Unprocessable", "Already Exists");
    if (created) {
      next["entities"].push_back(
          {{"tenant", scope.tenant}, {"path", path}, {"entity", {{"id", id}, {"type", type}}}});
      kept = &next["entities"].back();
    }
    for (const auto& [name, attribute] : update.items()) {
      if (name == "id" || name == "type") continue;
      (*kept)["entity"][name] = {{"type", attribute.value("type", "Text")},
                                 {"value", attribute.at("value")},
                                 {"metadata", Json::object()}};
    }
    const Json entity = (*kept)["entity"];
    if (next == state_) return HttpResponse{204, ""};  // what does not change is not notified
    documents_.Save(kDocument, next);
    state_ = std::move(next);
    Notify({scope.tenant, path}, entity);
    if (!created) return HttpResponse{204, ""};
    return HttpResponse{201, "", {{"Location", "/v2/entities/" + id + "?type=" + type}}};
  }

  std::optional<HttpResponse> Subscriptions(const HttpRequest& request, const Scope& scope,
                                            const std::vector<std::string>& below) {
    if (!below.empty()) return std::nullopt;
    if (request.method == "GET") {
      Json found = Json::array();
      for (const auto& kept : state_["subscriptions"]) {
        if (kept["tenant"] == scope.tenant) found.push_back(kept["subscription"]);
      }
      return Answer(200, found);
    }
    if (request.method != "POST") return std::nullopt;
    Json subscription = Json::parse(request.body);
    for (const auto& subject : subscription.at("subject").at("entities")) {
      if (subject.contains("id") == subject.contains("idPattern")) {
        return Refuse(400, "BadRequest", "either id or idPattern");
      }
    }
    if (EndpointOf(subscription.at("notification").at("http").at("url")).host.empty()) {
      return Refuse(400, "BadRequest", "Invalid URL");
    }
    Json next = state_;
    char id[32];
    std::snprintf(id, sizeof id, "%024llx", static_cast<unsigned long long>(stand_ins::NowNanos()));
    subscription["id"] = id;
    subscription["status"] = "active";
    subscription["notification"]["timesSent"] = 0;
    next["subscriptions"].push_back({{"tenant", scope.tenant},
                                     {"path", scope.path.empty() ? kWholeTenant : scope.path},
                                     {"subscription", subscription}});
    documents_.Save(kDocument, next);
    state_ = std::move(next);
    return HttpResponse{201, "", {{"Location", std::string("/v2/subscriptions/") + id}}};
  }

  /// The real broker does this after it has answered; here a test may rely on the order. Counters are stored
  /// with the next change.
  void Notify(const Scope& scope, const Json& entity) {
    for (auto& kept : state_["subscriptions"]) {
      Json& subscription = kept["subscription"];
      if (kept["tenant"] != scope.tenant || !Covers(kept["path"], scope.path) ||
          !Concerns(subscription, entity)) {
        continue;
      }
      Json& notification = subscription["notification"];
      const std::string url = notification["http"]["url"];
      const auto slash = url.find('/', url.find("://") + 3);
      const Json body = {{"subscriptionId", subscription["id"]}, {"data", Json::array({entity})}};
      const auto answer =
          stand_ins::Fetch(EndpointOf(url), "POST", slash == std::string::npos ? "/" : url.substr(slash),
                           body.dump(), Headers(scope));
      notification["timesSent"] = notification["timesSent"].get<int>() + 1;
      if (answer && answer->status / 100 == 2) {
        notification["lastSuccess"] = Timestamp();
      } else {
        notification["lastFailure"] = Timestamp();
        Log("WARN", "notification to " + url + " failed");
      }
    }
  }

  const Documents documents_;
  std::mutex mutex_;
  Json state_;
};

}  // namespace

void RunOrion(int argc, char** argv) {
  // Without -dbhost: this version takes -dbURI.
  auto options = Options(argc, argv, {"-fg", "-multiservice", "-disableFileLog"}, {"-dbURI", "-port"}, 1);
  const std::string uri = options.count("-dbURI") > 0
                              ? options["-dbURI"]
                              : stand_ins::Env("ORION_MONGO_URI", "mongodb://localhost:27017");
  const int port = options.count("-port") > 0 ? std::atoi(options["-port"].c_str())
                                              : stand_ins::IntEnv("ORION_PORT", 1026);
  const Endpoint database = EndpointOf(uri);
  if (!Documents(database).Reachable()) Die(1, "no database at " + uri);
  Orion orion(database);
  Serve(port, [&](const HttpRequest& request) { return orion.Handle(request); });
}

}  // namespace slicelet::fiware
