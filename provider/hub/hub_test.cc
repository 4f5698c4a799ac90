#include "provider/hub/hub.h"

#include "provider/hub/testing/hub_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

using HubTest = HubFixture;

TEST_F(HubTest, DeclaresItsNodesToTheShim) {
  ConnectAll();
  ASSERT_GE(received_.size(), 3U);
  EXPECT_FALSE(received_[0].hello_ack().refused());
  EXPECT_EQ(received_[1].node_declare().name(), "gw-1");
  EXPECT_EQ(received_[1].node_declare().taints(0).value(), "hub-1");
  EXPECT_TRUE(received_[2].has_nodes_synced());
  ASSERT_NE(NodeReport(), nullptr);
  EXPECT_TRUE(NodeReport()->link().status());
  EXPECT_FALSE(NodeReport()->held().status());
}

TEST_F(HubTest, APodGoesFromApplyToGone) {
  ConnectAll();
  Apply("u1");
  const v1::Deployment* deployment = host_.Find("u1");
  ASSERT_NE(deployment, nullptr);
  EXPECT_EQ(deployment->name(), "pod-u1");
  const std::string digest = deployment->digest();
  EXPECT_EQ(Sha256(host_.blobs_before_manifest[digest]).value(), digest)
      << "it comes unasked, before the manifest";
  host_.Fetch(digest);
  Settle();
  EXPECT_EQ(Sha256(host_.blobs[digest]).value(), digest);

  host_.ReportRunning("u1");
  Settle();
  ASSERT_NE(ReportOf("u1"), nullptr);
  EXPECT_EQ(ReportOf("u1")->status().phase(), v1::PHASE_RUNNING);
  EXPECT_EQ(ReportOf("u1")->api_pod_ip().substr(0, 7), "198.18.");

  Stop("u1", 5);
  ASSERT_TRUE(host_.Find("u1")->has_stop());
  EXPECT_EQ(host_.Find("u1")->stop().grace_seconds(), 5);
  Stop("u1", 1);
  EXPECT_EQ(host_.Find("u1")->stop().grace_seconds(), 1);
  EXPECT_FALSE(ToldGone("u1"));
  host_.ReportGone("u1");
  Settle();
  EXPECT_TRUE(ToldGone("u1"));
  EXPECT_NE(host_.Find("u1"), nullptr) << "the tombstone is dropped together with others";
  loop_.Advance(seconds(2));
  EXPECT_EQ(host_.Find("u1"), nullptr);
  EXPECT_TRUE(store_.CopyState().loaded.statuses.empty());

  received_.clear();
  Forget("u1", v1::DELETED_EVENT);
  EXPECT_TRUE(ToldGone("u1")) << "a late word is answered";
}

TEST_F(HubTest, TenPodsAtOnceAreAtMostTwoGenerations) {
  ConnectAll();
  const int before = host_.taken;
  for (int i = 0; i < 10; ++i) shim_->Send(ApplyOf(PodJson("u" + std::to_string(i))));
  Settle();
  EXPECT_EQ(host_.manifest.deployments_size(), 10);
  EXPECT_LE(host_.taken - before, 2);
}

TEST_F(HubTest, AStatusIsReportedOnlyWhenItChanges) {
  ConnectAll();
  Apply("u1");
  host_.ReportRunning("u1");
  Settle();
  received_.clear();
  host_.ReportRunning("u1");
  Settle();
  EXPECT_EQ(ReportOf("u1"), nullptr);
  host_.ReportRunning("u1", "10.88.0.9");
  Settle();
  EXPECT_NE(ReportOf("u1"), nullptr);
}

TEST_F(HubTest, APodThatIsShownAgainIsReportedAgain) {
  ConnectAll();
  Apply("u1");
  host_.ReportRunning("u1");
  Settle();
  // A list without it: the shim has dropped all it knew of it.
  Synced({});
  received_.clear();
  Apply("u1");
  EXPECT_NE(ReportOf("u1"), nullptr);
}

TEST_F(HubTest, APodThatIsAppliedAgainIsReportedAgain) {
  ConnectAll();
  Apply("u1");
  EXPECT_EQ(ReportOf("u1"), nullptr) << "nothing is known of it yet";
  host_.ReportRunning("u1");
  Settle();
  received_.clear();
  // In the same session: for a while its Node was somebody else's.
  Apply("u1");
  ASSERT_NE(ReportOf("u1"), nullptr);
  EXPECT_EQ(ReportOf("u1")->status().phase(), v1::PHASE_RUNNING);
}

