#include "edge-agent/senml-export/settings.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "common/base/testing/temporary_directory.h"

namespace slicelet::senml {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using Variables = std::map<std::string, std::string>;

absl::StatusOr<Settings> Read(const Variables& variables) {
  return ReadSettings([&](const std::string& name) -> std::optional<std::string> {
    const auto it = variables.find(name);
    return it == variables.end() ? std::nullopt : std::optional(it->second);
  });
}

const Variables kLeast = {{"SENML_SERVER", "tcp://mainflux:1883"},
                          {"SENML_USERNAME", "thing"},
                          {"SENML_PASSWORD", "key"},
                          {"SENML_CLIENT_ID", "gw-1"},
                          {"SENML_TOPIC", "channels/c1/messages"}};

Variables With(Variables variables, const std::string& name, const std::string& value) {
  variables[name] = value;
  return variables;
}

TEST(Settings, TheLeastThatIsNeeded) {
  const auto settings = Read(kLeast);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->server.endpoint, "mainflux:1883");
  EXPECT_FALSE(settings->server.tls);
  EXPECT_EQ(settings->server.protocol, 3);
  EXPECT_EQ(settings->server.username, "thing");
  EXPECT_EQ(settings->server.password, "key");
  EXPECT_EQ(settings->exporter.topic, "channels/c1/messages");
  EXPECT_EQ(settings->exporter.client_id, "gw-1");
  EXPECT_EQ(settings->bus.endpoint, "edgex-mqtt-broker:1883");
  EXPECT_FALSE(settings->bus.tls);
  EXPECT_EQ(settings->reader.filter, "edgex/events/#");
  EXPECT_EQ(settings->store_limit, std::uint64_t{256} << 20);
}

TEST(Settings, EdgexsOwnVariablesNameTheBus) {
  auto variables = With(kLeast, "MESSAGEBUS_HOST", "127.0.0.1");
  variables["MESSAGEBUS_PORT"] = "18830";
  variables["MESSAGEBUS_BASETOPICPREFIX"] = "plant";
  variables["MESSAGEBUS_OPTIONAL_CLIENTID"] = "export-2";
  const auto settings = Read(variables);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->bus.endpoint, "127.0.0.1:18830");
  EXPECT_EQ(settings->reader.filter, "plant/events/#");
  EXPECT_EQ(settings->reader.client_id, "export-2");
}

TEST(Settings, TlsIsPartOfTheServersAddress) {
  EXPECT_TRUE(Read(With(kLeast, "SENML_SERVER", "ssl://mainflux:8883"))->server.tls);
}

TEST(Settings, EverythingThatIsMissingIsNamedAtOnce) {
  EXPECT_THAT(Message(Read({}).status()),
              AllOf(HasSubstr("SENML_SERVER is not set"), HasSubstr("SENML_USERNAME"),
                    HasSubstr("SENML_PASSWORD"), HasSubstr("SENML_CLIENT_ID"), HasSubstr("SENML_TOPIC")));
}

TEST(Settings, MayComeFromFilesThatComeLateAndChange) {
  const TemporaryDirectory room;
  const std::string directory = room.File("settings");
  std::filesystem::create_directories(directory);
  const Environment environment = WithFiles(
      [](const std::string& name) {
        return name == "SENML_CLIENT_ID" ? std::optional<std::string>("own") : std::nullopt;
      },
      directory);
  EXPECT_THAT(Message(ReadSettings(environment).status()),
              AllOf(HasSubstr("SENML_SERVER is not set"), testing::Not(HasSubstr("SENML_CLIENT_ID"))));
  const std::string before = FollowedSettings(environment);
  for (const auto& [name, value] : kLeast) std::ofstream(directory + "/" + name) << value << "\n";
  std::ofstream(directory + "/SENML_LISTEN") << "only from the environment";
  EXPECT_NE(FollowedSettings(environment), before);
  const auto settings = ReadSettings(environment);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->server.password, "key");
  EXPECT_EQ(settings->exporter.client_id, "own") << "the environment wins";
  std::ofstream(directory + "/SENML_CA_FILE") << directory << "/ca.crt\n";
  std::ofstream(directory + "/ca.crt") << "one";
  const std::string trusting = FollowedSettings(environment);
  std::ofstream(directory + "/ca.crt") << "two";
  EXPECT_NE(FollowedSettings(environment), trusting) << "other authorities under the same name";
  std::filesystem::remove_all(directory);
  EXPECT_EQ(FollowedSettings(environment), before);
}

struct Bad {
  const char* name;
  const char* value;
};
class BadSettingTest : public testing::TestWithParam<Bad> {};

TEST_P(BadSettingTest, IsRefusedByItsName) {
  const auto settings = Read(With(kLeast, GetParam().name, GetParam().value));
  ASSERT_EQ(settings.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(settings.status()), HasSubstr(GetParam().name));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadSettingTest,
    testing::Values(Bad{"SENML_SERVER", "mainflux:1883"}, Bad{"SENML_SERVER", "http://mainflux:1883"},
                    Bad{"SENML_SERVER", "tcp://mainflux"}, Bad{"SENML_SERVER", "tcp://:1883"},
                    Bad{"SENML_SERVER", "tcp://mainflux:65536"}, Bad{"SENML_TOPIC", "channels/+/messages"},
                    Bad{"SENML_CA_FILE", "/nowhere/ca.pem"}, Bad{"SENML_STORE_MIB", "0"},
                    Bad{"SENML_STORE_MIB", "2G"}, Bad{"SENML_LISTEN", "59750"}, Bad{"MESSAGEBUS_PORT", "x"},
                    Bad{"MESSAGEBUS_PROTOCOL", "redis"}, Bad{"MESSAGEBUS_TYPE", "redis"}));

}  // namespace
}  // namespace slicelet::senml
