#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kubelet-shim/pod/testing/pod_sync_fixture.h"

namespace slicelet::shim {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

TEST_F(PodSyncTest, AForceDeletedPodIsForgottenAlsoInTheNextSession) {
  const auto uid = MakePod("web");
  Take();
  pods_->OnSessionLost();
  Delete("web", 0);
  EXPECT_THAT(Take(), IsEmpty());
  pods_->OnSession();
  EXPECT_THAT(Take(), ElementsAre("forget web DELETED_EVENT", "synced"));
  Gone(uid);
  pods_->OnSession();
  EXPECT_THAT(Take(), ElementsAre("synced"));
}

TEST_F(PodSyncTest, ANewSessionGetsEverythingThenSynced) {
  MakePod("a");
  const auto stopping = MakePod("b");
  Take();
  Report(Running(stopping));
  Delete("b");
  Take();
  pods_->OnSessionLost();
  pods_->OnSession();
  const auto lines = Take();
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_THAT(lines, Contains("apply a"));
  EXPECT_THAT(lines, Contains("apply b"));
  EXPECT_THAT(lines, Contains("stop b 30"));
  EXPECT_TRUE(lines.back().rfind("synced", 0) == 0);
  EXPECT_EQ(last_synced_.uids_size(), 2);
  EXPECT_EQ(last_synced_.lease_resource_version(), 9u);
  EXPECT_FALSE(last_synced_.cluster_uid().empty());
}

TEST_F(PodSyncTest, ARestartedShimFindsEverythingAgain) {
  const auto uid = MakePod("web");
  loop_.RunReady();
  Report(Running(uid));
  Take();
  Restart();
  EXPECT_THAT(Take(), ElementsAre("apply web", "synced web"));
  EXPECT_EQ(Pod("web")["status"]["phase"], "Running");
}

TEST_F(PodSyncTest, APodMissingAfterARelistIsNotForgotten) {
  MakePod("web");
  MakePod("other");
  Take();
  // The deletion happens where the watch can not see it.
  server_.faults().before = [](const kube::KubeCall&) { return absl::UnavailableError("down"); };
  server_.BreakWatches();
  loop_.RunReady();
  Delete("web", 0);
  server_.cluster().Compact();
  server_.faults().before = nullptr;
  loop_.Advance(seconds(60));
  const auto lines = Take();
  EXPECT_THAT(lines, Contains("synced other"));
  EXPECT_THAT(lines, Not(Contains("forget web DELETED_EVENT")));
}

TEST_F(PodSyncTest, AnotherUidUnderTheSameNameIsEvidenceAfterARelist) {
  MakePod("web");
  Take();
  server_.faults().before = [](const kube::KubeCall&) { return absl::UnavailableError("down"); };
  server_.BreakWatches();
  loop_.RunReady();
  Delete("web", 0);
  names_.clear();
  const auto uid = MakePod("web");
  server_.cluster().Compact();
  server_.faults().before = nullptr;
  loop_.Advance(seconds(60));
  const auto lines = Take();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0], "apply web");
  EXPECT_THAT(lines[1], testing::EndsWith("ANOTHER_UID"));
  EXPECT_EQ(lines[2], "synced web");
}

TEST_F(PodSyncTest, ARestoredClusterIsNoEvidence) {
  const auto snapshot = server_.cluster().TakeSnapshot();
  MakePod("web");
  Take();
  const auto before = last_synced_.list_resource_version();
  server_.Restore(snapshot);
  loop_.Advance(seconds(60));
  // First what had been reached, so that the provider sees that it went back.
  EXPECT_THAT(Take(), ElementsAre("synced", "synced"));
  EXPECT_LE(last_synced_.list_resource_version(), before);
}

TEST_F(PodSyncTest, ADeletionThatARestoreUndidIsNotFinished) {
  const std::string uid = MakePod("web");
  Take();
  Report(Running(uid));
  const auto snapshot = server_.cluster().TakeSnapshot();
  Delete("web");
  EXPECT_THAT(Take(), ElementsAre("stop web 30"));
  server_.Restore(snapshot);
  // The last word comes before the shim has seen the restored state.
  v1::PodGone gone;
  gone.set_uid(uid);
  *gone.mutable_last() = Stopped(uid);
  pods_->OnGone(gone);
  loop_.Advance(std::chrono::seconds(5));
  EXPECT_FALSE(Pod("web").is_null()) << "nobody deleted it, as far as this cluster knows";
  EXPECT_EQ(Pod("web")["status"]["phase"], "Running") << "with a terminal phase it would never run again";
  EXPECT_THAT(Take(), testing::Contains("apply web"));

  Delete("web");
  loop_.RunReady();
  Gone(uid);
  EXPECT_TRUE(Pod("web").is_null());
}

