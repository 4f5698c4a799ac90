#include "cli/kinds/commands.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "cli/kinds/dry_run.h"
#include "cli/kinds/testing/kind_commands_test.h"
#include "kube/object.h"

namespace slicelet::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class CommandsTest : public KindCommandsTest {
 protected:
  const Kind& Noun(const std::string& noun) { return *FindKind(noun); }
  void MakeSlice(const std::string& name, const Json& status) {
    ASSERT_TRUE(
        server.cluster().Create("hub", {kube::kIotSlices, "slicelet", name, ""}, Json::object()).ok());
    WriteStatus(kube::kIotSlices, "slicelet", name, status);
  }
  void Make(const kube::Resource& kind, const std::string& name, const Json& object = Json::object()) {
    ASSERT_TRUE(server.cluster().Create("admin", {kind, "north", name, ""}, object).ok());
  }
  void Refuse(const absl::Status& status) {
    server.faults().before = [status](const kube::KubeCall& call) {
      return call.body == nullptr ? absl::OkStatus() : status;
    };
  }
};

TEST_F(CommandsTest, AnObjectIsMadeInTheNamespaceOfItsSlice) {
  MakeSlice("north", {{"namespace", "of-north"}});
  const KindOptions options{.names = {"press"}, .given = {{"--slice", {"north"}}, {"--host", {"gw-1"}}}};
  ASSERT_TRUE(commands.Create(Noun("gateway"), options).ok());
  EXPECT_EQ(out, "iotgateway.slicelet.io/press created\n");
  EXPECT_EQ(Is(kube::kIotGateways, "press", "of-north")["spec"]["target"]["host"], "gw-1");
}

TEST_F(CommandsTest, CreateIsNoOverwrite) {
  const KindOptions options{.names = {"north"}};
  ASSERT_TRUE(commands.Create(Noun("slice"), options).ok());
  const auto before = Is(kube::kIotSlices, "north", "slicelet");
  const absl::Status again = commands.Create(Noun("slice"), options);
  EXPECT_TRUE(absl::IsAlreadyExists(again));
  EXPECT_THAT(Message(again), HasSubstr("slice \"north\" in namespace \"slicelet\" exists already"));
  EXPECT_EQ(Is(kube::kIotSlices, "north", "slicelet"), before);
}

TEST_F(CommandsTest, WhatIsReferredToHasToBeThere) {
  const KindOptions device{.names = {"oven"}, .ns = "north", .given = {{"--gateway", {"press"}}}};
  const absl::Status status = commands.Create(Noun("device"), device);
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(Message(status), StartsWith("--gateway: there is no gateway \"press\" in namespace \"north\""));
  Make(kube::kIotGateways, "press");
  EXPECT_TRUE(commands.Create(Noun("device"), device).ok());
  const KindOptions slice{.names = {"x"}, .given = {{"--slice", {"south"}}, {"--host", {"gw-1"}}}};
  EXPECT_THAT(Message(commands.Create(Noun("gateway"), slice)), StartsWith("there is no slice \"south\""));
}

TEST_F(CommandsTest, TheClustersOfASliceHaveToBeThere) {
  KindOptions slice{.names = {"north"}, .given = {{"--edge-cluster", {"plant"}}}};
  for (const char* verb : {"create", "set"}) {
    if (verb == std::string("set")) {
      ASSERT_TRUE(
          server.cluster().Create("hub", {kube::kIotSlices, "slicelet", "north", ""}, Json::object()).ok());
    }
    const absl::Status status = verb == std::string("set") ? commands.Set(Noun("slice"), slice)
                                                           : commands.Create(Noun("slice"), slice);
    EXPECT_TRUE(absl::IsNotFound(status)) << verb;
    EXPECT_EQ(
        Message(status),
        "--edge-cluster: there is no cluster \"plant\" in namespace \"slicelet\": 'slicectl cluster list "
        "-A' shows those that there are");
  }
  ASSERT_TRUE(
      server.cluster().Create("hub", {kube::kIotClusters, "slicelet", "plant", ""}, Json::object()).ok());
  EXPECT_TRUE(commands.Set(Noun("slice"), slice).ok());
  slice.given["--cloud-cluster"] = {"core"};
  EXPECT_THAT(Message(commands.Set(Noun("slice"), slice)),
              StartsWith("--cloud-cluster: there is no cluster"));
}

TEST_F(CommandsTest, RefusalsAreNotWrongUse) {
  Refuse(absl::FailedPreconditionError(
      "IotSlice.slicelet.io \"north\" is invalid: spec.quota.pods: Invalid value: -1: too small"));
  const KindOptions options{.names = {"north"}, .given = {{"--quota-pods", {"-1"}}}};
  const absl::Status status = commands.Create(Noun("slice"), options);
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_EQ(Message(status),
            "slice \"north\" is refused: spec.quota.pods: Invalid value: -1: too small (--quota-pods -1)");
}

