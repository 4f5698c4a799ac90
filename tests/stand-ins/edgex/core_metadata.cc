// Devices, profiles and device services. POSTs take arrays and answer 207 with a verdict for each item.
#include <nlohmann/json.hpp>

#include "tests/stand-ins/edgex/bus.h"
#include "tests/stand-ins/edgex/database.h"
#include "tests/stand-ins/edgex/service.h"
#include "tests/stand-ins/edgex/services.h"

namespace slicelet::edgex {
namespace {

using Json = nlohmann::json;

constexpr char kSchema[] =
    "CREATE SCHEMA IF NOT EXISTS core_metadata;"
    "CREATE TABLE IF NOT EXISTS core_metadata.item (kind text, name text, content jsonb NOT NULL,"
    " PRIMARY KEY (kind, name))";

struct Kind {
  std::string path;    // /api/v3/PATH
  std::string member;  // the item's name in requests and answers
  std::string list;    // and in lists
};
const Kind kDevice{"device", "device", "devices"};
const Kind kProfile{"deviceprofile", "profile", "profiles"};
const Kind kService{"deviceservice", "service", "services"};

struct Verdict {
  int code;
  std::string message{};
  std::string id{};
};

class CoreMetadata {
 public:
  explicit CoreMetadata(const Service& service)
      : database_(service, kSchema), bus_(Bus::OfService(service)) {}

  std::optional<HttpResponse> Handle(const HttpRequest& request) {
    for (const Kind* kind : {&kDevice, &kProfile, &kService}) {
      const auto parts = request.Below("/api/v3/" + kind->path);
      if (parts) return HandleKind(*kind, request, *parts);
    }
    return std::nullopt;
  }

 private:
  static HttpResponse Answer(int status, Json more) {
    more["apiVersion"] = "v3";
    more["statusCode"] = status;
    return {status, more.dump()};
  }

  HttpResponse HandleKind(const Kind& kind, const HttpRequest& request,
                          const std::vector<std::string>& parts) {
    if (parts.empty()) {
      if (request.method == "POST")
        return ForEach(request, kind, [&](const Json& item) { return Add(kind, item); });
      if (request.method == "PATCH" || request.method == "PUT") {
        return ForEach(request, kind, [&](const Json& item) { return Change(kind, item); });
      }
      return Answer(405, {{"message", "method not allowed"}});
    }
    if (parts.size() == 1 && parts[0] == "all") return List(kind, request);
    if (parts.size() != 2 || parts[0] != "name") return Answer(404, {{"message", "not found"}});
    const auto found = Find(kind, parts[1]);
    if (!found) return Answer(404, {{"message", kind.member + " '" + parts[1] + "' does not exist"}});
    if (request.method == "DELETE") return Delete(kind, parts[1], *found);
    return Answer(200, {{kind.member, *found}});
  }

  template <typename Act>
  static HttpResponse ForEach(const HttpRequest& request, const Kind& kind, Act act) {
    const Json items = Json::parse(request.body);
    if (!items.is_array()) return Answer(400, {{"message", "the body has to be an array"}});
    Json answer = Json::array();
    for (const Json& item : items) {
      Verdict verdict{400, "no " + kind.member + " with a name"};
      if (item.contains(kind.member) && item[kind.member].value("name", "") != "")
        verdict = act(item[kind.member]);
      answer.push_back({{"apiVersion", "v3"}, {"statusCode", verdict.code}, {"message", verdict.message}});
      if (!verdict.id.empty()) answer.back()["id"] = verdict.id;
    }
    return {207, answer.dump()};
  }

  std::optional<Json> Find(const Kind& kind, const std::string& name) {
    const auto rows = database_.Execute("SELECT content FROM core_metadata.item WHERE kind=$1 AND name=$2",
                                        {kind.member, name});
    if (rows.empty()) return std::nullopt;
    return Json::parse(rows[0][0]);
  }

