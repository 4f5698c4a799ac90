// app-service-configurable: with profile mqtt-export events of the bus go to another broker without their
// envelope, with profile rules-engine to where rules read them.
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/stand-ins/edgex/bus.h"
#include "tests/stand-ins/edgex/database.h"
#include "tests/stand-ins/edgex/service.h"
#include "tests/stand-ins/edgex/services.h"

namespace slicelet::edgex {
namespace {

using Json = nlohmann::json;

constexpr int kPort = 59703;
constexpr int kRulesPort = 59701;
constexpr int kMaxRetries = 10;
constexpr char kSchema[] =
    "CREATE SCHEMA IF NOT EXISTS app_export;"
    "CREATE TABLE IF NOT EXISTS app_export.stored (id bigserial PRIMARY KEY, service text NOT NULL, payload "
    "text NOT NULL,"
    " retries int NOT NULL DEFAULT 0)";

class Exporter {
 public:
  explicit Exporter(const Service& service)
      : service_(service),
        topic_(Parameter("TOPIC", "edgex-export")),
        qos_(std::atoi(Parameter("QOS", "0").c_str())),
        retain_(Parameter("RETAIN", "false") == "true"),
        target_(Target()) {
    if (Parameter("PERSISTONERROR", "false") == "true" &&
        service.Setting("WRITABLE_STOREANDFORWARD_ENABLED", "false") == "true") {
      store_ = std::make_unique<Database>(service, kSchema);
      std::thread([this] { RetryForEver(); }).detach();
    }
  }

  void Export(const std::string& bytes) {
    const auto envelope = OpenEnvelope(bytes);
    if (!envelope || !(*envelope)["payload"].contains("event")) return;
    const std::string payload = (*envelope)["payload"]["event"].dump();
    if (Deliver(payload)) return;
    if (store_ == nullptr) {
      Log("ERROR", "event lost: the target can not be reached");
      return;
    }
    store_->Change("INSERT INTO app_export.stored (service, payload) VALUES ($1, $2)",
                   {service_.key(), payload});
  }

 private:
  [[nodiscard]] std::string Parameter(const std::string& name, const std::string& otherwise) const {
    return service_.Setting("WRITABLE_PIPELINE_FUNCTIONS_MQTTEXPORT_PARAMETERS_" + name, otherwise);
  }

  [[nodiscard]] Bus::Options Target() const {
    const std::string address = Parameter("BROKERADDRESS", "tcp://localhost:1883");
    const auto scheme = address.find("://");
    const auto colon = address.rfind(':');
    if (address.rfind("tcp://", 0) != 0 || colon <= scheme)
      Die(1, "broker address '" + address + "' is not tcp://HOST:PORT");
    Bus::Options options{.host = address.substr(scheme + 3, colon - scheme - 3),
                         .port = std::atoi(address.c_str() + colon + 1),
                         .client_id = Parameter("CLIENTID", "MQTT-Export")};
    const std::string mode = Parameter("AUTHMODE", "none");
    if (mode == "usernamepassword") {
      options.user = service_.Setting("WRITABLE_INSECURESECRETS_MQTT_SECRETDATA_USERNAME");
      options.password = service_.Setting("WRITABLE_INSECURESECRETS_MQTT_SECRETDATA_PASSWORD");
    } else if (mode != "none") {
      Die(1, "stand-ins know the authentication modes none and usernamepassword, not '" + mode + "'");
    }
    if (Parameter("WILLENABLED", "false") == "true") {
      options.will_topic = Parameter("WILLTOPIC", "");
      options.will_payload = Parameter("WILLPAYLOAD", "");
    }
    return options;
  }

  /// Connects when the first event is there, as the real one does.
  bool Deliver(const std::string& payload) {
    return target_.Connect() && target_.Publish(topic_, payload, qos_, retain_);
  }

  void RetryForEver() {
    const auto interval =
        ParseDuration(service_.Setting("WRITABLE_STOREANDFORWARD_RETRYINTERVAL"), std::chrono::minutes(5));
    const int most = service_.IntSetting("WRITABLE_STOREANDFORWARD_MAXRETRYCOUNT", kMaxRetries);
    for (;;) {
      std::this_thread::sleep_for(interval);
      try {
        Retry(most);
      } catch (const std::exception& failed) {
        Log("ERROR", std::string("retry: ") + failed.what());
      }
    }
  }

  void Retry(int most) {
    for (const auto& row : store_->Execute(
             "SELECT id, payload FROM app_export.stored WHERE service=$1 ORDER BY id", {service_.key()})) {
      if (Deliver(row[1])) {
        store_->Change("DELETE FROM app_export.stored WHERE id=$1::bigint", {row[0]});
      } else {
        store_->Change("UPDATE app_export.stored SET retries=retries+1 WHERE id=$1::bigint", {row[0]});
        store_->Change("DELETE FROM app_export.stored WHERE id=$1::bigint AND retries>=$2::int",
                       {row[0], std::to_string(most)});
      }
    }
  }

  const Service& service_;
  const std::string topic_;
  const int qos_;
  const bool retain_;
  Bus target_;
  std::unique_ptr<Database> store_;
};

/// Events without what makes them requests, as eKuiper reads them.
void PublishForRules(Bus& bus, const std::string& bytes) {
  const auto envelope = OpenEnvelope(bytes);
  if (envelope && (*envelope)["payload"].contains("event")) {
    bus.Send("edgex/rules-events", (*envelope)["payload"]["event"]);
  }
}

}  // namespace

void RunAppServiceConfigurable(int argc, char** argv) {
  const std::string profile = stand_ins::Env("EDGEX_PROFILE");
  const bool rules = profile == "rules-engine";
  Service service(rules ? "app-rules-engine" : "app-mqtt-export", rules ? kRulesPort : kPort, argc, argv);
  if (!rules && profile != "mqtt-export") {
    Die(1, "stand-ins know the profiles mqtt-export and rules-engine, not '" + profile + "'");
  }
  Bus& bus = Bus::OfService(service);
  service.RequirePing("core-metadata", 1, service.MetadataEndpoint());
  auto* exporter = rules ? nullptr : new Exporter(service);
  bus.Subscribe("edgex/events/#", [&bus, exporter](const std::string&, const std::string& bytes) {
    if (exporter == nullptr) {
      PublishForRules(bus, bytes);
    } else {
      exporter->Export(bytes);
    }
  });
  service.Serve();
}

}  // namespace slicelet::edgex
