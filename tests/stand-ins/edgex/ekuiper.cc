// eKuiper 2.3: streams over what app-rules-engine publishes, and rules over streams. Of its SQL `SELECT * |
// NAME, ... FROM STREAM [WHERE NAME COMPARISON NUMBER]` is known, of its actions log and edgex.
#include <cstdio>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tests/stand-ins/edgex/bus.h"
#include "tests/stand-ins/edgex/service.h"
#include "tests/stand-ins/edgex/services.h"

namespace slicelet::edgex {
namespace {

using Json = nlohmann::json;
using stand_ins::Env;
using stand_ins::IntEnv;

constexpr int kDefaultPort = 9081;

/// What is not there; anything else that is wrong is a std::runtime_error.
struct NotFound : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// `SELECT fields FROM stream WHERE field comparison bound`.
struct Query {
  std::vector<std::string> fields;  // empty for all
  std::string stream;
  std::string field, comparison;  // empty without WHERE
  double bound = 0;
};

Query ParseQuery(const std::string& sql) {
  static const std::regex kQuery(
      R"(\s*select\s+(\*|\w+(?:\s*,\s*\w+)*)\s+from\s+(\w+)(?:\s+where\s+(\w+)\s*(>=|<=|!=|>|<|=)\s*(-?[\d.]+))?\s*;?\s*)",
      std::regex::icase);
  std::smatch match;
  if (!std::regex_match(sql, match, kQuery)) throw std::runtime_error("Parse SQL " + sql + " error");
  Query query{.fields = {}, .stream = match[2], .field = match[3], .comparison = match[4]};
  if (match[5].matched) query.bound = std::stod(match[5]);
  std::string name;
  std::istringstream names(match[1] == "*" ? ""
                                           : std::regex_replace(match[1].str(), std::regex(R"(\s)"), ""));
  while (std::getline(names, name, ',')) query.fields.push_back(name);
  return query;
}

/// An event's readings by resource name, numbers as such.
Json TupleOf(const Json& event) {
  Json tuple = Json::object();
  for (const Json& reading : event.value("readings", Json::array())) {
    const std::string value = reading.value("value", "");
    const Json parsed =
        reading.value("valueType", "") == "String" ? Json(value) : Json::parse(value, nullptr, false);
    tuple[reading.value("resourceName", "")] = parsed.is_discarded() ? Json(value) : parsed;
  }
  return tuple;
}

/// What a query makes of a tuple; null where it is filtered out, or none of the fields is in it.
Json Select(const Query& query, const Json& tuple) {
  if (!query.field.empty()) {
    if (!tuple.contains(query.field) || !tuple[query.field].is_number()) return nullptr;
    const double value = tuple[query.field];
    const std::map<std::string, bool> holds = {{">", value > query.bound},   {"<", value < query.bound},
                                               {"=", value == query.bound},  {">=", value >= query.bound},
                                               {"<=", value <= query.bound}, {"!=", value != query.bound}};
    if (!holds.at(query.comparison)) return nullptr;
  }
  if (query.fields.empty()) return tuple;
  Json selected;
  for (const std::string& name : query.fields) {
    if (tuple.contains(name)) selected[name] = tuple[name];
  }
  return selected;
}

/// One client of the broker: EDGEX__DEFAULT reads, CONNECTION__EDGEX__MQTTMSGBUS publishes what rules do.
Bus& Client(const std::string& prefix, const std::string& otherwise) {
  const std::string protocol = Env(prefix + "__TYPE", "redis");
  if (protocol != "mqtt") Die(1, "stand-ins know a bus of type mqtt, not " + prefix + "__TYPE=" + protocol);
  // Lives as long as the program.
  auto* bus = new Bus({.host = Env(prefix + "__SERVER", "localhost"),
                       .port = IntEnv(prefix + "__PORT", 1883),
                       .client_id = Env(prefix + "__OPTIONAL__CLIENTID", otherwise)});
  // It serves without the broker too, and reads once that is there.
  std::thread([bus] {
    while (!bus->Connect()) std::this_thread::sleep_for(std::chrono::seconds(1));
  }).detach();
  return *bus;
}

class Engine {
 public:
  Engine()
      : file_(Env("KuiperBaseKey", "/kuiper") + "/data/kept.json"),
        source_(Client("EDGEX__DEFAULT", "kuiper-source")),
        sink_(Client("CONNECTION__EDGEX__MQTTMSGBUS", "kuiper-sink")) {
    std::ifstream kept(file_);
    const Json content = Json::parse(kept, nullptr, false);
    if (content.is_object()) {
      for (const Json& name : content["streams"]) streams_.insert(name);
      for (const Json& rule : content["rules"]) AddRule(rule);
    }
    Keep();
    source_.Subscribe(Env("EDGEX__DEFAULT__TOPIC", "rules-events"),
                      [this](const std::string&, const std::string& bytes) { OnEvent(bytes); });
  }