TEST_F(HubTest, ARefusedPodFailsAndNeverReachesTheHost) {
  ConnectAll();
  const int before = host_.taken;
  Say(ApplyOf(PodJson("u1", {{"spec", {{"hostUsers", false}}}})));
  ASSERT_NE(ReportOf("u1"), nullptr);
  EXPECT_EQ(ReportOf("u1")->status().phase(), v1::PHASE_FAILED);
  EXPECT_FALSE(ReportOf("u1")->status().refused().field().empty());
  EXPECT_EQ(host_.taken, before);
  Stop("u1", 30);
  EXPECT_TRUE(ToldGone("u1"));
}

TEST_F(HubTest, ASecretTravelsSealedAndOnceForAllRestarts) {
  ConnectAll();
  v1::ShimMessage secret;
  v1::ReferentApply& referent = *secret.mutable_referent_apply();
  referent.set_kind("Secret");
  referent.set_namespace_("ns");
  referent.set_name("s");
  auto* file = referent.mutable_content()->add_files();
  file->set_key("password");
  file->set_data("hunter2");
  const kube::Json volume = {
      {"spec",
       {{"volumes", kube::Json::array({{{"name", "v"}, {"secret", {{"secretName", "s"}}}}})},
        {"containers", kube::Json::array({{{"name", "main"},
                                           {"image", "docker.io/library/app:1"},
                                           {"volumeMounts",
                                            kube::Json::array({{{"name", "v"}, {"mountPath", "/s"}}})}}})}}}};
  Say(ApplyOf(PodJson("u1", volume), {"secret/s"}));
  EXPECT_EQ(host_.Find("u1"), nullptr) << "its content has not arrived";
  Say(secret);
  ASSERT_NE(host_.Find("u1"), nullptr);
  ASSERT_EQ(host_.Find("u1")->blobs_size(), 1);
  const v1::BlobRef blob = host_.Find("u1")->blobs(0);
  EXPECT_TRUE(blob.sealed());
  host_.Fetch(blob.digest());
  Settle();
  v1::SealedBlob sealed;
  ASSERT_TRUE(sealed.ParseFromString(host_.blobs[blob.digest()]));
  const auto opened =
      host_.opener().Open({"hub-1", HostId("gw-1"), PodUid("u1"), ContentId("secret/s")}, sealed);
  ASSERT_TRUE(opened.ok()) << opened.status();
  v1::FileSet files;
  ASSERT_TRUE(files.ParseFromString(*opened));
  EXPECT_EQ(files.files(0).data(), "hunter2");

  const Generation generation = hub_->GenerationOf(HostId("gw-1"));
  RestartHub();
  host_.Connect();
  Settle();
  ConnectShim();
  Say(secret);
  Say(ApplyOf(PodJson("u1", volume), {"secret/s"}));
  Synced({"u1"});
  EXPECT_EQ(hub_->GenerationOf(HostId("gw-1")), generation);
  file->set_data("hunter3");
  Say(secret);
  EXPECT_NE(host_.Find("u1")->blobs(0).digest(), blob.digest());
}

TEST_F(HubTest, ContentThatCameAheadOfItsPodOutlivesAList) {
  ConnectAll();
  v1::ShimMessage settings;
  v1::ReferentApply& referent = *settings.mutable_referent_apply();
  referent.set_kind("ConfigMap");
  referent.set_namespace_("ns");
  referent.set_name("settings");
  referent.mutable_content()->add_files()->set_key("a");
  Say(settings);
  // Another node's list may come between the content and the pod that needs it.
  Synced({});
  const kube::Json volume = {
      {"spec",
       {{"volumes", kube::Json::array({{{"name", "v"}, {"configMap", {{"name", "settings"}}}}})},
        {"containers", kube::Json::array({{{"name", "main"},
                                           {"image", "docker.io/library/app:1"},
                                           {"volumeMounts",
                                            kube::Json::array({{{"name", "v"}, {"mountPath", "/s"}}})}}})}}}};
  Say(ApplyOf(PodJson("u1", volume), {"configmap/settings"}));
  ASSERT_NE(host_.Find("u1"), nullptr);
  EXPECT_EQ(host_.Find("u1")->blobs_size(), 1);

  // The next shim does not need it any more.
  host_.ReportGone("u1");
  Stop("u1", 0);
  host_.ReportGone("u1");
  ConnectShim();
  Synced({});
  Synced({"u2"});
  Say(ApplyOf(PodJson("u2", volume), {"configmap/settings"}));
  EXPECT_EQ(host_.Find("u2"), nullptr) << "its content has to come again";
}

