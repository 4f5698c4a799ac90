#include "provider/controllers/server_profile.h"

#include <utility>

#include "kube/object.h"
#include "provider/controllers/gateway_profile.h"
#include "provider/controllers/kept_database.h"
#include "provider/controllers/pod_parts.h"

namespace slicelet::provider {
namespace {

constexpr char kMainfluxVersion[] = "0.12.0";
constexpr char kDatabaseImage[] = "postgres:15-alpine";
constexpr int kNobody = 65534;

/// What is reached from outside of the pod: the defaults of spec.ports, and the services' own.
struct Port {
  const char* name;
  int number;
};
constexpr Port kUsers{"users", 8180};
constexpr Port kThings{"things", 8182};
constexpr Port kAuth{"auth", 8189};
constexpr Port kAccess{"access", 8989};
constexpr Port kMqtt{"mqtt", 1883};

/// Within the pod.
constexpr int kDatabasePort = 5432;
constexpr int kRedisPort = 6379;
constexpr int kNatsPort = 4222;
constexpr int kBrokerPort = 1884;
constexpr int kBrokerProbePort = 1885;
constexpr char kAuthGrpcPort[] = "8181";
constexpr char kThingsGrpcPort[] = "8183";

/// The adapter alone speaks with it; the other listener takes nobody in and is there for the probes.
constexpr char kBroker[] = R"(cat >/tmp/mosquitto.conf <<END
per_listener_settings true
listener 1884 127.0.0.1
allow_anonymous true
listener 1885
allow_anonymous false
END
exec mosquitto -c /tmp/mosquitto.conf)";

constexpr char kNats[] = R"(cat >/tmp/nats.conf <<END
port: 4222
authorization { user: mainflux, password: "$MESSAGES_PASSWORD" }
END
exec nats-server -c /tmp/nats.conf)";

int HostPortOf(const Json& server, const Port& port) {
  return static_cast<int>(kube::IntegerAt(server, {"spec", "ports", port.name}, port.number));
}

std::string ImageOfDatabase(const Json& server) {
  const std::string own = kube::TextAt(server, {"spec", "images", "postgres"});
  return own.empty() ? kDatabaseImage : own;
}

/// Its database with what comes before it, in the server's own words.
KeptDatabase DatabaseOf(const Json& server) {
  return {.image = ImageOfDatabase(server),
          .databases = {"auth", "users", "things"},
          .password = EnvOfSecret("DATABASE_PASSWORD", ServerKeysOf(server), "database")};
}

/// What it holds is in the database too. Its protected mode keeps other pods out.
Json Cache() {
  Json made = Container("redis", "redis:7.0-alpine");
  made["command"] = {"redis-server", "--save",           "",    "--appendonly", "no",   "--dir",
                     "/tmp",         "--protected-mode", "yes", "--maxmemory",  "96mb", "--maxmemory-policy",
                     "allkeys-lru"};
  made["securityContext"] = User(kNobody);
  Probe(made, TcpProbe(kRedisPort));
  made["resources"] = Resources("10m", "16Mi", "128Mi");
  return made;
}

Json Messages(const Json& server) {
  Json made = Container("nats", "nats:2.9-alpine");
  made["command"] = Shell(kNats);
  made["env"] = Json::array({EnvOfSecret("MESSAGES_PASSWORD", ServerKeysOf(server), "messages")});
  made["securityContext"] = User(kNobody);
  Probe(made, TcpProbe(kNatsPort));
  made["resources"] = Resources("10m", "16Mi", "128Mi");
  return made;
}

Json Broker() {
  Json made = Container("mosquitto", "eclipse-mosquitto:2.0.22");
  made["command"] = Shell(kBroker);
  made["securityContext"] = User(1883);
  Probe(made, TcpProbe(kBrokerProbePort));
  made["resources"] = Resources("10m", "16Mi", "128Mi");
  return made;
}

/// One of Mainflux's own services.
Json Service(const Json& server, const std::string& name, const std::vector<Port>& ports, Json env,
             Json probe) {
  Json made = Container(name, "mainflux/" + name + ":" + kMainfluxVersion);
  made["env"] = std::move(env);
  for (const Port& port : ports) {
    made["ports"].push_back({{"name", port.name},
                             {"containerPort", port.number},
                             {"hostPort", HostPortOf(server, port)},
                             {"protocol", "TCP"}});
  }
  made["securityContext"] = User(kNobody);
  made["securityContext"]["readOnlyRootFilesystem"] = true;
  Probe(made, std::move(probe));
  made["resources"] = Resources("10m", "16Mi", "128Mi");
  return made;
}

Json DatabaseEnv(const Json& server, const std::string& service) {
  const std::string prefix = "MF_" + service + "_";
  return Json::array({Env(prefix + "LOG_LEVEL", "info"), Env(prefix + "DB_HOST", "127.0.0.1"),
                      Env(prefix + "DB_PORT", std::to_string(kDatabasePort)),
                      Env(prefix + "DB_USER", "postgres"),
                      EnvOfSecret(prefix + "DB_PASS", ServerKeysOf(server), "database")});
}

void Add(Json& env, const std::vector<std::pair<std::string, std::string>>& more) {
  for (const auto& [name, value] : more) env.push_back(Env(name, value));
}

/// Of services with one another. Their default is a second, after which good credentials are refused on a
/// busy host.
constexpr char kPatience[] = "10s";

Json Auth(const Json& server) {
  Json env = DatabaseEnv(server, "AUTH");
  Add(env, {{"MF_AUTH_HTTP_PORT", std::to_string(kAuth.number)}, {"MF_AUTH_GRPC_PORT", kAuthGrpcPort}});
  env.push_back(EnvOfSecret("MF_AUTH_SECRET", ServerKeysOf(server), "signing"));
  return Service(server, "auth", {kAuth}, std::move(env), HttpProbe(kAuth.number, "/version"));
}

