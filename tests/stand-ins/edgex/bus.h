#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

struct mosquitto;
struct mosquitto_message;

namespace slicelet::edgex {

class Service;

/// A client of an MQTT broker. After the first connection it reconnects and subscribes again by itself.
class Bus {
 public:
  struct Options {
    std::string host = "localhost";
    int port = 1883;
    std::string client_id;
    std::string user{}, password{};
    int keep_alive = 60;
    /// Of events.
    int qos = 0;
    std::string will_topic{}, will_payload{};
  };
  using Handler = std::function<void(const std::string& topic, const std::string& payload)>;

  explicit Bus(Options options);
  /// The message bus of the service's settings (MESSAGEBUS_*); waits for it, ends the program with 1 without
  /// it.
  static Bus& OfService(const Service& service);

  /// False when the broker can not be reached or refuses.
  bool Connect();
  [[nodiscard]] bool connected() const { return connected_; }
  /// Calls come on the client's own thread, one at a time.
  void Subscribe(const std::string& filter, Handler handler);
  bool Publish(const std::string& topic, const std::string& payload, int qos = 0, bool retain = false);

  /// An envelope around `payload`, published under `topic`.
  bool Send(const std::string& topic, const nlohmann::json& payload);
  /// Sends a request and waits for the envelope under edgex/response/SERVICE/REQUEST-ID.
  std::optional<nlohmann::json> Request(const std::string& topic, const std::string& service,
                                        const nlohmann::json& payload);
  /// Answers the request in `envelope`; `error` is an envelope's errorCode.
  void Respond(const std::string& service, const nlohmann::json& envelope, const nlohmann::json& payload,
               int error = 0);

 private:
  static void OnConnect(mosquitto*, void* self, int code);
  static void OnDisconnect(mosquitto*, void* self, int code);
  static void OnMessage(mosquitto*, void* self, const mosquitto_message* message);

  const Options options_;
  mosquitto* client_ = nullptr;
  std::atomic<bool> connected_{false};
  std::atomic<bool> refused_{false};
  bool running_ = false;
  std::mutex mutex_;
  std::condition_variable answered_;
  std::map<std::string, Handler> handlers_;
  std::map<std::string, std::optional<nlohmann::json>> waiting_;  // by request id
};

/// The payload of an envelope, decoded; nullopt when the bytes are no envelope with a JSON payload.
std::optional<nlohmann::json> OpenEnvelope(const std::string& bytes);
std::vector<std::string> TopicLevels(const std::string& topic);

}  // namespace slicelet::edgex