TEST_F(HubTest, ATokenChangesNoGenerationAndComesAgainOnRequest) {
  ConnectAll();
  Apply("u1");
  const Generation generation = hub_->GenerationOf(HostId("gw-1"));
  v1::ShimMessage message;
  message.mutable_token_apply()->set_uid("u1");
  message.mutable_token_apply()->set_name("v/token");
  message.mutable_token_apply()->set_token("jwt");
  Say(message);
  ASSERT_EQ(host_.credentials.size(), 1U);
  const auto opened = host_.opener().Open({"hub-1", HostId("gw-1"), PodUid("u1"), ContentId("v/token")},
                                          host_.credentials[0].sealed());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(*opened, "jwt");
  EXPECT_EQ(hub_->GenerationOf(HostId("gw-1")), generation);
  v1::HostMessage request;
  request.mutable_credential_request()->set_uid("u1");
  request.mutable_credential_request()->set_name("v/token");
  host_.Send(request);
  Settle();
  EXPECT_EQ(host_.credentials.size(), 2U);
}

TEST_F(HubTest, ATokenThatComesBeforeItsPodIsKept) {
  ConnectAll();
  v1::ShimMessage message;
  message.mutable_token_apply()->set_uid("u1");
  message.mutable_token_apply()->set_name("v/token");
  message.mutable_token_apply()->set_token("jwt");
  Say(message);
  EXPECT_TRUE(host_.credentials.empty());
  Apply("u1");
  EXPECT_EQ(host_.credentials.size(), 1U);
}

TEST_F(HubTest, RevocationClosesTheSessionAtOnceAndRefusesTheNext) {
  ConnectAll();
  api_->Patch({kube::kEdgeHosts, "slicelet", "gw-1", ""}, kube::PatchType::kMerge,
              {{"spec", {{"revoked", true}}}}, [](const absl::StatusOr<kube::Json>&) {});
  Settle();
  EXPECT_TRUE(host_.closed);
  EXPECT_EQ(NodeReport()->link().reason(), "Revoked");
  host_.Connect();
  Settle();
  EXPECT_TRUE(host_.closed);
  EXPECT_FALSE(host_.welcomed);
}

TEST_F(HubTest, AnUnreachableHostIsReportedAndItsPodsKeepTheirStatus) {
  ConnectAll();
  Apply("u1");
  host_.ReportRunning("u1");
  Settle();
  received_.clear();
  host_.Disconnect();
  loop_.Advance(seconds(31));
  ASSERT_NE(NodeReport(), nullptr);
  EXPECT_FALSE(NodeReport()->link().status());
  EXPECT_EQ(ReportOf("u1"), nullptr);
  Apply("u2");
  host_.Connect();
  Settle();
  EXPECT_NE(host_.Find("u2"), nullptr);
  EXPECT_TRUE(NodeReport()->link().status());
}

