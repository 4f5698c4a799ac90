#pragma once

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/json/json.h"
#include "common/loop/loop.h"
#include "common/rest/http_client.h"
#include "provider/attach/iot_server.h"

namespace slicelet::provider {

/// A Mainflux 0.12 in memory, behind the HTTP client: the codes that the real one was seen to answer, and
/// faults.
class FakeIotServer : public HttpClient {
 public:
  /// What happens to one request. Of those that are carried out, `kLost` and `kCrash` never get an answer.
  enum class Fault { kNone, kError, kLost, kLostBefore, kCrash, kCrashBefore };

  explicit FakeIotServer(Loop& loop) : loop_(loop) {}

  [[nodiscard]] static ServerAddress Address() {
    return {
        .users = "http://users", .things = "http://things", .auth = "http://auth", .access = "http://access"};
  }
  [[nodiscard]] static ServerLogin Login() { return {.user = "admin@example.com", .password = "12345678"}; }

  void Send(const Request& request, Callback<Answer> done) override {
    requests_.push_back(request.method + " " + request.url);
    trusted_ = request.ca;
    const Fault fault = std::exchange(faults_[++calls_], Fault::kNone);
    if (away_ || fault == Fault::kLostBefore)
      return Reply(absl::UnavailableError("no answer from " + request.url), std::move(done));
    if (maintenance_) {
      return Reply(Answer{.status = 200, .body = "<html><body>We are back soon</body></html>"},
                   std::move(done));
    }
    if (fault == Fault::kError) return Reply(Answer{.status = 500}, std::move(done));
    if (fault == Fault::kCrashBefore) {
      crashed_ = true;
      return;
    }
    absl::StatusOr<Answer> answer = Handle(request);
    if (fault == Fault::kCrash) {
      crashed_ = true;
      return;
    }
    if (fault == Fault::kLost) answer = absl::UnavailableError("no answer from " + request.url);
    Reply(std::move(answer), std::move(done));
  }

  // ---- Faults ----

  /// To the `call`th request from now on, counted from 1.
  void SetFault(int call, Fault fault) { faults_[calls_ + call] = fault; }
  void SetAway(bool away) { away_ = away; }
  /// A proxy before it answers all with a page for people.
  void SetMaintenance(bool maintenance) { maintenance_ = maintenance; }
  /// Refuses what is right, as Mainflux does then.
  void SetAuthDown(bool down) { auth_down_ = down; }
  [[nodiscard]] bool auth_down() const { return auth_down_; }
  /// The next thing and channel are made twice.
  void DoubleNext() { double_next_ = {"things", "channels"}; }
  void SetPassword(const std::string& password) { password_ = password; }
  /// Tokens that were given are good no more.
  void ForgetTokens() { token_ = "token-" + std::to_string(++tokens_); }

  // ---- What it holds ----

  struct Thing {
    std::string name;
    std::string key;
  };
  std::map<std::string, Thing>& things() { return things_; }
  std::map<std::string, std::string>& channels() { return channels_; }
  /// Channel and thing.
  std::set<std::pair<std::string, std::string>>& connections() { return connections_; }
  [[nodiscard]] int calls() const { return calls_; }
  [[nodiscard]] bool crashed() const { return crashed_; }
  void ClearCrash() {
    crashed_ = false;
    faults_.clear();
  }
  [[nodiscard]] const std::vector<std::string>& requests() const { return requests_; }
  /// Through which authorities the last request was to be trusted.
  [[nodiscard]] const std::string& trusted() const { return trusted_; }

 private:
  void Reply(absl::StatusOr<Answer> answer, Callback<Answer> done) {
    loop_.Post([answer = std::move(answer), done = std::move(done)] { done(answer); });
  }

  absl::StatusOr<Answer> Handle(const Request& request) {
    const auto host_end = request.url.find('/', std::string("http://").size());
    const std::string host = request.url.substr(0, host_end);
    std::string path = request.url.substr(host_end);
    std::string query;
    if (const auto mark = path.find('?'); mark != std::string::npos) {
      query = path.substr(mark + 1);
      path.resize(mark);
    }
    const Json body = ParseJson(request.body).value_or(Json());
    if (host == "http://auth") {
      if (auth_down_) return absl::UnavailableError("connection refused");
      return Answer{.status = path == "/version" ? 200 : 404};
    }
    if (host == "http://access") return Access(path, body);
    if (path == "/users") return Answer{.status = 409};
    if (path == "/tokens") return Tokens(body);
    const bool authorized = std::any_of(
        request.headers.begin(), request.headers.end(),
        [&](const auto& header) { return header.first == "Authorization" && header.second == token_; });
    if (auth_down_ || !authorized) return Answer{.status = 401};
    return Things(request.method, Split(path), query, body);
  }

