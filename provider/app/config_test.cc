#include "provider/app/config.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace slicelet::provider {
namespace {

using testing::HasSubstr;

nlohmann::json Good() {
  return {
      {"hub", "demo"},
      {"database", "/var/lib/slicelet/provider.db"},
      {"manifestKey", "/etc/slicelet/hub/manifest.key"},
      {"keyCertificates", {"/etc/slicelet/hub/manifest.cert"}},
      {"tagKey", "/etc/slicelet/hub/tag.key"},
      {"agents", {{"listen", "0.0.0.0:7443"}, {"ca", "ca.crt"}, {"certificate", "p.crt"}, {"key", "p.key"}}},
      {"socket", "/run/slicelet/provider.sock"},
      {"directory", "/etc/slicelet/manifests"},
      {"orphanConfirm", "3s"}};
}

std::string ErrorOf(const nlohmann::json& json) { return Message(ReadProviderConfig(json).status()); }

TEST(ReadProviderConfig, TakesWhatHubInitWrites) {
  const auto config = ReadProviderConfig(Good());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->hub.hub_id, "demo");
  EXPECT_EQ(config->hub.orphan_confirm, std::chrono::seconds(3));
  EXPECT_EQ(config->agents.listen, "0.0.0.0:7443");
  EXPECT_EQ(config->agents.tls.key_file, "p.key");
  EXPECT_FALSE(config->remote.has_value());
  EXPECT_TRUE(config->controllers);
  auto without = Good();
  without["controllers"] = false;
  EXPECT_FALSE(ReadProviderConfig(without)->controllers);
}

TEST(ReadProviderConfig, ReadsFleetNodes) {
  auto json = Good();
  json["hostNodes"] = false;
  json["fleetNodes"] = {{"plant", "tags.site = 'north'"}, {"all", "*"}};
  const auto config = ReadProviderConfig(json);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_FALSE(config->hub.host_nodes);
  ASSERT_EQ(config->hub.fleet_nodes.size(), 2U);
  EXPECT_EQ(config->hub.fleet_nodes[1].name, "plant");
  EXPECT_EQ(config->hub.fleet_nodes[1].condition, "tags.site = 'north'");
  json["fleetNodes"] = {{"plant", "tags.site ="}};
  EXPECT_THAT(ErrorOf(json), HasSubstr("fleetNodes.plant: \"tags.site =\": column 12: the end"));
  json["fleetNodes"] = {{"No_Label", "*"}};
  EXPECT_THAT(ErrorOf(json), HasSubstr("fleetNodes.No_Label"));
}

TEST(ReadProviderConfig, MayHaveABroker) {
  auto json = Good();
  json["mqtt"] = {{"broker", "mqtt.example.com:8883"},
                  {"ca", "ca.crt"},
                  {"certificate", "mqtt.crt"},
                  {"key", "mqtt.key"},
                  {"envelopeKey", "e.key"},
                  {"inboxKey", "i.key"},
                  {"keyCertificates", {"e.cert", "i.cert"}}};
  const auto config = ReadProviderConfig(json);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->mqtt->broker, "mqtt.example.com:8883");
  json["mqtt"].erase("inboxKey");
  EXPECT_THAT(ErrorOf(json), HasSubstr("mqtt.inboxKey"));
}

