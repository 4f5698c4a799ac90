// Keeps the events that device services publish, if their topic says the same as they do.
#include <nlohmann/json.hpp>

#include "tests/stand-ins/edgex/bus.h"
#include "tests/stand-ins/edgex/database.h"
#include "tests/stand-ins/edgex/service.h"
#include "tests/stand-ins/edgex/services.h"

namespace slicelet::edgex {
namespace {

using Json = nlohmann::json;

constexpr char kSchema[] =
    "CREATE SCHEMA IF NOT EXISTS core_data;"
    "CREATE TABLE IF NOT EXISTS core_data.event (id uuid PRIMARY KEY, origin bigint NOT NULL, readings int "
    "NOT NULL,"
    " content jsonb NOT NULL);"
    "CREATE INDEX IF NOT EXISTS event_origin ON core_data.event (origin)";
/// edgex/events/device/SERVICE/PROFILE/DEVICE/SOURCE
constexpr std::size_t kTopicLevels = 6;

/// Why the event is dropped; "" for a good one.
std::string Fault(const std::string& topic, const Json& event) {
  const std::vector<std::string> levels = TopicLevels(topic);
  if (levels.size() < kTopicLevels) return "the topic has too few levels";
  const std::size_t last = levels.size() - 1;
  if (event.value("profileName", "") != levels[last - 2] ||
      event.value("deviceName", "") != levels[last - 1] || event.value("sourceName", "") != levels[last]) {
    return "its names are not its topic's";
  }
  return event.value("readings", Json::array()).empty() ? "it has no readings" : "";
}

void Keep(Database& database, const std::string& topic, const std::string& bytes) {
  const auto envelope = OpenEnvelope(bytes);
  const Json event = envelope ? (*envelope)["payload"].value("event", Json::object()) : Json::object();
  const std::string fault = envelope ? Fault(topic, event) : "it is no envelope";
  if (!fault.empty()) {
    Log("ERROR", "event on " + topic + " dropped: " + fault);
    return;
  }
  database.Change(
      "INSERT INTO core_data.event VALUES ($1::uuid, $2::bigint, $3::int, $4::jsonb) ON CONFLICT DO NOTHING",
      {event.at("id"), std::to_string(event.at("origin").get<std::int64_t>()),
       std::to_string(event["readings"].size()), event.dump()});
}

std::string Limit(const HttpRequest& request) {
  const auto limit = request.query.find("limit");
  return limit == request.query.end() || limit->second == "-1" ? "20" : limit->second;
}

constexpr char kOfDevice[] = " FROM core_data.event WHERE content->>'deviceName'=$1";

std::int64_t ReadingsOf(Database& database, const std::string& device) {
  return std::stoll(
      database.Execute(std::string("SELECT coalesce(sum(readings), 0)") + kOfDevice, {device})[0][0]);
}

/// The newest first.
Json NewestReadings(Database& database, const std::string& device, const std::string& limit) {
  Json readings = Json::array();
  const auto most = static_cast<std::size_t>(std::stoi(limit));
  for (const auto& row :
       database.Execute(std::string("SELECT content") + kOfDevice + " ORDER BY origin DESC LIMIT $2::int",
                        {device, limit})) {
    const Json event = Json::parse(row[0]);
    for (const Json& reading : event.at("readings")) {
      if (readings.size() < most) readings.push_back(reading);
    }
  }
  return readings;
}

/// What is asked about one device; nullopt for anything else. One that is not known has no readings.
std::optional<HttpResponse> AnswerOfDevice(Database& database, const HttpRequest& request) {
  Json body = {{"apiVersion", "v3"}, {"statusCode", 200}};
  if (const auto name = request.Below("/api/v3/reading/count/device/name"); name && name->size() == 1) {
    body["Count"] = ReadingsOf(database, name->front());
    return HttpResponse{200, body.dump()};
  }
  const auto name = request.Below("/api/v3/reading/device/name");
  if (!name || name->size() != 1) return std::nullopt;
  body["totalCount"] = ReadingsOf(database, name->front());
  body["readings"] = NewestReadings(database, name->front(), Limit(request));
  return HttpResponse{200, body.dump()};
}

std::optional<HttpResponse> Answer(Database& database, const HttpRequest& request) {
  Json body = {{"apiVersion", "v3"}, {"statusCode", 200}};
  const auto count = [&](const char* what) {
    body["Count"] =
        std::stoll(database.Execute(std::string("SELECT ") + what + " FROM core_data.event")[0][0]);
    return HttpResponse{200, body.dump()};
  };
  if (request.method != "GET") return std::nullopt;
  if (request.path == "/api/v3/event/count") return count("count(*)");
  if (request.path == "/api/v3/reading/count") return count("coalesce(sum(readings), 0)");
  if (request.path != "/api/v3/event/all") return AnswerOfDevice(database, request);
  body["events"] = Json::array();
  for (const auto& row : database.Execute(
           "SELECT content FROM core_data.event ORDER BY origin DESC LIMIT $1::int", {Limit(request)})) {
    body["events"].push_back(Json::parse(row[0]));
  }
  body["totalCount"] = std::stoll(database.Execute("SELECT count(*) FROM core_data.event")[0][0]);
  return HttpResponse{200, body.dump()};
}

}  // namespace

void RunCoreData(int argc, char** argv) {
  Service service("core-data", 59880, argc, argv);
  Database database(service, kSchema);
  Bus& bus = Bus::OfService(service);
  // Its device cache is filled once, without another try.
  const auto devices = Fetch(service.MetadataEndpoint(), "GET", "/api/v3/device/all?limit=-1");
  if (!devices || devices->status != 200)
    Die(1, "the device cache can not be filled: core-metadata does not answer");
  bus.Subscribe("edgex/events/device/#",
                [&](const std::string& topic, const std::string& bytes) { Keep(database, topic, bytes); });
  service.Handle([&](const HttpRequest& request) { return Answer(database, request); });
  service.Serve();
}

}  // namespace slicelet::edgex
