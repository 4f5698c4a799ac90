#include "cli/import/old_file.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "cli/import/toml_file.h"

namespace slicelet::cli {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr char kPlural[] = R"(
[k8sclusters.here]
name = "here"
ip = "10.0.0.1"
k8scontext = "minikube"
k8shelmport = 44134
[k8sclusters.there]
[iotslices.north]
edge = "there"
cloud = "here"
[iotservers.hall]
cluster = "here"
slice = "north"
user = "a@b.c"
password = "geheim"
address = "10.1.1.1"
[iotgateways.press]
cluster = "there"
slice = "north"
helmpath = "./edgex"
server = "hall"
id = "0815"
key = "geheimer"
[iotdevices.oven]
gateway = "press"
protocol = "MQTT"
resources = ["temperature"]
)";

ImportPlan Plan(const std::string& text, const ImportOptions& options = {.hosts = {{"", "gw-1"}}}) {
  const auto file = ParseToml(text);
  EXPECT_TRUE(file.ok()) << file.status();
  return PlanImport(*file, options);
}

std::vector<std::string> Kinds(const ImportPlan& plan) {
  std::vector<std::string> kinds;
  kinds.reserve(plan.objects.size());
  for (const auto& one : plan.objects) {
    kinds.push_back(one.resource.kind + " " + one.object["metadata"]["namespace"].get<std::string>() + "/" +
                    one.object["metadata"]["name"].get<std::string>());
  }
  return kinds;
}

TEST(OldFile, BecomesObjectsInTheirOrder) {
  const ImportPlan plan = Plan(kPlural);
  EXPECT_THAT(plan.problems, IsEmpty());
  ASSERT_THAT(Kinds(plan),
              ElementsAre("IotCluster slicelet/here", "IotCluster slicelet/there", "IotSlice slicelet/north",
                          "Secret north/hall-credentials", "IotServer north/hall", "IotGateway north/press",
                          "IotDevice north/oven"));
  EXPECT_EQ(plan.objects[0].object["spec"], (Json{{"role", "cloud"}}));
  EXPECT_EQ(plan.objects[1].object["spec"], (Json{{"role", "edge"}}));
  EXPECT_EQ(plan.objects[2].object["spec"],
            Json::parse(R"({"edge":{"cluster":"there"},"cloud":{"cluster":"here"}})"));
  EXPECT_EQ(plan.objects[3].object["stringData"], (Json{{"email", "a@b.c"}, {"password", "geheim"}}));
  EXPECT_EQ(plan.objects[4].object["spec"],
            Json::parse(R"({"slice":"north","profile":"external","url":"http://10.1.1.1",
                            "credentialsSecret":"hall-credentials"})"));
  EXPECT_EQ(
      plan.objects[5].object["spec"],
      Json::parse(R"({"slice":"north","target":{"host":"gw-1"},"attachTo":"hall","deviceService":"mqtt"})"));
  EXPECT_EQ(plan.objects[6].object["spec"],
            Json::parse(R"({"gateway":"press","protocol":"mqtt","resources":[{"name":"temperature",
                            "valueType":"Float64","readWrite":"R","minimum":0.0,"maximum":500.0}]})"));
}

TEST(OldFile, TheSingularSpellingIsTheSame) {
  std::string singular = kPlural;
  for (const std::string table : {"k8sclusters", "iotslices", "iotservers", "iotgateways", "iotdevices"}) {
    for (std::size_t at = 0; (at = singular.find("[" + table + ".", at)) != std::string::npos;) {
      singular.replace(at, table.size() + 2, "[" + table.substr(0, table.size() - 1) + ".");
    }
  }
  const ImportPlan plural = Plan(kPlural), other = Plan(singular);
  ASSERT_EQ(plural.objects.size(), other.objects.size());
  for (std::size_t i = 0; i < plural.objects.size(); ++i) {
    EXPECT_EQ(plural.objects[i].object, other.objects[i].object);
  }
  EXPECT_THAT(other.problems, IsEmpty());
}