TEST(ReadProviderConfig, AProfileSetsWhatIsNotGiven) {
  auto json = Good();
  EXPECT_EQ(ReadProviderConfig(json)->hub.heartbeat, std::chrono::seconds(60));
  EXPECT_TRUE(ReadProviderConfig(json)->hub.log_tails.rule.at_exit());
  json["profile"] = "low-data";
  json["mqtt"] = {{"broker", "b:1"},
                  {"ca", "ca.crt"},
                  {"certificate", "m.crt"},
                  {"key", "m.key"},
                  {"envelopeKey", "e.key"},
                  {"inboxKey", "i.key"},
                  {"keyCertificates", {"e.cert", "i.cert"}}};
  EXPECT_EQ(ReadProviderConfig(json)->hub.heartbeat, std::chrono::seconds(240));
  EXPECT_EQ(ReadProviderConfig(json)->mqtt->keepalive, std::chrono::minutes(15));
  EXPECT_EQ(ReadProviderConfig(json)->agents_keepalive, std::chrono::minutes(15));
  EXPECT_FALSE(ReadProviderConfig(json)->hub.log_tails.rule.at_exit()) << "not unless somebody asks for it";
  json["heartbeat"] = "90s";
  EXPECT_EQ(ReadProviderConfig(json)->hub.heartbeat, std::chrono::seconds(90));
  json["profile"] = "thrifty";
  EXPECT_THAT(ErrorOf(json), HasSubstr("profile: \"thrifty\" is neither standard nor low-data"));
}

TEST(ReadProviderConfig, MayServeTheAdminApi) {
  auto json = Good();
  EXPECT_FALSE(ReadProviderConfig(json)->admin_rest.has_value());
  json["adminRest"] = {
      {"listen", "0.0.0.0:8443"}, {"certificate", "a.crt"}, {"key", "a.key"}, {"users", "users"}};
  const auto config = ReadProviderConfig(json);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->admin_rest->users_file, "users");
  EXPECT_EQ(config->admin_rest->token_lifetime, std::chrono::hours(8));
  const std::vector<std::tuple<std::string, nlohmann::json, std::string>> bad = {
      {"listen", "8443", "adminRest.listen: \"8443\" is not HOST:PORT"},
      {"users", nullptr, "adminRest.users"},
      {"tokenLifetime", "10s", "adminRest.tokenLifetime: must be 1m to 30d"},
      {"tokenLifetime", "31d", "adminRest.tokenLifetime: must be 1m to 30d"},
      {"requestsPerSecond", 0, "adminRest.requestsPerSecond: must be 1 to 10000"},
      {"requestsPerSecond", "many", "adminRest.requestsPerSecond"},
      {"password", "x", "adminRest.password"}};
  for (const auto& [field, value, why] : bad) {
    auto wrong = json;
    wrong["adminRest"][field] = value;
    EXPECT_THAT(ErrorOf(wrong), HasSubstr(why));
  }
}

TEST(ReadProviderConfig, SaysHowMuchIsKeptOfLogs) {
  auto json = Good();
  EXPECT_EQ(ReadProviderConfig(json)->hub.log_tails.limit, 268'435'456U);
  json["logTailBytes"] = 0;
  EXPECT_EQ(ReadProviderConfig(json)->hub.log_tails.limit, 0U);
  json["logTailBytes"] = -1;
  EXPECT_THAT(ErrorOf(json), HasSubstr("logTailBytes"));
}

TEST(ReadProviderConfig, NamesWhatIsWrong) {
  auto json = Good();
  json["colour"] = "blue";
  EXPECT_THAT(ErrorOf(json), HasSubstr("colour"));
  json = Good();
  json["logLevel"] = "loud";
  EXPECT_THAT(ErrorOf(json), HasSubstr("logLevel: \"loud\" is none of debug, info, warning, error, off"));
  json = Good();
  json["heartbeat"] = "0s";
  EXPECT_THAT(ErrorOf(json), HasSubstr("heartbeat"));
  json = Good();
  json["podCidr"] = "198.18.0.1/16";
  EXPECT_THAT(ErrorOf(json), HasSubstr("podCidr: \"198.18.0.1/16\": the address has bits below the prefix"));
  json = Good();
  json.erase("agents");
  EXPECT_THAT(ErrorOf(json), HasSubstr("agents"));
  json = Good();
  json["kubeconfig"] = "/root/.kube/config";
  EXPECT_THAT(ErrorOf(json), HasSubstr("exactly one of kubeconfig, directory and inCluster"));
  json = Good();
  json.erase("socket");
  EXPECT_THAT(ErrorOf(json), HasSubstr("set socket or remote"));
}

}  // namespace
}  // namespace slicelet::provider
