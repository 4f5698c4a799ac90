#include "cli/kinds/object.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "common/base/testing/fake_file_system.h"

namespace slicelet::cli {
namespace {

using testing::HasSubstr;

struct Case {
  std::string noun;
  Given given;
  std::string spec;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.noun << " " << c.spec; }

class Objects : public testing::TestWithParam<Case> {};

TEST_P(Objects, ComeFromOptions) {
  FakeFileSystem files;
  const Kind& kind = *FindKind(GetParam().noun);
  const auto object = ObjectOf(kind, "north", "a", GetParam().given, files);
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ((*object)["spec"], Json::parse(GetParam().spec));
  EXPECT_EQ((*object)["apiVersion"], "slicelet.io/v1alpha1");
  EXPECT_EQ((*object)["kind"], kind.resource.kind);
  EXPECT_EQ((*object)["metadata"], (Json{{"name", "a"}, {"namespace", "north"}}));
}

INSTANTIATE_TEST_SUITE_P(
    Nouns, Objects,
    testing::Values(
        Case{"cluster", {{"--role", {"cloud"}}}, R"({"role":"cloud"})"},
        Case{"cluster",
             {{"--role", {"edge"}}, {"--kubeconfig-secret", {"s"}}, {"--cluster-context", {"c"}}},
             R"({"role":"edge","kubeconfigSecret":"s","context":"c"})"},
        Case{"slice", {}, "{}"},
        Case{"slice",
             {{"--node", {"gw-1,gw-2", "gw-3"}},
              {"--quota-cpu", {"500m"}},
              {"--quota-pods", {"20"}},
              {"--cloud-node", {"c-1"}},
              {"--slice-namespace", {"n"}}},
             R"({"namespace":"n","edge":{"nodes":["gw-1","gw-2","gw-3"]},"cloud":{"node":"c-1"},
                 "quota":{"cpu":"500m","pods":20}})"},
        Case{"host",
             {{"--tag", {"site=north", "note=a=b", "empty="}}, {"--maintenance", {"true"}}},
             R"({"tags":{"site":"north","note":"a=b","empty":""},"maintenance":true})"},
        Case{"gateway",
             {{"--slice", {"north"}}, {"--host", {"gw-1"}}, {"--server", {"hall"}}},
             R"({"slice":"north","target":{"host":"gw-1"},"attachTo":"hall"})"},
        Case{"gateway",
             {{"--slice", {"north"}},
              {"--node", {"fleet"}},
              {"--target-condition", {"tags.site = 'a,b'"}},
              {"--placement", {"worst-fit"}},
              {"--hosts", {"3"}},
              {"--image", {"a=r/a:1", "b=r/b@sha256:0"}},
              {"--suspended", {"false"}}},
             R"({"slice":"north","suspended":false,"images":{"a":"r/a:1","b":"r/b@sha256:0"},
                 "target":{"node":"fleet","targetCondition":"tags.site = 'a,b'","placement":"worst-fit","hosts":3}})"},
        Case{"server",
             {{"--slice", {"north"}},
              {"--profile", {"external"}},
              {"--url", {"https://a"}},
              {"--create-user", {"true"}},
              {"--endpoints-mqtt", {"tcp://a:1883"}}},
             R"({"slice":"north","profile":"external","url":"https://a","createUser":true,
                 "endpoints":{"mqtt":"tcp://a:1883"}})"},
        Case{"device",
             {{"--gateway", {"press"}},
              {"--protocol", {"modbus"}},
              {"--property", {"UnitID=1"}},
              {"--label", {"a,b"}},
              {"--resource",
               {"t:Float32:Cel:5s", "power,primaryTable=HOLDING_REGISTERS,minimum=-1.5,readWrite=RW"}}},
             R"({"gateway":"press","protocol":"modbus","protocolProperties":{"UnitID":"1"},"labels":["a","b"],
                 "resources":[{"name":"t","valueType":"Float32","units":"Cel","interval":"5s"},
                   {"name":"power","attributes":{"primaryTable":"HOLDING_REGISTERS"},"minimum":-1.5,"readWrite":"RW"}]})"}));

TEST(Object, TakesAPodTemplateFromItsManifest) {
  FakeFileSystem files;
  files.Put("/pod.yaml",
            {.data = "kind: Pod\nmetadata: {name: x, labels: {a: b}}\nspec: {containers: [{name: c}]}\n"});
  const auto object = ObjectOf(*FindKind("gateway"), "n", "a", {{"--template", {"/pod.yaml"}}}, files);
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ((*object)["spec"]["template"],
            Json::parse(R"({"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c"}]}})"));
}

struct BadInput {
  std::string noun, option, value, why;
};
void PrintTo(const BadInput& c, std::ostream* out) { *out << c.noun << " " << c.option << " " << c.value; }