  HttpResponse List(const Kind& kind, const HttpRequest& request) {
    const auto number = [&](const char* name, const char* otherwise) {
      const auto found = request.query.find(name);
      return found == request.query.end() || found->second == "-1" ? std::string(otherwise) : found->second;
    };
    Json items = Json::array();
    for (const auto& row : database_.Execute("SELECT content FROM core_metadata.item WHERE kind=$1 ORDER BY "
                                             "name OFFSET $2::int LIMIT $3::int",
                                             {kind.member, number("offset", "0"), number("limit", "1024")})) {
      items.push_back(Json::parse(row[0]));
    }
    const auto count =
        database_.Execute("SELECT count(*) FROM core_metadata.item WHERE kind=$1", {kind.member});
    return Answer(200, {{"totalCount", std::stoi(count[0][0])}, {kind.list, items}});
  }

  std::optional<Verdict> WrongReference(const Json& device) {
    const std::string profile = device.value("profileName", "");
    const std::string service = device.value("serviceName", "");
    if (!Find(kProfile, profile)) return Verdict{400, "device profile '" + profile + "' does not exist"};
    if (!Find(kService, service)) return Verdict{400, "device service '" + service + "' does not exist"};
    return std::nullopt;
  }

  Verdict Add(const Kind& kind, Json item) {
    const std::string name = item["name"];
    if (&kind == &kDevice) {
      if (const auto wrong = WrongReference(item)) return *wrong;
    }
    item["id"] = NewId();
    item["created"] = NowNanos() / 1'000'000;
    const int added =
        database_.Change("INSERT INTO core_metadata.item VALUES ($1, $2, $3::jsonb) ON CONFLICT DO NOTHING",
                         {kind.member, name, item.dump()});
    if (added == 0) return {409, kind.member + " name " + name + " already exists"};
    if (&kind == &kDevice) Tell("add", item);
    return {201, "", item["id"]};
  }

  Verdict Change(const Kind& kind, const Json& changes) {
    const std::string name = changes["name"];
    auto item = Find(kind, name);
    if (!item) return {404, kind.member + " '" + name + "' does not exist"};
    const std::string id = item->value("id", "");
    for (const auto& [key, value] : changes.items()) (*item)[key] = value;
    (*item)["id"] = id;
    if (&kind == &kDevice) {
      if (const auto wrong = WrongReference(*item)) return *wrong;
    }
    database_.Change("UPDATE core_metadata.item SET content=$3::jsonb WHERE kind=$1 AND name=$2",
                     {kind.member, name, item->dump()});
    if (&kind == &kDevice) Tell("update", *item);
    return {200};
  }

  HttpResponse Delete(const Kind& kind, const std::string& name, const Json& item) {
    if (&kind == &kProfile &&
        !database_
             .Execute("SELECT 1 FROM core_metadata.item WHERE kind='device' AND content->>'profileName'=$1",
                      {name})
             .empty()) {
      return Answer(409, {{"message", "device profile '" + name + "' is in use"}});
    }
    database_.Change("DELETE FROM core_metadata.item WHERE kind=$1 AND name=$2", {kind.member, name});
    if (&kind == &kDevice) Tell("delete", item);
    return Answer(200, Json::object());
  }

  void Tell(const std::string& action, const Json& device) {
    const std::string owner = device.value("serviceName", "");
    bus_.Send("edgex/system-events/core-metadata/device/" + action + "/" + owner + "/" +
                  device.value("profileName", ""),
              {{"apiVersion", "v3"},
               {"type", "device"},
               {"action", action},
               {"source", "core-metadata"},
               {"owner", owner},
               {"details", device},
               {"timestamp", NowNanos()}});
  }

  Database database_;
  Bus& bus_;
};

}  // namespace

void RunCoreMetadata(int argc, char** argv) {
  Service service("core-metadata", 59881, argc, argv);
  CoreMetadata metadata(service);
  service.Handle([&](const HttpRequest& request) { return metadata.Handle(request); });
  service.Serve();
}

}  // namespace slicelet::edgex