TEST_F(PodSyncTest, APodWhoseDeletionARestoreUndidIsNotShownAsEnded) {
  const std::string uid = MakePod("web");
  Take();
  Report(Running(uid));
  const auto snapshot = server_.cluster().TakeSnapshot();
  Delete("web");
  Take();
  server_.SetDown(true);
  // Stopped, and not all of it is gone yet.
  v1::WorkloadStatus ended = Stopped(uid);
  ended.set_gone(false);
  Report(ended);
  server_.Restore(snapshot);
  // Nobody lists before the writer tries again.
  server_.faults().before = [](const kube::KubeCall& call) {
    return call.verb == kube::Verb::kList || call.verb == kube::Verb::kWatch ? absl::UnavailableError("busy")
                                                                             : absl::OkStatus();
  };
  server_.SetDown(false);
  loop_.Advance(seconds(30));
  EXPECT_EQ(Pod("web")["status"]["phase"], "Running");
  server_.faults().before = nullptr;
  loop_.Advance(seconds(60));
  EXPECT_EQ(Pod("web")["status"]["phase"], "Running");
  EXPECT_THAT(Take(), testing::Contains("apply web"));
}

TEST_F(PodSyncTest, APodThatChangesWhileItIsFinishedIsReadAgain) {
  const std::string uid = MakePod("web");
  Take();
  Report(Running(uid));
  Delete("web");
  Take();
  std::vector<std::string> calls;
  server_.faults().before = [&](const kube::KubeCall& call) {
    if (call.user != "system:node:edge-1" || call.ref.resource != kube::kPods) return absl::OkStatus();
    const bool patch = call.verb == kube::Verb::kPatch;
    if (!patch && call.verb != kube::Verb::kDelete) return absl::OkStatus();
    calls.emplace_back(patch ? "patch" : "delete");
    // Somebody else is faster, once before each.
    if (calls.size() == 1 || calls.size() == 3) {
      const kube::Json label = {{"metadata", {{"labels", {{"n", std::to_string(calls.size())}}}}}};
      EXPECT_TRUE(server_.cluster()
                      .Patch(kAdmin, {kube::kPods, "default", "web", ""}, kube::PatchType::kMerge, label)
                      .ok());
    }
    return absl::OkStatus();
  };
  Gone(uid);
  loop_.Advance(seconds(5));
  EXPECT_THAT(calls, ElementsAre("patch", "patch", "delete", "delete"));
  EXPECT_TRUE(Pod("web").is_null());
}

TEST_F(PodSyncTest, AnUnsyncedListTellsNothing) {
  Take();
  server_.faults().before = [](const kube::KubeCall& call) {
    return call.ref.resource.plural == "namespaces" ? absl::UnavailableError("down") : absl::OkStatus();
  };
  Restart();
  loop_.Advance(seconds(20));
  EXPECT_THAT(Take(), IsEmpty());
  server_.faults().before = nullptr;
  loop_.Advance(seconds(60));
  EXPECT_THAT(Take(), ElementsAre("synced"));
}

TEST_F(PodSyncTest, AbsenceIsConfirmedByAQuorumReadOnly) {
  const auto uid = MakePod("web");
  Take();
  v1::ConfirmPod confirm;
  confirm.set_node("edge-1");
  confirm.set_namespace_("default");
  confirm.set_name("web");
  confirm.set_uid(uid);
  pods_->OnConfirm(confirm);
  EXPECT_THAT(Take(), ElementsAre("confirmed web present"));

  confirm.set_uid("u-old");
  pods_->OnConfirm(confirm);
  EXPECT_THAT(Take(), ElementsAre("confirmed u-old absent"));

  confirm.set_name("none");
  pods_->OnConfirm(confirm);
  EXPECT_THAT(Take(), ElementsAre("confirmed u-old absent"));

  for (const auto& failure : {absl::PermissionDeniedError("403"), absl::UnavailableError("503")}) {
    server_.faults().before = [&](const kube::KubeCall& call) {
      return call.user == "controller" && call.ref.resource.plural == "pods" ? failure : absl::OkStatus();
    };
    pods_->OnConfirm(confirm);
    EXPECT_THAT(Take(), IsEmpty());
  }
}

}  // namespace
}  // namespace slicelet::shim