  std::string CreateStream(const std::string& sql) {
    static const std::regex kStream(R"(\s*create\s+stream\s+(\w+)\s*\(.*\)\s*with\s*\((.*)\)\s*;?\s*)",
                                    std::regex::icase);
    static const std::regex kOfEdgex(R"re(type\s*=\s*"edgex")re", std::regex::icase);
    std::smatch match;
    if (!std::regex_match(sql, match, kStream))
      throw std::runtime_error("Stream command error: invalid " + sql);
    const std::string options = match[2];
    if (!std::regex_search(options, kOfEdgex))
      throw std::runtime_error("stand-ins know streams of TYPE=\"edgex\"");
    const std::lock_guard lock(mutex_);
    if (!streams_.insert(match[1]).second) {
      throw std::runtime_error("Stream command error: Create stream fails: Item " + match[1].str() +
                               " already exists.");
    }
    Keep();
    return "Stream " + match[1].str() + " is created.";
  }

  std::string DropStream(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (streams_.count(name) == 0) throw NotFound("stream " + name + " is not found");
    for (const auto& [id, rule] : rules_) {
      if (rule.query.stream == name)
        throw std::runtime_error("stream " + name + " has been referenced by other rules");
    }
    streams_.erase(name);
    Keep();
    return "Stream " + name + " is dropped.";
  }

  std::string CreateRule(const Json& definition) {
    const std::lock_guard lock(mutex_);
    const std::string id = definition.value("id", "");
    if (rules_.count(id) != 0) throw std::runtime_error("rule " + id + " already exists");
    AddRule(definition);
    Keep();
    return "Rule " + id + " was created successfully.";
  }

  std::string DropRule(const std::string& id) {
    const std::lock_guard lock(mutex_);
    if (rules_.erase(id) == 0) throw NotFound("rule " + id + " is not found");
    Keep();
    return "Rule " + id + " is dropped.";
  }

  Json Streams() {
    const std::lock_guard lock(mutex_);
    return streams_;
  }

  Json Rules() {
    const std::lock_guard lock(mutex_);
    Json all = Json::array();
    for (const auto& [id, rule] : rules_) all.push_back({{"id", id}, {"status", "running"}});
    return all;
  }

  Json Describe(const std::string& id) { return Find(id).definition; }

  Json Status(const std::string& id) {
    const Rule rule = Find(id);
    const std::string source = "source_" + rule.query.stream + "_0_records_";
    Json status = {{"status", "running"}, {source + "in_total", rule.in}, {source + "out_total", rule.in}};
    std::size_t number = 0;
    for (const Json& action : rule.definition["actions"]) {
      const std::string sink =
          "sink_" + action.begin().key() + "_" + std::to_string(number++) + "_0_records_";
      status[sink + "in_total"] = rule.out;
      status[sink + "out_total"] = rule.out;
    }
    return status;
  }

 private:
  struct Rule {
    Json definition;
    Query query;
    std::int64_t in = 0, out = 0;
  };

  Rule Find(const std::string& id) {
    const std::lock_guard lock(mutex_);
    const auto found = rules_.find(id);
    if (found == rules_.end()) throw NotFound("rule " + id + " is not found");
    return found->second;
  }

  void AddRule(const Json& definition) {
    const std::string id = definition.value("id", "");
    if (id.empty()) throw std::runtime_error("Missing rule id.");
    const Query query = ParseQuery(definition.value("sql", ""));
    if (streams_.count(query.stream) == 0) throw std::runtime_error("fail to get stream " + query.stream);
    if (definition.value("actions", Json::array()).empty()) throw std::runtime_error("Missing rule actions.");
    for (const Json& action : definition["actions"]) {
      const std::string kind = action.begin().key();
      if (kind != "log" && kind != "edgex") throw std::runtime_error("stand-ins have no action " + kind);
    }
    rules_[id] = {definition, query};
  }

