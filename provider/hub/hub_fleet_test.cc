// Nodes that stand for many hosts.
#include <gmock/gmock.h>

#include "provider/hub/testing/fleet_fixture.h"

namespace slicelet::provider {
namespace {

using testing::HasSubstr;

using FleetTest = FleetFixture;

TEST_F(FleetTest, TheNodeIsDeclaredWithTheSumOfItsHosts) {
  ConnectFleet();
  loop_.Advance(seconds(1));
  const auto* declared = Received([](const auto& m) { return m.has_node_declare(); });
  ASSERT_NE(declared, nullptr);
  EXPECT_EQ(declared->node_declare().name(), "fleet");
  EXPECT_EQ(declared->node_declare().host(), "");
  ASSERT_NE(NodeReport(), nullptr);
  EXPECT_EQ(NodeReport()->name(), "fleet");
  EXPECT_TRUE(NodeReport()->link().status());
  EXPECT_EQ(NodeReport()->link().message(), "3 of 3 hosts are connected");
  EXPECT_TRUE(NodeReport()->has_facts());
  for (ScriptedHost* host : {&host_, &second_, &third_}) host->Disconnect();
  loop_.Advance(seconds(40));
  EXPECT_FALSE(NodeReport()->link().status());
  EXPECT_EQ(NodeReport()->link().reason(), "NoHostConnected");
}

TEST_F(FleetTest, APodRunsOnEveryHostThatMatchesAndMovesWithItsTags) {
  Tag("gw-1", "north");
  Tag("gw-2", "south");
  ConnectFleet();
  ApplyFleet("all");
  ApplyFleet("u1", Condition("tags.site = 'north'"));
  EXPECT_EQ(Has("all"), "123");
  EXPECT_EQ(Has("u1"), "1");
  EXPECT_EQ(host_.Find("u1")->node(), "fleet");
  Ready(host_, "u1");
  ASSERT_NE(ReportOf("u1"), nullptr);
  EXPECT_EQ(ReportOf("u1")->status().phase(), v1::PHASE_RUNNING);
  EXPECT_EQ(ReportOf("u1")->api_pod_ip().substr(0, 7), "198.18.");
  EXPECT_EQ(Fleet("u1"), "targeted 1, applied 1, ready 1, failed 0, unreachable 0");
  EXPECT_TRUE(ConditionOf("u1", "Fleet")->status());

  Tag("gw-2", "north");
  EXPECT_EQ(Has("u1"), "12");
  EXPECT_EQ(Fleet("u1"), "targeted 2, applied 2, ready 1, failed 0, unreachable 0");
  Tag("gw-1", "south");
  EXPECT_EQ(Has("u1"), "1x2");
  EXPECT_EQ(host_.Find("u1")->stop().grace_seconds(), 7);
  Gone(host_, "u1");
  EXPECT_EQ(Has("u1"), "2");
  EXPECT_EQ(ReportOf("u1")->status().phase(), v1::PHASE_RUNNING) << "never back to Pending";
  EXPECT_FALSE(ToldGone("u1"));
  Tag("gw-1", "north");
  EXPECT_EQ(Has("u1"), "12") << "and back again";
}

TEST_F(FleetTest, AHostsOwnTagsCountAmongTheReportedProperties) {
  host_.tags = {{"line", "3"}, {"agentVersion", "of the tag"}};
  second_.tags = {{"line", "4"}};
  // The operator's tag of the same name is another one.
  PatchHost("gw-3", {{"tags", {{"line", "3"}}}});
  ConnectFleet();
  ApplyFleet("own", Condition("properties.reported.line = '3'"));
  ApplyFleet("operator", Condition("tags.line = '3'"));
  ApplyFleet("told", Condition("properties.reported.agentVersion = 'test'"));
  EXPECT_EQ(Has("own"), "1");
  EXPECT_EQ(Has("operator"), "3");
  EXPECT_EQ(Has("told"), "123") << "a tag does not hide what the agent says of itself";

  // Its configuration was changed, and its agent started anew.
  host_.Disconnect();
  host_.tags = {{"line", "4"}};
  second_.Disconnect();
  second_.tags = {{"line", "3"}};
  ConnectHost(host_);
  ConnectHost(second_);
  Wait();
  EXPECT_EQ(Has("own"), "1x2");
  const auto shown = [this](const char* name) {
    const auto object = server_.cluster().Peek(kube::kEdgeHosts, "slicelet", name);
    const kube::Json* tags = object ? kube::Find(*object, {"status", "hostTags"}) : nullptr;
    return tags == nullptr ? std::string() : tags->dump();
  };
  EXPECT_EQ(shown("gw-1"), R"({"line":"4"})");
  EXPECT_EQ(shown("gw-2"), R"({"line":"3"})");
}

TEST_F(FleetTest, AHostThatIsMovedBackWhileItsInstanceStopsGetsANewOne) {
  Tag("gw-1", "north");
  ConnectFleet();
  ApplyFleet("u1", Condition("tags.site = 'north'"));
  Ready(host_, "u1");
  Tag("gw-1", "south");
  Tag("gw-1", "north");
  EXPECT_EQ(Has("u1"), "1x") << "a stop is never taken back";
  Gone(host_, "u1");
  EXPECT_EQ(Has("u1"), "1");
}

TEST_F(FleetTest, NoMatchIsPendingWithTheReason) {
  ConnectFleet();
  ApplyFleet("u1", Condition("tags.site = 'moon'"));
  EXPECT_EQ(Has("u1"), "");
  ASSERT_NE(ConditionOf("u1", "Placed"), nullptr);
  EXPECT_FALSE(ConditionOf("u1", "Placed")->status());
  EXPECT_EQ(ConditionOf("u1", "Placed")->reason(), "NoHostMatches");
  EXPECT_EQ(ReportOf("u1")->status().phase(), v1::PHASE_PENDING);
  EXPECT_FALSE(ReportOf("u1")->status().has_refused());
}

TEST_F(FleetTest, ABadAnnotationIsRefusedWithKeyAndValue) {
  ConnectFleet();
  ApplyFleet("u1", Condition("tags.site == 'x'"));
  ASSERT_NE(ReportOf("u1"), nullptr);
  EXPECT_EQ(ReportOf("u1")->status().phase(), v1::PHASE_FAILED);
  const std::string& why = ReportOf("u1")->status().refused().message();
  EXPECT_THAT(why, HasSubstr("slicelet.io/target-condition"));
  EXPECT_THAT(why, HasSubstr("is \"tags.site == 'x'\", column 12"));
  ASSERT_NE(ConditionOf("u1", "Placed"), nullptr);
  EXPECT_EQ(ConditionOf("u1", "Placed")->reason(), "InvalidAnnotation");
  EXPECT_EQ(Has("u1"), "");
}

TEST_F(FleetTest, ABadChangeLeavesThePodAsItWasAndSaysSo) {
  ConnectFleet();
  ApplyFleet("u1", Condition("deviceId = 'gw-1'"));
  Ready(host_, "u1");
  ApplyFleet("u1", Condition("deviceId ="));
  EXPECT_EQ(Has("u1"), "1");
  EXPECT_EQ(ReportOf("u1")->status().phase(), v1::PHASE_RUNNING);
  ASSERT_NE(ConditionOf("u1", "ChangeAccepted"), nullptr);
  EXPECT_FALSE(ConditionOf("u1", "ChangeAccepted")->status());
  EXPECT_THAT(ConditionOf("u1", "ChangeAccepted")->message(), HasSubstr("is \"deviceId =\", column 11"));
  EXPECT_NE(Received([](const auto& m) {
              return m.has_event() && m.event().event().reason() == "InvalidAnnotation";
            }),
            nullptr);
  ApplyFleet("u1", Condition("deviceId = 'gw-2'"));
  EXPECT_EQ(Has("u1"), "1x2");
  EXPECT_TRUE(ConditionOf("u1", "ChangeAccepted")->status());
}

TEST_F(FleetTest, WhatAConfigMapThatComesLaterAsksForInVainIsToldThenAndOnce) {
  ConnectFleet();
  const kube::Json azure = {{"isEdgeDeployment", "true"}, {"targetCondition", "*"}};
  ApplyFleet("u1", azure);
  const auto told = [this] {
    int events = 0;
    for (const auto& message : received_) {
      if (!message.has_event() || message.event().event().reason() != "FieldsIgnored") continue;
      EXPECT_THAT(message.event().event().message(), HasSubstr("storeAndForwardConfiguration"));
      ++events;
    }
    return events;
  };
  EXPECT_EQ(told(), 0);
  // Named before it is here, then sent, then named again, as on a shim's next session.
  v1::ShimMessage named = FleetApply("u1", azure);
  named.mutable_pod_apply()->add_references("configmap/edgehub");
  Say(named);
  v1::ShimMessage map;
  v1::ReferentApply& referent = *map.mutable_referent_apply();
  referent.set_kind("ConfigMap");
  referent.set_namespace_("ns");
  referent.set_name("edgehub");
  auto* file = referent.mutable_content()->add_files();
  file->set_key("desiredProperties");
  file->set_data(R"({"storeAndForwardConfiguration": {"timeToLiveSecs": 7200}})");
  Say(map);
  Wait();
  EXPECT_EQ(told(), 1);
  Say(named);
  Wait();
  EXPECT_EQ(told(), 1);
}

TEST_F(FleetTest, AConfigMapOfAConnectorPodThatIsDeletedDoesNotBringItBack) {
  ConnectFleet();
  v1::ShimMessage map;
  v1::ReferentApply& referent = *map.mutable_referent_apply();
  referent.set_kind("ConfigMap");
  referent.set_namespace_("ns");
  referent.set_name("module");
  auto* file = referent.mutable_content()->add_files();
  file->set_key("note");
  Say(map);
  v1::ShimMessage apply = FleetApply("u1", {{"isEdgeDeployment", "true"}, {"targetCondition", "*"}});
  apply.mutable_pod_apply()->add_references("configmap/module");
  Say(apply);
  Wait();
  ASSERT_EQ(Has("u1"), "123");
  third_.Disconnect();
  loop_.Advance(seconds(31));
  Stop("u1", 5);
  Gone(host_, "u1");
  Gone(second_, "u1");
  ASSERT_TRUE(ToldGone("u1"));
  // Another pod may refer to it.
  file->set_data("changed");
  Say(map);
  ConnectHost(third_);
  EXPECT_EQ(Has("u1"), "3x");
  Gone(third_, "u1");
  loop_.Advance(seconds(2));
  EXPECT_EQ(Has("u1"), "");
}

TEST_F(FleetTest, DeletionWaitsForTheHostsInReachAndTombstonesDoTheRest) {
  ConnectFleet();
  ApplyFleet("u1");
  for (ScriptedHost* host : {&host_, &second_, &third_}) Ready(*host, "u1");
  third_.Disconnect();
  Stop("u1", 5);
  EXPECT_EQ(Has("u1"), "1x2x3") << "the third has not heard of it";
  Gone(host_, "u1");
  Gone(second_, "u1");
  EXPECT_FALSE(ToldGone("u1")) << "the third may come back any moment";
  loop_.Advance(seconds(31));
  EXPECT_TRUE(ToldGone("u1"));
  RestartHub();
  ConnectFleet();
  EXPECT_EQ(Has("u1"), "3x") << "the tombstone survives the hub";
  Gone(third_, "u1");
  loop_.Advance(seconds(2));
  EXPECT_EQ(Has("u1"), "");
  EXPECT_TRUE(store_.CopyState().loaded.statuses.empty());
}

TEST_F(FleetTest, AHostOutOfReachIsTargetedAndGetsItWhenItComes) {
  ConnectFleet();
  third_.Disconnect();
  loop_.Advance(seconds(31));
  ApplyFleet("u1");
  Ready(host_, "u1");
  Ready(second_, "u1");
  EXPECT_EQ(Fleet("u1"), "targeted 3, applied 2, ready 2, failed 0, unreachable 1");
  EXPECT_TRUE(ConditionOf("u1", "Fleet")->status()) << "all in reach are ready";
  ConnectHost(third_);
  Wait();
  EXPECT_EQ(Has("u1"), "123");
  EXPECT_FALSE(ConditionOf("u1", "Fleet")->status());
}

TEST_F(FleetTest, TheHigherBaseDeploymentHasTheHostAndTheOtherComesBack) {
  ConnectFleet();
  const auto azure = [](const std::string& priority) {
    return kube::Json{
        {"isEdgeDeployment", "true"}, {"targetCondition", "deviceId = 'gw-1'"}, {"priority", priority}};
  };
  ApplyFleet("low", azure("5"));
  Ready(host_, "low");
  ApplyFleet("high", azure("15"));
  EXPECT_EQ(Has("low"), "1x");
  EXPECT_EQ(Has("high"), "") << "it waits for the place";
  EXPECT_THAT(ConditionOf("low", "Placed")->message(),
              HasSubstr("pod ns/pod-high has the host's base deployment"));
  Gone(host_, "low");
  EXPECT_EQ(Has("low"), "");
  EXPECT_EQ(Has("high"), "1");
  Stop("high", 1);
  Wait();
  EXPECT_EQ(Has("low"), "") << "not before the other has left";
  Gone(host_, "high");
  Wait();
  EXPECT_EQ(Has("low"), "1");
}

TEST_F(FleetTest, AHostPortIsGivenOnceOnEveryHost) {
  ConnectFleet();
  ApplyFleet("first", Condition("deviceId IN ['gw-1', 'gw-2']"), HostPort(8'080));
  ApplyFleet("second", kube::Json::object(), HostPort(8'080));
  EXPECT_EQ(Has("first"), "12");
  EXPECT_EQ(Has("second"), "3");
  EXPECT_THAT(Fleet("second"), HasSubstr("2/3 hosts: Superseded (gw-1, gw-2)"));
  Stop("first", 1);
  Gone(host_, "first");
  Gone(second_, "first");
  Wait();
  EXPECT_EQ(Has("second"), "123");
}

TEST_F(FleetTest, AJobIsOverWhenAllItsHostsAreAndKeepsThem) {
  ConnectFleet();
  ApplyFleet("job", Condition("NOT tags.site = 'south' OR deviceId != 'gw-3'"),
             {{"spec", {{"restartPolicy", "Never"}}}});
  EXPECT_EQ(Has("job"), "12");
  Ended(host_, "job", v1::PHASE_SUCCEEDED);
  EXPECT_EQ(ReportOf("job")->status().phase(), v1::PHASE_RUNNING);
  EXPECT_FALSE(ReportOf("job")->status().containers(0).state().has_terminated());
  Ended(second_, "job", v1::PHASE_SUCCEEDED);
  EXPECT_EQ(ReportOf("job")->status().phase(), v1::PHASE_SUCCEEDED);
  Tag("gw-3", "north");
  EXPECT_EQ(Has("job"), "12") << "targets of what is over are frozen";
}

TEST_F(FleetTest, ChosenHostsStayChosenAlsoByTheNextHub) {
  ConnectFleet();
  ApplyFleet("u1", {{"slicelet.io/placement", "worst-fit"}, {"slicelet.io/hosts", "2"}});
  EXPECT_EQ(Has("u1"), "12");
  EXPECT_EQ(store_.CopyState().loaded.placements.size(), 1U);
  PatchHost("gw-1", {{"approved", false}});
  EXPECT_EQ(Has("u1").substr(Has("u1").size() - 1), "3");
  PatchHost("gw-1", {{"approved", true}});
  RestartHub();
  ConnectFleet();
  ApplyFleet("u1", {{"slicelet.io/placement", "worst-fit"}, {"slicelet.io/hosts", "2"}});
  SyncFleet({"u1"});
  Wait();
  EXPECT_EQ(Has("u1"), "1x23");
  Stop("u1", 1);
  for (ScriptedHost* host : {&host_, &second_, &third_}) Gone(*host, "u1");
  EXPECT_TRUE(store_.CopyState().loaded.placements.empty());
}

TEST_F(FleetTest, ARevokedHostIsNoTargetAnyMore) {
  ConnectFleet();
  ApplyFleet("u1");
  PatchHost("gw-2", {{"revoked", true}});
  EXPECT_EQ(Fleet("u1"), "targeted 2, applied 2, ready 0, failed 0, unreachable 0");
  PatchHost("gw-3", {{"maintenance", true}});
  ApplyFleet("u2");
  EXPECT_EQ(Has("u1").find('3') != std::string::npos, true) << "maintenance keeps what there is";
  EXPECT_EQ(Has("u2"), "1");
}

TEST_F(FleetTest, NothingRestartsWhenTheHubForgetsEverything) {
  ConnectFleet();
  ApplyFleet("u1", Condition("deviceId != 'gw-3'"));
  Ready(host_, "u1");
  Ready(second_, "u1");
  hub_.reset();
  store_.Lose();
  RestartHub();
  for (ScriptedHost* host : {&host_, &second_, &third_}) ConnectHost(*host);
  Wait();
  EXPECT_EQ(Has("u1"), "12");
  ConnectShim();
  Say(FleetApply("u1", Condition("deviceId != 'gw-3'")));
  SyncFleet({"u1"});
  Wait();
  EXPECT_EQ(Has("u1"), "12");
  EXPECT_GE(host_.manifest.generation().epoch(), 2U);
  EXPECT_EQ(hub_->ListOrphans().orphans_size(), 0);
}

TEST_F(FleetTest, APodThatVanishedFromTheListIsJudgedOnceForAllHosts) {
  ConnectFleet();
  ApplyFleet("u1");
  SyncFleet({});
  EXPECT_TRUE(AskedToConfirm("u1"));
  ASSERT_EQ(hub_->ListOrphans().orphans_size(), 1);
  EXPECT_EQ(hub_->ListOrphans().orphans(0).node(), "fleet");
  Confirm("u1");
  loop_.Advance(minutes(10));
  Confirm("u1");
  EXPECT_EQ(Has("u1"), "1x2x3x");
}

TEST_F(FleetTest, AfterARestartTheLastWordStandsUntilTheHostsHaveAnswered) {
  ConnectFleet();
  ApplyFleet("u1");
  for (ScriptedHost* host : {&host_, &second_, &third_}) Ready(*host, "u1");
  RestartHub();
  host_.Connect();
  Settle();
  ConnectShim();
  Say(FleetApply("u1", kube::Json::object(), {{"status", {{"phase", "Running"}}}}));
  SyncFleet({"u1"});
  Ready(host_, "u1");
  EXPECT_EQ(ReportOf("u1"), nullptr);
  loop_.Advance(seconds(35));
  ASSERT_NE(ReportOf("u1"), nullptr) << "the others do not come";
  EXPECT_EQ(ReportOf("u1")->status().phase(), v1::PHASE_RUNNING);
  EXPECT_THAT(Fleet("u1"), HasSubstr("unreachable 2"));
}

TEST_F(FleetTest, StreamsGoToAReadyHostOrTheOneThatIsAskedFor) {
  ConnectFleet();
  ApplyFleet("u1", Condition("deviceId != 'gw-3'"));
  Ready(second_, "u1");
  const auto open = [this](const std::string& host) {
    auto [ours, theirs] = MakeLocalFrameStreams(loop_);
    v1::StreamHead head;
    head.set_namespace_("ns");
    head.set_pod("pod-u1");
    head.set_host(host);
    head.mutable_exec();
    hub_->OnStream(head, std::move(theirs));
    Settle();
    v1::StreamFrame frame;
    ours->Read([&frame](const absl::StatusOr<std::optional<v1::StreamFrame>>& result) {
      if (result.ok() && *result) frame = **result;
    });
    Settle();
    return frame.reply();
  };
  open("");
  EXPECT_EQ(second_.commands.size(), 1U) << "the ready one";
  open("gw-1");
  EXPECT_EQ(host_.commands.size(), 1U);
  EXPECT_EQ(open("gw-3").message(), "pod ns/pod-u1 is not on host gw-3");
  host_.Disconnect();
  second_.Disconnect();
  Settle();
  EXPECT_EQ(open("").message(), "no host that has pod ns/pod-u1 is connected");
}

TEST_F(FleetTest, LogsOfOneOfManyHostsSayWhichItIs) {
  ConnectFleet();
  ApplyFleet("u1", Condition("deviceId != 'gw-3'"));
  Ready(second_, "u1");
  auto [client, theirs] = MakeLocalFrameStreams(loop_);
  v1::StreamHead head;
  head.set_namespace_("ns");
  head.set_pod("pod-u1");
  head.mutable_logs();
  hub_->OnStream(head, std::move(theirs));
  Settle();
  ASSERT_EQ(second_.commands.size(), 1U);
  auto [tunnel, hub_side] = MakeLocalFrameStreams(loop_);
  hub_->OnTunnel(HostId("gw-2"), second_.commands[0].request_id(), std::move(hub_side));
  v1::StreamFrame reply;
  reply.mutable_reply();
  tunnel->Write(reply, [](const absl::Status&) {});
  v1::StreamFrame data;
  data.set_data("a line\n");
  Settle();
  tunnel->Write(data, [](const absl::Status&) {});
  std::vector<std::string> seen;
  for (int i = 0; i < 3; ++i) {
    client->Read([&seen](const absl::StatusOr<std::optional<v1::StreamFrame>>& result) {
      if (result.ok() && *result) seen.push_back((*result)->data());
    });
    Settle();
  }
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_THAT(seen[1], HasSubstr("logs of host gw-2, one of 2"));
  EXPECT_EQ(seen[2], "a line\n");
}

TEST_F(FleetTest, LogsOfAllHostsAreAskedOfAllThatAreConnected) {
  ConnectFleet();
  ApplyFleet("u1", {{"slicelet.io/logs", "all"}});
  third_.Disconnect();
  Settle();
  auto [client, theirs] = MakeLocalFrameStreams(loop_);
  v1::StreamHead head;
  head.set_namespace_("ns");
  head.set_pod("pod-u1");
  head.mutable_logs()->set_tail_lines(5);
  hub_->OnStream(head, std::move(theirs));
  Settle();
  std::string text;
  std::function<void()> read = [&text, &read, reader = client.get()] {
    reader->Read([&](const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
      if (!frame.ok() || !*frame) return;
      text += (*frame)->data();
      read();
    });
  };
  read();
  for (ScriptedHost* host : {&host_, &second_}) {
    ASSERT_EQ(host->commands.size(), 1U);
    const v1::Command& command = host->commands[0];
    EXPECT_EQ(command.open_tunnel().logs().tail_lines(), 5);
    auto [tunnel, hub_side] = MakeLocalFrameStreams(loop_);
    hub_->OnTunnel(HostId(host == &host_ ? "gw-1" : "gw-2"), command.request_id(), std::move(hub_side));
    v1::StreamFrame frame;
    frame.mutable_reply();
    tunnel->Write(frame, [](const absl::Status&) {});
    Settle();
    frame.set_data("a line\n");
    tunnel->Write(frame, [](const absl::Status&) {});
    Settle();
    tunnel->Finish(absl::OkStatus());
    Settle();
  }
  EXPECT_EQ(text, "gw-3 | slicelet: the host is not connected\ngw-1 | a line\ngw-2 | a line\n");
}

TEST_F(FleetTest, TheAdminApiTellsEveryHost) {
  ConnectFleet();
  ApplyFleet("u1", Condition("deviceId != 'gw-3'"));
  Ready(second_, "u1");
  v1::PodHostsRequest request;
  request.set_namespace_("ns");
  request.set_name("pod-u1");
  const auto reply = hub_->PodHosts(request);
  ASSERT_TRUE(reply.ok()) << reply.status();
  ASSERT_EQ(reply->entries_size(), 2);
  EXPECT_EQ(reply->entries(0).host(), "gw-1");
  EXPECT_EQ(reply->entries(0).state(), "Targeted");
  EXPECT_EQ(reply->entries(1).status().phase(), v1::PHASE_RUNNING);
}

TEST_F(FleetTest, WhatOnlyAManifestHoldsKeepsItsPort) {
  ConnectFleet();
  ApplyFleet("held", Condition("deviceId = 'gw-1'"), HostPort(8'080));
  Ready(host_, "held");
  RestartHub();
  for (ScriptedHost* host : {&host_, &second_, &third_}) ConnectHost(*host);
  ConnectShim();
  // The API server's lists are empty for a while.
  Say(FleetApply("other", kube::Json::object(), HostPort(8'080)));
  SyncFleet({"other"});
  Wait();
  EXPECT_EQ(Has("held"), "1");
  EXPECT_EQ(Has("other"), "23");
  ApplyFleet("held", Condition("deviceId = 'gw-1'"), HostPort(8'080));
  Stop("held", 1);
  Gone(host_, "held");
  Wait();
  EXPECT_EQ(Has("other"), "123");
}

TEST_F(FleetTest, APodWhosePortsWereLostWithTheStoreMayHaveAnyPort) {
  ConnectFleet();
  ApplyFleet("held", Condition("deviceId = 'gw-1'"), HostPort(8'080));
  Ready(host_, "held");
  store_.Lose();
  RestartHub();
  for (ScriptedHost* host : {&host_, &second_, &third_}) ConnectHost(*host);
  ConnectShim();
  // The list is empty for a while: what gw-1 holds is known by its digest alone.
  Say(FleetApply("other", kube::Json::object(), HostPort(9'090)));
  Say(FleetApply("portless"));
  SyncFleet({"other", "portless"});
  Wait();
  EXPECT_EQ(Has("held"), "1");
  EXPECT_EQ(Has("other"), "23");
  EXPECT_EQ(Has("portless"), "123");
  Say(FleetApply("nowhere", Condition("deviceId = 'gw-1'"), HostPort(7'070)));
  Wait();
  // It may wait for good: who and what for is told, and that only where it waits.
  ASSERT_NE(ConditionOf("nowhere", "Placed"), nullptr);
  EXPECT_FALSE(ConditionOf("nowhere", "Placed")->status());
  EXPECT_EQ(ConditionOf("nowhere", "Placed")->reason(), "WaitsForPlace");
  EXPECT_THAT(ConditionOf("nowhere", "Placed")->message(),
              AllOf(HasSubstr("1/1 hosts: WaitsForPlace (gw-1): waits for host port 7070/TCP, which pod "
                              "ns/pod-held may have"),
                    HasSubstr("'slicectl orphans'")));
  ASSERT_NE(ConditionOf("other", "Placed"), nullptr);
  EXPECT_TRUE(ConditionOf("other", "Placed")->status());
  EXPECT_THAT(ConditionOf("other", "Placed")->message(), HasSubstr("1/3 hosts: WaitsForPlace (gw-1)"));
  EXPECT_THAT(Fleet("other"), HasSubstr("1/3 hosts: WaitsForPlace (gw-1)"));
  EXPECT_EQ(ConditionOf("portless", "Placed")->message(), "");

  ApplyFleet("held", Condition("deviceId = 'gw-1'"), HostPort(8'080));
  EXPECT_EQ(Has("other"), "123") << "by now its ports are known";
  Wait();
  EXPECT_TRUE(ConditionOf("nowhere", "Placed")->status());
  EXPECT_EQ(ConditionOf("other", "Placed")->message(), "");
  EXPECT_THAT(Fleet("other"), Not(HasSubstr("WaitsForPlace")));
}

TEST_F(FleetTest, AStopThatTheHostHasLongDoneIsOver) {
  Tag("gw-1", "north");
  ConnectFleet();
  ApplyFleet("u1", Condition("tags.site = 'north'"));
  Ready(host_, "u1");
  const MemoryHubStore::State copy = store_.CopyState();
  Tag("gw-1", "south");
  Gone(host_, "u1");
  EXPECT_EQ(Has("u1"), "");
  hub_.reset();
  store_.Restore(copy);
  RestartHub();
  ConnectShim();
  // By the old copy the host has an instance that has to stop.
  Say(FleetApply("u1", Condition("tags.site = 'north'")));
  SyncFleet({"u1"});
  Wait();
  for (ScriptedHost* host : {&host_, &second_, &third_}) ConnectHost(*host);
  loop_.Advance(seconds(1));
  Tag("gw-1", "north");
  EXPECT_EQ(Has("u1"), "1");
}

TEST_F(FleetTest, AHostMayNotHaveTheNodesName) {
  ConnectFleet();
  AddHost("fleet");
  Wait();
  ScriptedHost impostor(loop_, host_link_, "fleet");
  impostor.Connect();
  Wait();
  EXPECT_FALSE(impostor.welcomed);
}

}  // namespace
}  // namespace slicelet::provider