TEST_F(CommandsTest, SetChangesAndSaysSo) {
  Make(kube::kIotServers, "hall", {{"spec", {{"url", "http://a"}, {"suspended", false}}}});
  const KindOptions options{.names = {"hall"}, .ns = "north", .given = {{"--url", {"http://b"}}}};
  ASSERT_TRUE(commands.Set(Noun("server"), options).ok());
  ASSERT_TRUE(commands.Set(Noun("server"), options).ok());
  EXPECT_EQ(out, "iotserver.slicelet.io/hall changed\niotserver.slicelet.io/hall unchanged\n");
  EXPECT_EQ(Is(kube::kIotServers, "hall")["spec"], (Json{{"url", "http://b"}, {"suspended", false}}));
}

TEST_F(CommandsTest, ADryRunOfSetShowsTheObjectAndChangesNothing) {
  Make(kube::kIotServers, "hall", {{"spec", {{"url", "http://a"}}}});
  const KindOptions options{.names = {"hall"},
                            .ns = "north",
                            .given = {{"--url", {"http://b"}}},
                            .output = "json",
                            .dry_run = true};
  ASSERT_TRUE(commands.Set(Noun("server"), options).ok());
  EXPECT_EQ(Json::parse(out)["spec"]["url"], "http://b");
  EXPECT_EQ(Is(kube::kIotServers, "hall")["spec"]["url"], "http://a");
}

TEST_F(CommandsTest, ListsSayWhenThereIsNothing) {
  ASSERT_TRUE(commands.List(Noun("gateway"), {.output = "table"}).ok());
  EXPECT_THAT(said, ElementsAre("No gateways found in namespace elsewhere."));
  EXPECT_EQ(out, "");
  ASSERT_TRUE(commands.List(Noun("gateway"), {.ns = "north", .output = "json"}).ok());
  EXPECT_EQ(Json::parse(out)["items"], Json::array());
}

TEST_F(CommandsTest, ListsOfAllNamespacesShowThem) {
  Make(kube::kIotGateways, "press");
  ASSERT_TRUE(commands.List(Noun("gateway"), {.all_namespaces = true, .output = "table"}).ok());
  EXPECT_THAT(out, StartsWith("NAMESPACE"));
  EXPECT_THAT(out, HasSubstr("\nnorth"));
}

TEST_F(CommandsTest, DeleteWaitsForWhatHoldsTheObject) {
  Make(kube::kIotGateways, "press", {{"metadata", {{"finalizers", {"slicelet.io/undo"}}}}});
  Make(kube::kIotGateways, "saw");
  loop.RunAfter(std::chrono::milliseconds(20), [this] {
    EXPECT_EQ(out, "iotgateway.slicelet.io/saw deleted\n");
    const Json patch = {{"metadata", {{"finalizers", nullptr}}}};
    ASSERT_TRUE(server.cluster()
                    .Patch("hub", {kube::kIotGateways, "north", "press", ""}, kube::PatchType::kMerge, patch)
                    .ok());
  });
  const KindOptions options{.names = {"press", "saw"}, .ns = "north", .wait = true};
  ASSERT_TRUE(commands.Delete(Noun("gateway"), options).ok());
  EXPECT_EQ(out, "iotgateway.slicelet.io/saw deleted\niotgateway.slicelet.io/press deleted\n");
}

TEST_F(CommandsTest, DeleteGoesOnAfterAFailureAndCanGiveUp) {
  Make(kube::kIotGateways, "press", {{"metadata", {{"finalizers", {"slicelet.io/undo"}}}}});
  const KindOptions options{.names = {"none", "press"}, .ns = "north", .give_up = true};
  const absl::Status status = commands.Delete(Noun("gateway"), options);
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(out, "iotgateway.slicelet.io/press is being deleted\n");
  EXPECT_EQ(Is(kube::kIotGateways, "press")["metadata"]["annotations"]["slicelet.io/give-up"], "true");
  EXPECT_TRUE(
      commands.Delete(Noun("gateway"), {.names = {"none"}, .ns = "north", .ignore_not_found = true}).ok());
}