  /// Where it may not write it ends, as the real one does.
  void Keep() {
    Json content = {{"streams", streams_}, {"rules", Json::array()}};
    for (const auto& [id, rule] : rules_) content["rules"].push_back(rule.definition);
    const std::string next = file_ + ".new";
    std::ofstream kept(next);
    kept << content;
    kept.close();
    if (!kept || std::rename(next.c_str(), file_.c_str()) != 0) Die(1, "can not write " + file_);
  }

  void OnEvent(const std::string& bytes) {
    const auto envelope = OpenEnvelope(bytes);
    if (!envelope || !(*envelope)["payload"].contains("readings")) {
      Log("ERROR", "what came is no event: " + bytes);
      return;
    }
    const Json tuple = TupleOf((*envelope)["payload"]);
    const std::lock_guard lock(mutex_);
    for (auto& [id, rule] : rules_) {
      ++rule.in;
      const Json result = Select(rule.query, tuple);
      if (result.is_null()) continue;
      ++rule.out;
      for (const Json& action : rule.definition["actions"]) Do(action, id, result);
    }
  }

  void Do(const Json& action, const std::string& id, const Json& result) {
    if (action.contains("log")) {
      Log("INFO", "sink result for rule " + id + ": " + Json::array({result}).dump());
      return;
    }
    Json readings = Json::array();
    for (const auto& [name, value] : result.items()) {
      readings.push_back({{"id", NewId()},
                          {"origin", NowNanos()},
                          {"deviceName", "ekuiper"},
                          {"resourceName", name},
                          {"profileName", "ekuiperProfile"},
                          {"valueType", value.is_string() ? "String" : "Float64"},
                          {"value", value.is_string() ? value.get<std::string>() : value.dump()}});
    }
    sink_.Send(action["edgex"].value("topic", "application"), {{"apiVersion", "v3"},
                                                               {"id", NewId()},
                                                               {"deviceName", "ekuiper"},
                                                               {"profileName", "ekuiperProfile"},
                                                               {"sourceName", id},
                                                               {"origin", NowNanos()},
                                                               {"readings", readings}});
  }

  const std::string file_;
  std::mutex mutex_;
  std::set<std::string> streams_;
  std::map<std::string, Rule> rules_;
  Bus& source_;
  Bus& sink_;
};

std::optional<HttpResponse> Answer(Engine& engine, const HttpRequest& request) {
  const bool get = request.method == "GET";
  const bool post = request.method == "POST";
  const bool remove = request.method == "DELETE";
  if (request.path == "/" && get)
    return HttpResponse{200, Json{{"version", "2.3.1-stand-in"}, {"os", "linux"}}.dump()};
  if (request.path == "/ping" && get) return HttpResponse{200, ""};
  if (const auto names = request.Below("/streams")) {
    if (names->empty() && get) return HttpResponse{200, engine.Streams().dump()};
    if (names->empty() && post) {
      return HttpResponse{201, engine.CreateStream(Json::parse(request.body).value("sql", ""))};
    }
    if (names->size() == 1 && remove) return HttpResponse{200, engine.DropStream(names->front())};
  }
  if (const auto ids = request.Below("/rules")) {
    if (ids->empty() && get) return HttpResponse{200, engine.Rules().dump()};
    if (ids->empty() && post) return HttpResponse{201, engine.CreateRule(Json::parse(request.body))};
    if (ids->size() == 1 && get) return HttpResponse{200, engine.Describe(ids->front()).dump()};
    if (ids->size() == 1 && remove) return HttpResponse{200, engine.DropRule(ids->front())};
    if (ids->size() == 2 && ids->back() == "status" && get) {
      return HttpResponse{200, engine.Status(ids->front()).dump()};
    }
  }
  return std::nullopt;
}

HttpResponse Refuse(int status, int code, const std::string& why) {
  return {status, Json{{"error", code}, {"message", why}}.dump()};
}

}  // namespace

void RunEkuiper(int argc, char** /*argv*/) {
  if (argc > 0) Die(1, "eKuiper takes no flags");
  stand_ins::HandleSignals(false);
  Engine engine;
  const int port = IntEnv("KUIPER__BASIC__RESTPORT", kDefaultPort);
  stand_ins::ServeHttp(port, [&engine](const HttpRequest& request) -> std::optional<HttpResponse> {
    try {
      return Answer(engine, request);
    } catch (const NotFound& missing) {
      return Refuse(404, 1002, missing.what());
    } catch (const std::exception& wrong) {
      return Refuse(400, 1000, wrong.what());
    }
  });
  Die(1, "port " + std::to_string(port) + " can not be opened");
}

}  // namespace slicelet::edgex