TEST_F(HubTest, LogsOfAHostWithoutRoomForStreamsAreReadInPieces) {
  host_.features = {"log-ranges"};
  ConnectAll();
  Apply("u1");
  auto [ours, theirs] = MakeLocalFrameStreams(loop_);
  v1::StreamHead head;
  head.set_namespace_("ns");
  head.set_pod("pod-u1");
  head.mutable_logs();
  hub_->OnStream(head, std::move(theirs));
  Settle();
  ASSERT_EQ(host_.commands.size(), 1U);
  const v1::LogRange range = host_.commands[0].log_range();
  EXPECT_EQ(range.head().uid(), "u1");
  v1::HostMessage message;
  v1::LogPiece& piece = *message.mutable_reply()->mutable_log();
  piece.set_reading(range.reading());
  piece.set_number(1);
  piece.set_data("a line");
  host_.Send(message);
  std::string text;
  const std::function<void()> read = [&] {
    ours->Read([&](const absl::StatusOr<std::optional<v1::StreamFrame>>& result) {
      if (!result.ok() || !*result) return;
      text += (*result)->reply().message() + (*result)->data();
      read();
    });
  };
  read();
  Settle();
  EXPECT_EQ(text, "a line");
  host_.Disconnect();
  loop_.Advance(seconds(31));
  EXPECT_EQ(text, "a line") << "it ends; what was read stays read";

  // Everything else needs a stream.
  host_.Connect();
  Settle();
  auto [other, hub_end] = MakeLocalFrameStreams(loop_);
  head.clear_logs();
  head.mutable_exec();
  hub_->OnStream(head, std::move(hub_end));
  Settle();
  EXPECT_TRUE(host_.commands.back().has_open_tunnel());
}

TEST_F(HubTest, StreamsAreJoinedOverTheHostsTunnel) {
  ConnectAll();
  Apply("u1");
  const auto open = [this](const std::string& name) {
    auto [ours, theirs] = MakeLocalFrameStreams(loop_);
    v1::StreamHead head;
    head.set_namespace_("ns");
    head.set_pod(name);
    head.mutable_logs();
    hub_->OnStream(head, std::move(theirs));
    Settle();
    return std::shared_ptr<FrameStream>(std::move(ours));
  };
  const auto read = [this](FrameStream& stream) {
    v1::StreamFrame frame;
    stream.Read([&frame](const absl::StatusOr<std::optional<v1::StreamFrame>>& result) {
      if (result.ok() && *result) frame = **result;
    });
    Settle();
    return frame;
  };
  const auto unknown = open("nobody");
  EXPECT_EQ(read(*unknown).reply().code(), static_cast<int>(absl::StatusCode::kNotFound));

  const auto client = open("pod-u1");
  ASSERT_EQ(host_.commands.size(), 1U);
  EXPECT_EQ(host_.commands[0].open_tunnel().uid(), "u1");
  auto [tunnel, hub_side] = MakeLocalFrameStreams(loop_);
  hub_->OnTunnel(HostId("gw-1"), host_.commands[0].request_id(), std::move(hub_side));
  v1::StreamFrame data;
  data.set_data("a line");
  tunnel->Write(data, [](const absl::Status&) {});
  EXPECT_EQ(read(*client).data(), "a line");

  const auto late = open("pod-u1");
  loop_.Advance(seconds(31));
  EXPECT_EQ(read(*late).reply().code(), static_cast<int>(absl::StatusCode::kDeadlineExceeded));
  host_.Disconnect();
  Settle();
  const auto offline = open("pod-u1");
  EXPECT_EQ(read(*offline).reply().code(), static_cast<int>(absl::StatusCode::kUnavailable));
}

TEST_F(HubTest, AMissingPodIsRemovedAfterTwoConfirmations) {
  ConnectAll();
  Apply("u1");
  Apply("u2");
  Synced({"u1"});
  EXPECT_TRUE(AskedToConfirm("u2"));
  EXPECT_EQ(hub_->ListOrphans().orphans(0).state(), "Orphaned");
  Confirm("u2");
  EXPECT_FALSE(host_.Find("u2")->has_stop());
  received_.clear();
  loop_.Advance(minutes(10));
  EXPECT_TRUE(AskedToConfirm("u2"));
  Confirm("u2");
  EXPECT_TRUE(host_.Find("u2")->has_stop());
  EXPECT_EQ(host_.Find("u2")->stop().grace_seconds(), 7);
}