TEST(OldFile, EverythingThatIsLeftOutIsToldWithoutSecrets) {
  const ImportPlan plan = Plan(kPlural);
  EXPECT_THAT(plan.notes, Contains(StartsWith("k8sclusters.here: ip = 10.0.0.1 is ignored: ")));
  EXPECT_THAT(plan.notes, Contains(StartsWith("k8sclusters.here: k8scontext = minikube is ignored: ")));
  EXPECT_THAT(plan.notes, Contains(StartsWith("k8sclusters.here: k8shelmport = 44134 is ignored: ")));
  EXPECT_THAT(plan.notes, Contains(StartsWith("iotgateways.press: helmpath = ./edgex is ignored: ")));
  EXPECT_THAT(plan.notes, Contains(StartsWith("iotgateways.press: key (a secret) is ignored: ")));
  EXPECT_THAT(plan.notes,
              Contains(StartsWith("iotservers.hall: user and password are in Secret hall-credentials")));
  EXPECT_THAT(plan.notes, Each(Not(HasSubstr("geheim"))));
  const ImportPlan strange = Plan("[other.x]\na=1\n[iotslices.north]\ncolour=\"red\"\napitoken=\"geheim\"\n");
  EXPECT_THAT(strange.notes, Contains(StartsWith("other: is ignored")));
  EXPECT_THAT(strange.notes, Contains(StartsWith("iotslices.north: colour = red is ignored")));
  EXPECT_THAT(strange.notes, Contains(StartsWith("iotslices.north: apitoken (a secret) is ignored")));
}

TEST(OldFile, NamesBecomeLabelsEverywhere) {
  const ImportPlan plan = Plan(
      "[iotslices.North_1]\n[iotgateways.'Press #2']\nslice=\"North_1\"\n"
      "[iotdevices.Oven]\ngateway=\"Press #2\"\nprotocol=\"mqtt\"\nresources={t=\"Cel\"}\n");
  EXPECT_THAT(plan.problems, IsEmpty());
  ASSERT_THAT(Kinds(plan), ElementsAre("IotSlice slicelet/north-1", "IotGateway north-1/press-2",
                                       "IotDevice north-1/oven"));
  EXPECT_EQ(plan.objects[2].object["spec"]["gateway"], "press-2");
  EXPECT_EQ(plan.objects[2].object["spec"]["resources"][0]["units"], "Cel");
  EXPECT_THAT(plan.notes, Contains(StartsWith("iotgateways.Press #2: is named press-2")));
}

TEST(OldFile, WhatCanNotBeIsAProblemOfItsOwn) {
  const struct {
    const char* text;
    const char* problem;
  } cases[] = {
      {"iotslices = 1\n", "iotslices: is no table"},
      {"[iotslices]\nnorth = 1\n", "iotslices.north: is no table"},
      {"[iotslices.'###']\n", "the name has no letter or digit"},
      {"[iotslices.a_b]\n[iotslices.a-b]\n", "rename one of them"},
      {"[iotslices.a]\n[iotslice.a]\nedge=\"x\"\n", "iotslice.a: stands in [iotslices.a] too"},
      {"[iotslices.a]\nedge=\"x\"\n", "edge = x: the file has no such cluster"},
      {"[iotservers.a]\n", "iotservers.a: names no slice"},
      {"[iotservers.a]\nslice=\"x\"\n", "slice = x: the file has no such slice"},
      {"[iotslices.n]\n[iotservers.a]\nslice=\"n\"\npassword=\"geheim\"\n",
       "user and password belong together"},
      {"[iotdevices.a]\ngateway=\"x\"\n", "gateway = x: the file has no such gateway"},
      {"[iotgateways.x]\n[iotdevices.a]\ngateway=\"x\"\n", "its gateway x is not imported"},
      {"[iotslices.n]\n[iotgateways.x]\nslice=\"n\"\n[iotdevices.a]\ngateway=\"x\"\nprotocol=\"BLE\"\n",
       "protocol = ble: the old file speaks mqtt alone"},
      {"[iotslices.n]\n[iotgateways.x]\nslice=\"n\"\n[iotdevices.a]\ngateway=\"x\"\nprotocol=\"MQTT\"\n",
       "names no resource"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.text);
    const ImportPlan plan = Plan(c.text);
    EXPECT_THAT(plan.problems, Contains(HasSubstr(c.problem)));
    EXPECT_THAT(plan.problems, Each(Not(HasSubstr("geheim"))));
  }
}

TEST(OldFile, AGatewayNeedsAHost) {
  const std::string file = "[iotslices.n]\n[iotgateways.a]\nslice=\"n\"\n[iotgateways.b]\nslice=\"n\"\n";
  const ImportPlan plan = Plan(file, {.hosts = {{"a", "gw-1"}}});
  EXPECT_THAT(Kinds(plan), ElementsAre("IotSlice slicelet/n", "IotGateway n/a"));
  EXPECT_THAT(plan.problems, ElementsAre(AllOf(StartsWith("iotgateways.b: "), HasSubstr("--host b=HOST"))));
}

}  // namespace
}  // namespace slicelet::cli
