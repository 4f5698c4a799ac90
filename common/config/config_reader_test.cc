#include "common/config/config_reader.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace slicelet {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(ConfigReader, ReadsEveryType) {
  const Json json = {{"name", "x"},   {"on", true},         {"count", 3},
                     {"wait", "10m"}, {"list", {"a", "b"}}, {"nested", {{"inner", "y"}}}};
  std::string name, inner;
  bool on = false;
  int count = 0;
  Duration wait{};
  std::vector<std::string> list;
  ConfigReader reader(json);
  reader.Required("name", &name);
  reader.Required("on", &on);
  reader.Required("count", &count);
  reader.Required("wait", &wait);
  reader.Required("list", &list);
  EXPECT_TRUE(reader.Object("nested", [&](ConfigReader& nested) { nested.Required("inner", &inner); }));
  ASSERT_TRUE(reader.Finish().ok());
  EXPECT_EQ(name, "x");
  EXPECT_TRUE(on);
  EXPECT_EQ(count, 3);
  EXPECT_EQ(wait, minutes(10));
  EXPECT_EQ(list, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(inner, "y");
}

TEST(ConfigReader, NamesUnknownFieldsWithTheirPathAndTheKnownOnes) {
  const Json json = {{"hub", "x"}, {"tls", {{"ca", "a"}, {"colour", "blue"}}}};
  std::string hub, ca;
  ConfigReader reader(json);
  reader.Required("hub", &hub);
  reader.Object("tls", [&](ConfigReader& tls) { tls.Required("ca", &ca); });
  EXPECT_EQ(Message(reader.Finish()), "unknown field tls.colour (known here: ca)");
}

TEST(ConfigReader, TellsEveryErrorAtOnce) {
  const Json json = {{"count", "three"}, {"wait", "soon"}};
  std::string hub;
  int count = 0;
  Duration wait{};
  ConfigReader reader(json);
  reader.Required("hub", &hub);
  reader.Optional("count", &count);
  reader.Optional("wait", &wait);
  const std::string message = Message(reader.Finish());
  EXPECT_NE(message.find("missing field hub"), std::string::npos);
  EXPECT_NE(message.find("count must be a whole number"), std::string::npos);
  EXPECT_NE(message.find("\"three\""), std::string::npos);
  EXPECT_NE(message.find("wait must be a duration"), std::string::npos);
}

TEST(ConfigReader, KeepsDefaultsForMissingOptionalFields) {
  const Json json = Json::object();
  int count = 7;
  ConfigReader reader(json);
  EXPECT_FALSE(reader.Optional("count", &count));
  EXPECT_TRUE(reader.Finish().ok());
  EXPECT_EQ(count, 7);
}

TEST(ConfigReader, RefusesAFileThatIsNoObject) {
  const Json json = Json::array({1, 2});
  ConfigReader reader(json);
  EXPECT_NE(Message(reader.Finish()).find("must be an object"), std::string::npos);
}

TEST(ParseDuration, ReadsUnitsAndTheirSums) {
  EXPECT_EQ(*ParseDuration("500ms"), milliseconds(500));
  EXPECT_EQ(*ParseDuration("1h30m"), minutes(90));
  EXPECT_EQ(*ParseDuration("2.5s"), milliseconds(2'500));
  EXPECT_EQ(*ParseDuration("0s"), seconds(0));
  for (const char* bad : {"", "10", "s", "-1s", "1x", "1s2", "1.2.3s", "999999999999999999d", "1s 2s"}) {
    EXPECT_FALSE(ParseDuration(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace slicelet