TEST_F(HubTest, ARestoredClusterRemovesNothingUntilAnOperatorDecides) {
  ConnectAll();
  Apply("u1");
  Apply("u2");
  Synced({"u1", "u2"}, 500);
  Forget("u2", v1::ANOTHER_UID);
  Synced({"u1"}, 90);
  EXPECT_TRUE(NodeReport()->held().status());
  Forget("u2", v1::DELETED_EVENT);
  loop_.Advance(minutes(30));
  EXPECT_FALSE(host_.Find("u2")->has_stop());
  ASSERT_EQ(hub_->ListOrphans().orphans_size(), 1);
  EXPECT_EQ(hub_->ListOrphans().orphans(0).state(), "Held");

  v1::DecideOrphansRequest request;
  request.set_node("gw-1");
  EXPECT_EQ(hub_->DecideOrphans(request).status().code(), absl::StatusCode::kInvalidArgument);
  request.set_decision(v1::DecideOrphansRequest::REMOVE);
  request.clear_node();
  request.add_uids("u2");
  request.add_uids("u1");
  request.add_uids("typo");
  const auto reply = hub_->DecideOrphans(request);
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->decided(), 1);
  EXPECT_EQ(std::vector<std::string>(reply->unknown().begin(), reply->unknown().end()),
            (std::vector<std::string>{"typo", "u1"}));
  Settle();
  EXPECT_TRUE(host_.Find("u2")->has_stop());
  EXPECT_FALSE(NodeReport()->held().status());
}

