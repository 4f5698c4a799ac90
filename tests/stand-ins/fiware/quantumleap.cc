// The history: what notifications bring, as time series per tenant.
#include <algorithm>
#include <mutex>

#include "tests/stand-ins/fiware/database.h"
#include "tests/stand-ins/fiware/services.h"

namespace slicelet::fiware {
namespace {

constexpr char kDocument[] = "quantumleap";

/// With parts of a second, so that texts compare as times.
std::string Comparable(std::string time) {
  if (time.find('.') == std::string::npos && !time.empty()) time.insert(time.size() - 1, ".000");
  return time;
}

std::string AsIndex(const std::string& time) { return time.substr(0, time.size() - 1) + "+00:00"; }

class QuantumLeap {
 public:
  explicit QuantumLeap(const Endpoint& database)
      : documents_(database), rows_(documents_.Load(kDocument, Json::array())) {}

  std::optional<HttpResponse> Handle(const HttpRequest& request) {
    if (request.path == "/version") return Answer(200, {{"version", "1.0.0-stand-in"}});
    if (request.path == "/health") {
      if (documents_.Reachable()) return Answer(200, {{"status", "pass"}});
      return Answer(424, {{"status", "fail"}});
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    if (request.path == "/v2/notify" && request.method == "POST") return Store(request);
    const auto below = request.Below("/v2/entities");
    if (request.method != "GET" || !below || below->size() != 3 || (*below)[1] != "attrs")
      return std::nullopt;
    const auto last = request.query.find("lastN");
    return History(ScopeOf(request), (*below)[0], (*below)[2],
                   last == request.query.end() ? 0 : std::strtoul(last->second.c_str(), nullptr, 10));
  }

 private:
  HttpResponse Store(const HttpRequest& request) {
    const Scope scope = ScopeOf(request);
    Json next = rows_;
    const Json notification = Json::parse(request.body);
    for (const auto& entity : notification.at("data")) {
      Json values = Json::object();
      std::string time = Timestamp();
      for (const auto& [name, attribute] : entity.items()) {
        if (name == "id" || name == "type") continue;
        if (name == "TimeInstant") time = attribute.at("value");
        values[name] = attribute.at("value");
      }
      next.push_back({{"tenant", scope.tenant},
                      {"path", scope.path},
                      {"id", entity.at("id")},
                      {"time", Comparable(time)},
                      {"values", values}});
    }
    documents_.Save(kDocument, next);
    rows_ = std::move(next);
    return Answer(200, "Notification successfully processed");
  }

  /// The newest `last` values; 0 is all.
  [[nodiscard]] HttpResponse History(const Scope& scope, const std::string& id, const std::string& attribute,
                                     std::size_t last) const {
    std::vector<std::pair<std::string, Json>> found;
    for (const auto& row : rows_) {
      if (row["tenant"] != scope.tenant || row["id"] != id) continue;
      if (!scope.path.empty() && row["path"] != scope.path) continue;
      if (row["values"].contains(attribute)) found.emplace_back(row["time"], row["values"][attribute]);
    }
    if (found.empty()) return Refuse(404, "Not Found", "No records were found for such query.");
    std::stable_sort(found.begin(), found.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    if (last > 0 && found.size() > last) found.erase(found.begin(), found.end() - static_cast<long>(last));
    Json index = Json::array();
    Json values = Json::array();
    for (const auto& [time, value] : found) {
      index.push_back(AsIndex(time));
      values.push_back(value);
    }
    return Answer(200, {{"attrName", attribute}, {"entityId", id}, {"index", index}, {"values", values}});
  }

  const Documents documents_;
  std::mutex mutex_;
  Json rows_;
};

}  // namespace

void RunQuantumLeap(int argc, char** argv) {
  auto options = Options(argc, argv, {}, {"--bind"}, 1);
  const int port = options.count("--bind") > 0 ? EndpointOf(options["--bind"]).port : 8668;
  const Endpoint database{stand_ins::Env("CRATE_HOST", "crate"), stand_ins::IntEnv("CRATE_PORT", 4200)};
  if (!Documents(database).Reachable()) Die(1, "no database at " + database.host);
  QuantumLeap quantum_leap(database);
  Serve(port, [&](const HttpRequest& request) { return quantum_leap.Handle(request); });
}

}  // namespace slicelet::fiware