class BadObjects : public testing::TestWithParam<BadInput> {};

TEST_P(BadObjects, AreWrongUseThatNamesOptionAndValue) {
  FakeFileSystem files;
  files.Put("/no-pod.yaml", {.data = "a: 1\n"});
  files.Put("/no-yaml", {.data = "a: [\n"});
  const BadInput& c = GetParam();
  for (const bool patch : {false, true}) {
    const Given given = {{c.option, {c.value}}};
    const Kind& kind = *FindKind(c.noun);
    const absl::Status status =
        patch ? PatchOf(kind, given, {}, files).status() : ObjectOf(kind, "n", "a", given, files).status();
    if (c.why.empty()) continue;
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(Message(status), HasSubstr(c.why));
    EXPECT_THAT(Message(status),
                HasSubstr(c.option == "--template" ? c.value : c.option + " \"" + c.value + "\""));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Values, BadObjects,
    testing::Values(BadInput{"slice", "--quota-pods", "many", "give a whole number"},
                    BadInput{"slice", "--quota-pods", "1.5", "give a whole number"},
                    BadInput{"slice", "--quota-pods", "", "give a whole number"},
                    BadInput{"slice", "--quota-pods", "99999999999999999999", "give a whole number"},
                    BadInput{"gateway", "--suspended", "maybe", "give true or false"},
                    BadInput{"gateway", "--image", "core-data", "give NAME=VALUE"},
                    BadInput{"gateway", "--image", "=x", "give NAME=VALUE"},
                    BadInput{"gateway", "--image", "", "give NAME=VALUE"},
                    BadInput{"host", "--tag", "-", "give NAME=VALUE"},
                    BadInput{"gateway", "--template", "/nowhere.yaml", "No such file"},
                    BadInput{"gateway", "--template", "/no-pod.yaml", "no manifest of a Pod"},
                    BadInput{"gateway", "--template", "/no-yaml", "line"},
                    BadInput{"device", "--resource", "", "begins with no name"},
                    BadInput{"device", "--resource", ":Float32", "begins with no name"},
                    BadInput{"device", "--resource", "a:b:c:d:e", "more than NAME:TYPE:UNITS:INTERVAL"},
                    BadInput{"device", "--resource", "a,b", "\"b\" is not KEY=VALUE"},
                    BadInput{"device", "--resource", "a,minimum=low", "give a number"},
                    BadInput{"device", "--resource", "a,maximum=inf", "give a number"}));

TEST(Patch, SetsWhatIsNamedAndNothingElse) {
  FakeFileSystem files;
  const auto patch =
      PatchOf(*FindKind("slice"), {{"--quota-pods", {"3"}}, {"--node", {}}}, {"quota-cpu"}, files);
  ASSERT_TRUE(patch.ok()) << patch.status();
  EXPECT_EQ(*patch, Json::parse(R"({"spec":{"quota":{"pods":3,"cpu":null}}})"));
}

TEST(Patch, TakesAwayGroupsAndEntriesOfMaps) {
  FakeFileSystem files;
  EXPECT_EQ(*PatchOf(*FindKind("slice"), {}, {"quota"}, files), Json::parse(R"({"spec":{"quota":null}})"));
  EXPECT_EQ(*PatchOf(*FindKind("slice"), {}, {"node"}, files),
            Json::parse(R"({"spec":{"edge":{"nodes":null}}})"));
  EXPECT_EQ(*PatchOf(*FindKind("host"), {{"--tag", {"a=1", "b-"}}}, {}, files),
            Json::parse(R"({"spec":{"tags":{"a":"1","b":null}}})"));
}

TEST(Patch, ATargetDisplacesTheOther) {
  FakeFileSystem files;
  EXPECT_EQ(*PatchOf(*FindKind("gateway"), {{"--node", {"fleet"}}}, {}, files),
            Json::parse(R"({"spec":{"target":{"node":"fleet","host":null}}})"));
  EXPECT_EQ(
      *PatchOf(*FindKind("gateway"), {{"--host", {"gw-1"}}}, {}, files),
      Json::parse(R"({"spec":{"target":{"host":"gw-1","node":null,"targetCondition":null,"placement":null,
                            "hosts":null}}})"));
}

TEST(Patch, NothingToSetIsWrongUse) {
  FakeFileSystem files;
  EXPECT_THAT(Message(PatchOf(*FindKind("slice"), {}, {}, files).status()), HasSubstr("nothing to set"));
  const auto unknown = PatchOf(*FindKind("slice"), {}, {"colour"}, files);
  EXPECT_TRUE(absl::IsInvalidArgument(unknown.status()));
  EXPECT_THAT(Message(unknown.status()), HasSubstr("--unset \"colour\""));
}

}  // namespace
}  // namespace slicelet::cli