TEST_F(CommandsTest, ClustersSlicesAndHostsCanBeGivenUpToo) {
  for (const auto& [noun, resource] :
       {std::pair{"cluster", kube::kIotClusters}, {"slice", kube::kIotSlices}, {"host", kube::kEdgeHosts}}) {
    ASSERT_TRUE(server.cluster()
                    .Create("hub", {resource, "slicelet", "x", ""},
                            {{"metadata", {{"finalizers", {"slicelet.io/undo"}}}}})
                    .ok());
    const KindOptions late{.names = {"x"}, .wait = true, .timeout = std::chrono::milliseconds(1)};
    EXPECT_THAT(Message(commands.Delete(Noun(noun), late)),
                HasSubstr(std::string("'slicectl ") + noun + " delete x -n slicelet --give-up'"));
    EXPECT_TRUE(commands.Delete(Noun(noun), {.names = {"x"}, .give_up = true}).ok());
    EXPECT_EQ(Is(resource, "x", "slicelet")["metadata"]["annotations"]["slicelet.io/give-up"], "true");
  }
}

TEST_F(CommandsTest, AHostThatMayNotGoSaysHowItDoes) {
  ASSERT_TRUE(
      server.cluster().Create("hub", {kube::kEdgeHosts, "slicelet", "gw-1", ""}, Json::object()).ok());
  bool told = false;
  server.faults().before = [&](const kube::KubeCall& call) -> absl::Status {
    if (call.verb == kube::Verb::kPatch) told = true;
    if (call.verb != kube::Verb::kDelete || told) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "host gw-1 still has 2 workloads: annotate it with slicelet.io/give-up=true");
  };
  EXPECT_THAT(Message(commands.Delete(Noun("host"), {.names = {"gw-1"}})),
              HasSubstr("2 workloads: annotate it with slicelet.io/give-up=true ('slicectl host delete gw-1 "
                        "--give-up' does)"));
  EXPECT_TRUE(commands.Delete(Noun("host"), {.names = {"gw-1"}, .give_up = true}).ok());
}

TEST_F(CommandsTest, AttachAndDetachWaitForTheHub) {
  Make(kube::kIotGateways, "press", {{"spec", {{"slice", "north"}}}});
  const auto hub_says = [this](const std::string& state, const std::string& holds) {
    const Json is = Is(kube::kIotGateways, "press");
    const auto generation = is["metadata"]["generation"];
    const Json status = {{"observedGeneration", generation},
                         {"attachment", {{"state", state}, {"server", "hall"}}},
                         {"conditions", Json::array({Json({{"type", "Attached"},
                                                           {"status", holds},
                                                           {"reason", state},
                                                           {"observedGeneration", generation}})})}};
    WriteStatus(kube::kIotGateways, "north", "press", status);
  };
  const KindOptions options{.names = {"press"}, .ns = "north", .wait = true};
  EXPECT_THAT(Message(commands.Attach(options, "hall")), StartsWith("--server: there is no server \"hall\""));
  Make(kube::kIotServers, "hall");
  loop.RunAfter(std::chrono::milliseconds(20), [&] { hub_says("Attaching", "False"); });
  loop.RunAfter(std::chrono::milliseconds(40), [&] { hub_says("Attached", "True"); });
  ASSERT_TRUE(commands.Attach(options, "hall").ok());
  EXPECT_EQ(Is(kube::kIotGateways, "press")["spec"]["attachTo"], "hall");
  EXPECT_EQ(out,
            "iotgateway.slicelet.io/press goes to server hall\niotgateway.slicelet.io/press is Attached\n");
  EXPECT_THAT(said, ElementsAre("  not Attached: Attaching"));
  out.clear();
  loop.RunAfter(std::chrono::milliseconds(20), [&] { hub_says("Detaching", "False"); });
  loop.RunAfter(std::chrono::milliseconds(40), [&] { hub_says("Detached", "False"); });
  ASSERT_TRUE(commands.Attach(options, "").ok());
  EXPECT_EQ(out,
            "iotgateway.slicelet.io/press leaves server hall\niotgateway.slicelet.io/press is Detached\n");
  out.clear();
  ASSERT_TRUE(commands.Attach(options, "").ok());
  EXPECT_EQ(out, "iotgateway.slicelet.io/press is attached to no server\n");
}

TEST_F(CommandsTest, ADryRunOfCreateAsksNoCluster) {
  server.SetDown(true);
  const KindOptions options{.names = {"press"}, .given = {{"--slice", {"north"}}, {"--host", {"gw-1"}}}};
  const auto print = [this](const std::string& text) { out += text; };
  const auto say = [this](const std::string& line) { said.push_back(line); };
  ASSERT_TRUE(PrintDryRun(Noun("gateway"), options, {}, files, print, say).ok());
  EXPECT_EQ(
      out,
      "apiVersion: slicelet.io/v1alpha1\nkind: IotGateway\nmetadata:\n  name: press\n  namespace: north\n"
      "spec:\n  slice: north\n  target:\n    host: gw-1\n");
}

}  // namespace
}  // namespace slicelet::cli
