#include "edge-agent/senml-export/bus_reader.h"

#include <utility>

#include "common/log/log.h"

namespace slicelet::senml {
namespace {

/// MQTT 3.1.1 knows only whether a session is kept.
constexpr Duration kKept = std::chrono::hours(24);

}  // namespace

BusReader::BusReader(Loop& loop, Random& random, MqttDialer& bus, Intake& intake, Options options)
    : bus_(bus), intake_(intake), options_(std::move(options)), backoff_(kBackoff, random), retry_(loop) {}

void BusReader::Start() { Connect(); }

void BusReader::Connect() {
  // What comes and can not be kept ends the program, and with it the way to the server, by which alone there
  // will be room again.
  if (const absl::Status room = intake_.CanKeep(); !room.ok())
    return ConnectLater("its events could not be kept: " + Message(room));
  MqttConnection::Options options{.client_id = options_.client_id, .session_expiry = kKept};
  connection_ =
      bus_.Connect(std::move(options),
                   {.on_connected =
                        [this] {
                          connected_ = true;
                          why_.clear();
                          backoff_.Reset();
                          LogInfo("connected to the bus", {{"filter", options_.filter}});
                          connection_->Subscribe(options_.filter);
                        },
                    .on_arrival = [&intake = intake_](const MqttMessage& message) { intake.Take(message); },
                    .on_closed =
                        [this](const absl::Status& why) {
                          connection_.reset();
                          connected_ = false;
                          ConnectLater(Message(why));
                        }});
}

void BusReader::ConnectLater(const std::string& why) {
  if (why != why_) LogWarning("not connected to the bus", {{"why", why}});
  why_ = why;
  retry_.Set(backoff_.Next(), [this] { Connect(); });
}

}  // namespace slicelet::senml