  [[nodiscard]] Answer Tokens(const Json& body) const {
    if (auth_down_) return {.status = 400};
    if (GetString(body, "/email") != Login().user || GetString(body, "/password") != password_)
      return {.status = 403};
    return {.status = 201, .body = DumpJson({{"token", token_}})};
  }

  [[nodiscard]] Answer Access(const std::string& path, const Json& body) const {
    const std::string channel = Split(path)[2];
    for (const auto& [id, thing] : things_) {
      if (thing.key != GetString(body, "/token")) continue;
      if (connections_.count({channel, id}) == 0) return {.status = 404};
      return {.status = 200, .body = DumpJson({{"id", id}})};
    }
    // Not a refusal, as one would think.
    return {.status = 500};
  }

  Answer Things(const std::string& method, const std::vector<std::string>& path, const std::string& query,
                const Json& body) {
    const bool things = path[0] == "things";
    if (path.size() == 1 && method == "POST") return Create(path[0], GetString(body, "/name"));
    if (path.size() == 1) return List(things, query);
    if (path.size() == 3) return ThingsOf(path[1]);
    if (path.size() == 4) return Connection(method, path[1], path[3]);
    if (method == "DELETE") {
      (things ? things_.erase(path[1]) : channels_.erase(path[1]));
      std::erase_if(connections_,
                    [&](const auto& pair) { return pair.first == path[1] || pair.second == path[1]; });
      return {.status = 204};
    }
    const auto it = things_.find(path[1]);
    if (it == things_.end()) return {.status = 404};
    return {.status = 200,
            .body = DumpJson({{"id", it->first}, {"name", it->second.name}, {"key", it->second.key}})};
  }

  Answer Create(const std::string& kind, const std::string& name) {
    std::string id;
    for (std::size_t i = 0; i <= double_next_.count(kind); ++i) {
      id = kind.substr(0, 1) + std::to_string(++ids_);
      if (kind == "things") {
        things_[id] = {name, "key-" + id};
      } else {
        channels_[id] = name;
      }
    }
    double_next_.erase(kind);
    return {.status = 201, .location = "/" + kind + "/" + id};
  }

  [[nodiscard]] Answer List(bool things, const std::string& query) const {
    const std::string wanted = query.substr(query.find('=') + 1, query.find('&') - query.find('=') - 1);
    Json items = Json::array();
    const auto add = [&](const std::string& id, const std::string& name) {
      // The real one finds parts of names.
      if (name.find(wanted) != std::string::npos) items.push_back({{"id", id}, {"name", name}});
    };
    if (things) {
      for (const auto& [id, thing] : things_) add(id, thing.name);
    } else {
      for (const auto& [id, name] : channels_) add(id, name);
    }
    return {.status = 200,
            .body = DumpJson({{"total", items.size()}, {things ? "things" : "channels", items}})};
  }

  [[nodiscard]] Answer ThingsOf(const std::string& channel) const {
    Json items = Json::array();
    for (const auto& [id, thing] : things_) {
      if (connections_.count({channel, id}) != 0)
        items.push_back({{"id", id}, {"name", thing.name}, {"key", thing.key}});
    }
    return {.status = 200, .body = DumpJson({{"things", items}})};
  }

  Answer Connection(const std::string& method, const std::string& channel, const std::string& thing) {
    if (channels_.count(channel) == 0 || things_.count(thing) == 0) return {.status = 404};
    if (method == "DELETE") return {.status = connections_.erase({channel, thing}) != 0 ? 204 : 404};
    return {.status = connections_.insert({channel, thing}).second ? 200 : 409};
  }

  static std::vector<std::string> Split(const std::string& path) {
    std::vector<std::string> parts;
    for (std::size_t begin = 1; begin < path.size();) {
      const std::size_t end = std::min(path.find('/', begin), path.size());
      parts.push_back(path.substr(begin, end - begin));
      begin = end + 1;
    }
    return parts;
  }

  Loop& loop_;
  std::map<int, Fault> faults_;
  bool away_ = false;
  bool maintenance_ = false;
  bool auth_down_ = false;
  bool crashed_ = false;
  std::set<std::string> double_next_;
  std::string password_ = Login().password;
  int tokens_ = 0;
  std::string token_ = "token-0";
  int calls_ = 0;
  int ids_ = 0;
  std::map<std::string, Thing> things_;
  std::map<std::string, std::string> channels_;
  std::set<std::pair<std::string, std::string>> connections_;
  std::vector<std::string> requests_;
  std::string trusted_;
};

}  // namespace slicelet::provider
