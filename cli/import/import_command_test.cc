#include "cli/import/import_command.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "cli/kube/testing/memory_cluster_test.h"

namespace slicelet::cli {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class ImportTest : public MemoryClusterTest {
 protected:
  void SetUp() override {
    // The hub: a slice has its namespace as soon as it is there.
    server.faults().after = [this](const kube::KubeCall& call, const absl::Status& outcome) {
      if (call.verb == kube::Verb::kCreate && outcome.ok() && call.ref.resource == kube::kIotSlices) {
        WriteStatus(call.ref.resource, call.ref.ns, call.ref.name,
                    Json::parse(R"({"steps":[{"name":"Namespace","state":"Done"}]})"));
      }
      return absl::OkStatus();
    };
  }
  absl::Status Apply(const Json& file) {
    out.clear();
    said.clear();
    return ApplyImport(
        PlanImport(file, {.hosts = {{"", "gw-1"}}}), cluster, std::chrono::seconds(60),
        [this](const std::string& line) { out.push_back(line); },
        [this](const std::string& line) { said.push_back(line); });
  }

  std::vector<std::string> out, said;
  const Json file = Json::parse(R"({"iotslices":{"north":{}},"iotservers":{"hall":{"slice":"north"}},
                                    "iotgateways":{"press":{"slice":"north","server":"hall"}}})");
};

TEST_F(ImportTest, TwiceIsOnce) {
  ASSERT_TRUE(Apply(file).ok());
  EXPECT_THAT(out, ElementsAre("IotSlice slicelet/north created (iotslices.north)\n",
                               "IotServer north/hall created (iotservers.hall)\n",
                               "IotGateway north/press created (iotgateways.press)\n"));
  const auto version = server.cluster().version();
  ASSERT_TRUE(Apply(file).ok());
  EXPECT_THAT(out, Contains("IotGateway north/press unchanged (iotgateways.press)\n"));
  EXPECT_EQ(server.cluster().version(), version);
}

TEST_F(ImportTest, WhatHasChangedSinceIsLeftAlone) {
  ASSERT_TRUE(Apply(file).ok());
  const kube::ObjectRef press{kube::kIotGateways, "north", "press", ""};
  ASSERT_TRUE(cluster.Patch(press, {{"spec", {{"target", {{"host", "gw-2"}}}}}}).ok());
  const absl::Status status = Apply(file);
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(Message(status), StartsWith("1 entries were not imported"));
  EXPECT_THAT(said, Contains(HasSubstr("IotGateway north/press: exists, and differs in spec.target.host")));
  EXPECT_EQ((*server.cluster().Peek(kube::kIotGateways, "north", "press"))["spec"]["target"]["host"], "gw-2");
}

TEST_F(ImportTest, AnInterruptedImportGoesOnFromThere) {
  int left = 2;
  server.faults().before = [&](const kube::KubeCall& call) {
    if (call.verb != kube::Verb::kCreate) return absl::OkStatus();
    return left-- > 0 ? absl::OkStatus() : absl::UnavailableError("gone");
  };
  EXPECT_TRUE(absl::IsUnavailable(Apply(file)));
  server.faults().before = nullptr;
  ASSERT_TRUE(Apply(file).ok());
  EXPECT_THAT(out, ElementsAre("IotSlice slicelet/north unchanged (iotslices.north)\n",
                               "IotServer north/hall unchanged (iotservers.hall)\n",
                               "IotGateway north/press created (iotgateways.press)\n"));
}

TEST_F(ImportTest, APrintedPlanIsForKubectl) {
  std::string text;
  ASSERT_TRUE(PrintImport(
                  PlanImport(file, {.hosts = {{"", "gw-1"}}}), [&](const std::string& part) { text += part; },
                  [&](const std::string& line) { said.push_back(line); })
                  .ok());
  EXPECT_THAT(text, StartsWith("---\napiVersion: slicelet.io/v1alpha1\nkind: IotSlice\n"));
  EXPECT_THAT(said, Contains(StartsWith("note: iotslices.north: ")));
}

}  // namespace
}  // namespace slicelet::cli