TEST_F(HubTest, TheAdminApiTellsHostsAndPods) {
  ConnectAll();
  Apply("u1");
  host_.ReportRunning("u1");
  Settle();
  const v1::ListHostsReply hosts = hub_->ListHosts();
  ASSERT_EQ(hosts.hosts_size(), 1);
  EXPECT_TRUE(hosts.hosts(0).connected());
  EXPECT_TRUE(hosts.hosts(0).accepted());
  EXPECT_EQ(hosts.hosts(0).workloads(), 1);
  v1::PodHostsRequest request;
  request.set_namespace_("ns");
  request.set_name("pod-u1");
  const auto pod = hub_->PodHosts(request);
  ASSERT_TRUE(pod.ok()) << pod.status();
  EXPECT_EQ(pod->entries(0).host(), "gw-1");
  request.set_name("nobody");
  EXPECT_EQ(hub_->PodHosts(request).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(HubTest, ANodeIsDecommissionedOnlyWhenItsHostIsNotWantedAnyMore) {
  ConnectAll();
  Apply("u1");
  v1::DecommissionNodeRequest request;
  request.set_node("gw-1");
  EXPECT_EQ(hub_->DecommissionNode(request).code(), absl::StatusCode::kFailedPrecondition);
  api_->Delete({kube::kEdgeHosts, "slicelet", "gw-1", ""}, {}, [](const absl::Status&) {});
  Settle();
  EXPECT_TRUE(host_.closed);
  EXPECT_EQ(hub_->DecommissionNode(request).code(), absl::StatusCode::kFailedPrecondition)
      << "it still runs a pod";
  request.set_force(true);
  EXPECT_TRUE(hub_->DecommissionNode(request).ok());
  Settle();
  EXPECT_NE(Received([](const auto& m) { return m.has_node_retire(); }), nullptr);
  EXPECT_TRUE(store_.CopyState().loaded.hosts.empty());

  // Until the shim says that the Node object is gone it is asked again, also by the next hub.
  RestartHub();
  ConnectShim();
  const auto* asked = Received([](const auto& m) { return m.has_node_retire(); });
  ASSERT_NE(asked, nullptr);
  EXPECT_EQ(asked->node_retire().name(), "gw-1");
  EXPECT_EQ(Received([](const auto& m) { return m.has_node_declare(); }), nullptr);
  v1::ShimMessage retired;
  retired.mutable_node_retired()->set_name("gw-1");
  Say(retired);
  RestartHub();
  ConnectShim();
  EXPECT_EQ(Received([](const auto& m) { return m.has_node_retire(); }), nullptr);
}

TEST_F(HubTest, ADecommissionedNodeThatComesBackIsDeclaredAndNotRetired) {
  ConnectAll();
  api_->Delete({kube::kEdgeHosts, "slicelet", "gw-1", ""}, {}, [](const absl::Status&) {});
  Settle();
  v1::DecommissionNodeRequest request;
  request.set_node("gw-1");
  EXPECT_TRUE(hub_->DecommissionNode(request).ok());
  Settle();
  AddHost("gw-1");
  Settle();
  ConnectShim();
  EXPECT_NE(Received([](const auto& m) { return m.has_node_declare(); }), nullptr);
  EXPECT_EQ(Received([](const auto& m) { return m.has_node_retire(); }), nullptr);
}

TEST_F(HubTest, AFullHostIsShownOnItsNodeAndOnThePodsThatWait) {
  ConnectAll();
  Apply("u1");
  host_.ReportRunning("u1");
  Settle();
  ASSERT_EQ(NodeReport()->conditions_size(), 1);
  EXPECT_TRUE(NodeReport()->conditions(0).status());
  host_.full = true;
  Apply("u2");
  loop_.Advance(std::chrono::seconds(1));
  ASSERT_EQ(NodeReport()->conditions_size(), 1);
  EXPECT_FALSE(NodeReport()->conditions(0).status());
  EXPECT_EQ(NodeReport()->conditions(0).reason(), "HostStoreFull");
  EXPECT_NE(NodeReport()->conditions(0).message().find("no space left"), std::string::npos);
  ASSERT_NE(ReportOf("u2"), nullptr);
  ASSERT_EQ(ReportOf("u2")->conditions_size(), 1);
  EXPECT_EQ(ReportOf("u2")->conditions(0).type(), "slicelet.io/Placed");
  EXPECT_EQ(ReportOf("u2")->conditions(0).reason(), "HostStoreFull");
  EXPECT_EQ(ReportOf("u1")->conditions_size(), 0) << "it runs";

  host_.full = false;
  loop_.Advance(std::chrono::minutes(2));
  EXPECT_NE(host_.Find("u2"), nullptr);
  EXPECT_TRUE(NodeReport()->conditions(0).status());
}

TEST_F(HubTest, APodForAHostInMaintenanceSaysSo) {
  ConnectAll();
  api_->Patch({kube::kEdgeHosts, "slicelet", "gw-1", ""}, kube::PatchType::kMerge,
              {{"spec", {{"maintenance", true}}}}, [](const absl::StatusOr<kube::Json>&) {});
  Settle();
  Apply("u1");
  ASSERT_NE(ReportOf("u1"), nullptr);
  EXPECT_FALSE(ReportOf("u1")->has_status());
  EXPECT_EQ(ReportOf("u1")->conditions(0).type(), "slicelet.io/Placed");
  EXPECT_FALSE(ReportOf("u1")->conditions(0).status());
  EXPECT_EQ(ReportOf("u1")->conditions(0).reason(), "HostInMaintenance");
}

TEST_F(HubTest, TheSchedulerIsToldOfMaintenanceAndOfItsEnd) {
  ConnectAll();
  const auto taints = [&] {
    const auto* declared = Received([](const auto& m) { return m.has_node_declare(); });
    return declared == nullptr ? -1 : declared->node_declare().taints_size();
  };
  const auto patch = [&](const kube::Json& spec) {
    received_.clear();
    api_->Patch({kube::kEdgeHosts, "slicelet", "gw-1", ""}, kube::PatchType::kMerge, {{"spec", spec}},
                [](const absl::StatusOr<kube::Json>&) {});
    Settle();
    return taints();
  };
  EXPECT_EQ(taints(), 1);
  EXPECT_EQ(patch({{"maintenance", true}}), 2);
  EXPECT_EQ(Received([](const auto& m) { return m.has_node_declare(); })->node_declare().taints(1).key(),
            "slicelet.io/maintenance");
  EXPECT_EQ(patch({{"tags", {{"site", "north"}}}}), -1) << "nothing else declares the node anew";
  EXPECT_EQ(patch({{"maintenance", false}}), 1);
}

TEST_F(HubTest, APodThatIsListedButNotAppliedIsReportedAsItRuns) {
  ConnectAll();
  Apply("u1");
  loop_.Advance(std::chrono::seconds(1));
  host_.ReportRunning("u1");
  Settle();
  // A new shim can not apply it: a ConfigMap has vanished meanwhile.
  ConnectShim();
  EXPECT_EQ(ReportOf("u1"), nullptr);
  Synced({"u1"});
  ASSERT_NE(ReportOf("u1"), nullptr);
  EXPECT_EQ(ReportOf("u1")->status().phase(), v1::PHASE_RUNNING);
  // And what changes later, too.
  received_.clear();
  host_.ReportRunning("u1", "10.88.0.6");
  Settle();
  ASSERT_NE(ReportOf("u1"), nullptr);
  EXPECT_EQ(ReportOf("u1")->status().pod_ips(0), "10.88.0.6");
}

}  // namespace
}  // namespace slicelet::provider
