#include "cli/kinds/schema.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/kinds/kind.h"

namespace slicelet::cli {
namespace {

const Field* At(const kube::Resource& kind, const std::string& path) {
  for (const Field& field : SchemaOf(kind).fields) {
    if (field.path == path) return &field;
  }
  return nullptr;
}

TEST(Schema, HasTheColumnsOfTheDefinition) {
  const auto& columns = SchemaOf(kube::kIotGateways).columns;
  ASSERT_GE(columns.size(), 8U);
  EXPECT_EQ(columns[0].name, "Name");
  const auto attachment =
      std::find_if(columns.begin(), columns.end(), [](const Column& c) { return c.name == "Attachment"; });
  ASSERT_NE(attachment, columns.end());
  EXPECT_EQ(attachment->path, ".status.attachment.state");
  EXPECT_EQ(columns.back().type, "date");
  EXPECT_TRUE(std::any_of(columns.begin(), columns.end(), [](const Column& c) { return c.wide; }));
}

TEST(Schema, HasEveryFieldWithItsType) {
  EXPECT_EQ(At(kube::kIotGateways, "target.hosts")->type, FieldType::kInteger);
  EXPECT_EQ(At(kube::kIotGateways, "suspended")->type, FieldType::kBoolean);
  EXPECT_EQ(At(kube::kIotGateways, "images")->type, FieldType::kMap);
  EXPECT_EQ(At(kube::kIotGateways, "template")->type, FieldType::kFile);
  EXPECT_EQ(At(kube::kIotGateways, "imagePullSecrets")->type, FieldType::kTexts);
  EXPECT_EQ(At(kube::kIotDevices, "resources")->type, FieldType::kResources);
  EXPECT_EQ(At(kube::kIotSlices, "quota.cpu")->type, FieldType::kText);
  EXPECT_TRUE(At(kube::kIotGateways, "slice")->required);
  EXPECT_TRUE(At(kube::kIotGateways, "slice")->immutable);
  EXPECT_FALSE(At(kube::kIotGateways, "target.host")->required);
  EXPECT_FALSE(At(kube::kIotGateways, "suspended")->immutable);
  const auto& protocols = At(kube::kIotDevices, "protocol")->values;
  EXPECT_NE(std::find(protocols.begin(), protocols.end(), "modbus"), protocols.end());
}

TEST(Schema, FollowsColumnPaths) {
  const Json object = Json::parse(R"({"a":{"b":1},"status":{"conditions":[{"type":"Ready","message":"no"},
                                      {"type":"Attached","message":"yes"}]},"text":"x"})");
  EXPECT_EQ(*AtColumnPath(object, ".a.b"), 1);
  EXPECT_EQ(*AtColumnPath(object, R"(.status.conditions[?(@.type=="Attached")].message)"), "yes");
  for (const char* path : {".a.c", ".a.b.c", ".text.x", ".status.conditions.x", R"(.a[?(@.type=="Ready")].b)",
                           R"(.status.conditions[?(@.type=="None")].message)", ".status.conditions[0].type",
                           ".status.conditions[?(@.type==", "[", "x"}) {
    EXPECT_EQ(AtColumnPath(object, path), nullptr) << path;
  }
}

TEST(Kinds, NameOnlyFieldsThatThereAre) {
  for (const Kind& kind : Kinds()) {
    SCOPED_TRACE(kind.noun);
    const auto expect_field = [&](const std::string& path) {
      EXPECT_NE(At(kind.resource, path), nullptr) << path;
    };
    for (const auto& [path, option] : kind.options) expect_field(path);
    for (const auto& [path, others] : kind.displaces) {
      expect_field(path);
      for (const auto& other : others) expect_field(other);
    }
    for (const auto& [path, noun] : kind.refers) {
      expect_field(path);
      EXPECT_NE(FindKind(noun), nullptr);
    }
    for (const auto& path : kind.not_set) expect_field(path);
  }
}

TEST(Kinds, NoOptionMeansTwoThings) {
  for (const Kind& kind : Kinds()) {
    std::set<std::string> taken = {
        "--kubeconfig",    "--context",        "--hub-namespace", "--namespace",      "--config",
        "--output",        "--wait",           "--timeout",       "--dry-run",        "--unset",
        "--selector",      "--give-up",        "--help",          "--all-namespaces", "--user",
        "--password-file", "--kubeconfig-file"};
    for (const Field& field : SchemaOf(kind.resource).fields) {
      const std::string option = OptionOf(kind, field);
      EXPECT_TRUE(taken.insert(option).second) << kind.noun << " " << option;
      EXPECT_EQ(FieldOf(kind, option), &field);
    }
  }
}

}  // namespace
}  // namespace slicelet::cli
