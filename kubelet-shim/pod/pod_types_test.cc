// Whatever types a pod's or a Service's members have, the shim goes on.

#include <gtest/gtest.h>

#include "common/json/testing/mutations.h"
#include "kubelet-shim/pod/testing/pod_sync_fixture.h"

namespace slicelet::shim {
namespace {

TEST_F(PodSyncTest, AnyTypeOfAPodsMember) {
  int count = 0;
  for (const Mutation& mutation : MutationsOf(FullPod(), "/spec")) {
    Json pod = mutation.object;
    // It would stay, with all those before.
    pod["metadata"].erase("finalizers");
    pod["metadata"]["name"] = "p" + std::to_string(count);
    const auto made = server_.cluster().Create(kAdmin, {kube::kPods, "default", "", ""}, pod);
    if (!made.ok()) continue;
    ++count;
    EXPECT_NO_THROW(loop_.RunReady()) << mutation.what;
    EXPECT_NO_THROW(Report(Running(kube::UidOf(*made)))) << mutation.what;
    EXPECT_NO_THROW(Gone(kube::UidOf(*made))) << mutation.what;
    kube::DeleteOptions now;
    now.grace_seconds = 0;
    (void)server_.cluster().Delete(kAdmin, {kube::kPods, "default", kube::NameOf(*made), ""}, now);
    EXPECT_NO_THROW(loop_.RunReady()) << mutation.what;
  }
  EXPECT_GT(count, 50 * kMutationsEach);
}

TEST_F(PodSyncTest, AnyTypeOfAPodsMetadata) {
  int count = 0;
  for (const Mutation& mutation : MutationsOf(FullPod(), "/metadata")) {
    Json pod = mutation.object;
    if (pod["metadata"].is_object()) pod["metadata"]["name"] = "p" + std::to_string(count);
    const auto made = server_.cluster().Create(kAdmin, {kube::kPods, "default", "", ""}, pod);
    if (!made.ok()) continue;
    ++count;
    EXPECT_NO_THROW(loop_.RunReady()) << mutation.what;
    EXPECT_NO_THROW(Report(Running(kube::UidOf(*made)))) << mutation.what;
  }
  EXPECT_GT(count, 5 * kMutationsEach);
}

TEST_F(PodSyncTest, AnyTypeOfAServicesMember) {
  MakePod("web");
  int count = 0;
  for (const Mutation& mutation : MutationsOf(FullService())) {
    Json service = mutation.object;
    if (service["metadata"].is_object()) service["metadata"]["name"] = "s" + std::to_string(count);
    const auto made = server_.cluster().Create(kAdmin, {kube::kServices, "default", "", ""}, service);
    if (!made.ok()) continue;
    ++count;
    EXPECT_NO_THROW(loop_.RunReady()) << mutation.what;
  }
  EXPECT_GT(count, 10 * kMutationsEach);
  EXPECT_NO_THROW(MakePod("other"));
  EXPECT_NO_THROW(loop_.RunReady());
}

}  // namespace
}  // namespace slicelet::shim