Json Users(const Json& server) {
  Json env = DatabaseEnv(server, "USERS");
  Add(env, {{"MF_USERS_HTTP_PORT", std::to_string(kUsers.number)},
            {"MF_AUTH_GRPC_URL", std::string("127.0.0.1:") + kAuthGrpcPort},
            {"MF_AUTH_GRPC_TIMEOUT", kPatience},
            {"MF_USERS_ADMIN_EMAIL", "admin@" + kube::NameOf(server) + ".invalid"}});
  env.push_back(EnvOfSecret("MF_USERS_ADMIN_PASSWORD", ServerKeysOf(server), "admin"));
  return Service(server, "users", {kUsers}, std::move(env), HttpProbe(kUsers.number, "/version"));
}

Json Things(const Json& server) {
  const std::string redis = "127.0.0.1:" + std::to_string(kRedisPort);
  Json env = DatabaseEnv(server, "THINGS");
  Add(env, {{"MF_THINGS_HTTP_PORT", std::to_string(kThings.number)},
            {"MF_THINGS_AUTH_HTTP_PORT", std::to_string(kAccess.number)},
            {"MF_THINGS_AUTH_GRPC_PORT", kThingsGrpcPort},
            {"MF_THINGS_CACHE_URL", redis},
            {"MF_THINGS_ES_URL", redis},
            {"MF_AUTH_GRPC_URL", std::string("127.0.0.1:") + kAuthGrpcPort},
            {"MF_AUTH_GRPC_TIMEOUT", kPatience}});
  return Service(server, "things", {kThings, kAccess}, std::move(env), HttpProbe(kThings.number, "/version"));
}

Json Adapter(const Json& server) {
  const std::string redis = "127.0.0.1:" + std::to_string(kRedisPort);
  Json env = Json::array({EnvOfSecret("MESSAGES_PASSWORD", ServerKeysOf(server), "messages")});
  Add(env, {{"MF_MQTT_ADAPTER_LOG_LEVEL", "info"},
            {"MF_MQTT_ADAPTER_MQTT_PORT", std::to_string(kMqtt.number)},
            {"MF_MQTT_ADAPTER_MQTT_TARGET_HOST", "127.0.0.1"},
            {"MF_MQTT_ADAPTER_MQTT_TARGET_PORT", std::to_string(kBrokerPort)},
            {"MF_MQTT_ADAPTER_ES_URL", redis},
            {"MF_AUTH_CACHE_URL", redis},
            {"MF_THINGS_AUTH_GRPC_URL", std::string("127.0.0.1:") + kThingsGrpcPort},
            {"MF_THINGS_AUTH_GRPC_TIMEOUT", kPatience},
            {"MF_NATS_URL", "nats://mainflux:$(MESSAGES_PASSWORD)@127.0.0.1:" + std::to_string(kNatsPort)}});
  return Service(server, "mqtt", {kMqtt}, std::move(env), TcpProbe(kMqtt.number));
}

std::string HttpUrl(const Json& server, const std::string& address, const Port& port) {
  return "http://" + address + ":" + std::to_string(HostPortOf(server, port));
}

}  // namespace

std::string ServerKeysOf(const Json& server) { return kube::NameOf(server) + "-server"; }

bool HasOwnCredentials(const Json& server) {
  return !kube::TextAt(server, {"spec", "credentialsSecret"}).empty();
}

std::string CredentialsOf(const Json& server) {
  const std::string own = kube::TextAt(server, {"spec", "credentialsSecret"});
  return own.empty() ? kube::NameOf(server) + "-credentials" : own;
}

std::string UserOf(const Json& server) {
  return "gateways@" + kube::NameOf(server) + "." + kube::NamespaceOf(server) + ".invalid";
}

Json ClassicEndpoints(const Json& server, const std::string& address) {
  return {{"users", HttpUrl(server, address, kUsers)},
          {"things", HttpUrl(server, address, kThings)},
          {"auth", HttpUrl(server, address, kAuth)},
          {"access", HttpUrl(server, address, kAccess)},
          {"mqtt", "tcp://" + address + ":" + std::to_string(HostPortOf(server, kMqtt))}};
}

Json ServerPod(const Json& server, const std::string& host, const ControllerSettings& settings) {
  Json pod;
  pod["metadata"]["labels"] = {{"slicelet.io/role", "server"},
                               {kHubLabel, settings.hub_id},
                               {kSliceLabel, kube::TextAt(server, {"spec", "slice"})},
                               {kServerLabel, kube::NameOf(server)}};
  pod["metadata"]["annotations"]["slicelet.io/depends-on"] =
      "auth=postgres; users=postgres,auth; things=postgres,redis,auth; mqtt=redis,nats,mosquitto,things";
  pod["spec"] = {
      {"terminationGracePeriodSeconds", 10},
      {"automountServiceAccountToken", false},
      {"initContainers", Json::array({OwnData(DatabaseOf(server)), BeginDatabase(DatabaseOf(server))})},
      {"containers", Json::array({RunDatabase(kDatabaseImage), Cache(), Messages(server), Broker(),
                                  Auth(server), Users(server), Things(server), Adapter(server)})},
      {"volumes", Json::array({KeptVolume("database", DataPathOf(server))})},
  };
  PlacePod({{"target", {{"host", host}}}}, settings, pod);
  ReplaceImages(server, pod["spec"]);
  return pod;
}

}  // namespace slicelet::provider
