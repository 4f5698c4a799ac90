#include "tests/stand-ins/edgex/bus.h"

#include <mosquitto.h>

#include <thread>

#include "tests/stand-ins/edgex/service.h"

namespace slicelet::edgex {

using Json = nlohmann::json;
using std::chrono::milliseconds;

namespace {

constexpr auto kAnswerTime = std::chrono::seconds(5);

Json MakeEnvelope(const Json& payload, const std::string& request_id) {
  return {{"apiVersion", "v3"},
          {"receivedTopic", ""},
          {"correlationID", NewId()},
          {"requestID", request_id},
          {"errorCode", 0},
          {"payload", payload},
          {"contentType", "application/json"}};
}

std::string Decode64(const std::string& text) {
  std::string out;
  unsigned value = 0;
  int bits = 0;
  for (const char c : text) {
    const char* kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const auto at = std::string(kAlphabet).find(c);
    if (at == std::string::npos) break;
    value = (value << 6) | static_cast<unsigned>(at);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>((value >> bits) & 0xFF);
    }
  }
  return out;
}

}  // namespace

std::optional<Json> OpenEnvelope(const std::string& bytes) {
  Json envelope = Json::parse(bytes, nullptr, false);
  if (!envelope.is_object() || !envelope.contains("payload")) return std::nullopt;
  if (envelope["payload"].is_string()) {
    // The form of releases before 4.
    envelope["payload"] = Json::parse(Decode64(envelope["payload"].get<std::string>()), nullptr, false);
  }
  if (envelope["payload"].is_discarded()) return std::nullopt;
  return envelope;
}

std::vector<std::string> TopicLevels(const std::string& topic) {
  std::vector<std::string> levels;
  for (std::size_t begin = 0; begin <= topic.size();) {
    const std::size_t end = std::min(topic.find('/', begin), topic.size());
    levels.push_back(UrlDecode(topic.substr(begin, end - begin)));
    begin = end + 1;
  }
  return levels;
}

Bus::Bus(Options options) : options_(std::move(options)) {
  static const int initialized = mosquitto_lib_init();
  (void)initialized;
  client_ = mosquitto_new(options_.client_id.empty() ? nullptr : options_.client_id.c_str(), true, this);
  if (!options_.user.empty())
    mosquitto_username_pw_set(client_, options_.user.c_str(), options_.password.c_str());
  if (!options_.will_topic.empty()) {
    mosquitto_will_set(client_, options_.will_topic.c_str(), static_cast<int>(options_.will_payload.size()),
                       options_.will_payload.data(), 1, false);
  }
  mosquitto_reconnect_delay_set(client_, 1, 2, false);
  mosquitto_connect_callback_set(client_, OnConnect);
  mosquitto_disconnect_callback_set(client_, OnDisconnect);
  mosquitto_message_callback_set(client_, OnMessage);
}

Bus& Bus::OfService(const Service& service) {
  // Lives as long as the program.
  auto* bus = new Bus({.host = service.Setting("MESSAGEBUS_HOST", "localhost"),
                       .port = service.IntSetting("MESSAGEBUS_PORT", 1883),
                       .client_id = service.Setting("MESSAGEBUS_OPTIONAL_CLIENTID", service.key()),
                       .qos = service.IntSetting("MESSAGEBUS_OPTIONAL_QOS", 0)});
  service.Require("message bus", 1, [bus] { return bus->Connect(); });
  return *bus;
}

bool Bus::Connect() {
  if (connected_) return true;
  refused_ = false;
  if (!running_) {
    if (mosquitto_connect(client_, options_.host.c_str(), options_.port, options_.keep_alive) !=
        MOSQ_ERR_SUCCESS) {
      return false;
    }
    mosquitto_loop_start(client_);
    running_ = true;
  }
  for (int i = 0; i < 200 && !connected_ && !refused_; ++i) std::this_thread::sleep_for(milliseconds(10));
  return connected_;
}

void Bus::Subscribe(const std::string& filter, Handler handler) {
  {
    const std::lock_guard lock(mutex_);
    handlers_[filter] = std::move(handler);
  }
  if (connected_) mosquitto_subscribe(client_, nullptr, filter.c_str(), 1);
}

bool Bus::Publish(const std::string& topic, const std::string& payload, int qos, bool retain) {
  return connected_ && mosquitto_publish(client_, nullptr, topic.c_str(), static_cast<int>(payload.size()),
                                         payload.data(), qos, retain) == MOSQ_ERR_SUCCESS;
}

bool Bus::Send(const std::string& topic, const Json& payload) {
  return Publish(topic, MakeEnvelope(payload, NewId()).dump(), options_.qos);
}

std::optional<Json> Bus::Request(const std::string& topic, const std::string& service, const Json& payload) {
  const std::string id = NewId();
  const std::string filter = "edgex/response/" + service + "/" + id;
  {
    const std::lock_guard lock(mutex_);
    waiting_[id] = std::nullopt;
  }
  Subscribe(filter, [this, id](const std::string&, const std::string& bytes) {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(id);
    if (found != waiting_.end()) found->second = OpenEnvelope(bytes);
    answered_.notify_all();
  });
  Publish(topic, MakeEnvelope(payload, id).dump());
  std::unique_lock lock(mutex_);
  answered_.wait_for(lock, kAnswerTime, [&] { return waiting_[id].has_value(); });
  std::optional<Json> answer = std::move(waiting_[id]);
  waiting_.erase(id);
  handlers_.erase(filter);
  lock.unlock();
  mosquitto_unsubscribe(client_, nullptr, filter.c_str());
  return answer;
}

void Bus::Respond(const std::string& service, const Json& envelope, const Json& payload, int error) {
  const std::string id = envelope.value("requestID", "");
  Json answer = MakeEnvelope(payload, id);
  answer["correlationID"] = envelope.value("correlationID", "");
  answer["errorCode"] = error;
  Publish("edgex/response/" + service + "/" + id, answer.dump());
}

void Bus::OnConnect(mosquitto* client, void* self, int code) {
  Bus& bus = *static_cast<Bus*>(self);
  if (code != 0) {
    bus.refused_ = true;
    Log("ERROR", std::string("the broker refused: ") + mosquitto_connack_string(code));
    return;
  }
  {
    const std::lock_guard lock(bus.mutex_);
    for (const auto& [filter, handler] : bus.handlers_)
      mosquitto_subscribe(client, nullptr, filter.c_str(), 1);
  }
  bus.connected_ = true;
}

void Bus::OnDisconnect(mosquitto*, void* self, int code) {
  static_cast<Bus*>(self)->connected_ = false;
  if (code != 0) Log("WARN", std::string("connection to the broker lost: ") + mosquitto_strerror(code));
}

void Bus::OnMessage(mosquitto*, void* self, const mosquitto_message* message) {
  Bus& bus = *static_cast<Bus*>(self);
  const std::string payload(static_cast<const char*>(message->payload),
                            static_cast<std::size_t>(message->payloadlen));
  std::vector<Handler> handlers;
  {
    const std::lock_guard lock(bus.mutex_);
    for (const auto& [filter, handler] : bus.handlers_) {
      bool matches = false;
      mosquitto_topic_matches_sub(filter.c_str(), message->topic, &matches);
      if (matches) handlers.push_back(handler);
    }
  }
  for (const Handler& handler : handlers) {
    try {
      handler(message->topic, payload);
    } catch (const std::exception& failed) {
      Log("ERROR", std::string("message dropped: ") + failed.what());
    }
  }
}

}  // namespace slicelet::edgex
