#include "kubelet-shim/pod/toleration_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/testing/fake_clock.h"
#include "common/json/testing/mutations.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/testing/memory_kube_api.h"

namespace slicelet::shim {
namespace {

using kube::Json;

Json Toleration(const std::string& key, std::optional<int> seconds) {
  Json toleration = {{"key", key}, {"operator", "Exists"}, {"effect", "NoExecute"}};
  if (seconds) toleration["tolerationSeconds"] = *seconds;
  return toleration;
}

Json Pod(Json tolerations, const std::string& autonomy = "") {
  Json pod = {{"metadata", {{"name", "p"}, {"namespace", "d"}, {"uid", "u"}, {"resourceVersion", "7"}}},
              {"spec", {{"tolerations", std::move(tolerations)}}}};
  if (!autonomy.empty()) pod["metadata"]["annotations"] = {{"slicelet.io/autonomy", autonomy}};
  return pod;
}

const char kNotReady[] = "node.kubernetes.io/not-ready";
const char kUnreachable[] = "node.kubernetes.io/unreachable";
const Json kOurs = {{"key", "slicelet.io/slice-node"}, {"operator", "Exists"}};

TEST(EdgeTolerations, DefaultedOnesLoseTheirLimit) {
  EXPECT_EQ(EdgeTolerations(Pod({kOurs, Toleration(kNotReady, 300), Toleration(kUnreachable, 300)})),
            Json({kOurs, Toleration(kNotReady, std::nullopt), Toleration(kUnreachable, std::nullopt)}));
}

TEST(EdgeTolerations, AutonomyIsTheLimit) {
  // Not {...}: of one value in braces clang makes that value and GCC a list.
  const Json defaulted = Json::array({Toleration(kNotReady, 300)});
  EXPECT_EQ(EdgeTolerations(Pod(defaulted, "2h")), Json::array({Toleration(kNotReady, 7200)}));
  EXPECT_EQ(EdgeTolerations(Pod(defaulted, "forever")), Json::array({Toleration(kNotReady, std::nullopt)}));
  EXPECT_EQ(EdgeTolerations(Pod(defaulted, "5m")), std::nullopt);
  // Refused elsewhere, by name.
  EXPECT_EQ(EdgeTolerations(Pod(defaulted, "a while")), Json::array({Toleration(kNotReady, std::nullopt)}));
}

TEST(EdgeTolerations, WhatTheUserWroteStays) {
  EXPECT_EQ(EdgeTolerations(Pod({kOurs, Toleration(kNotReady, 60), Toleration("other", 300)})), std::nullopt);
  EXPECT_EQ(EdgeTolerations(Pod({kOurs, Toleration(kNotReady, std::nullopt)})), std::nullopt);
  EXPECT_EQ(EdgeTolerations({{"spec", Json::object()}}), std::nullopt);
}

TEST(EdgeTolerations, WhatHasAnotherTypeIsNotTheirs) {
  const Json sound = Pod(Json::array({Toleration(kNotReady, 300)}), "2h");
  for (const Mutation& mutation : MutationsOf(sound)) {
    EXPECT_NO_THROW((void)EdgeTolerations(mutation.object)) << mutation.what;
  }
  EXPECT_EQ(EdgeTolerations(Json::array({5})), std::nullopt);
}

class TolerationKeeperTest : public testing::Test {
 protected:
  TolerationKeeperTest() {
    server_.faults().before = [this](const kube::KubeCall& call) {
      if (call.verb == kube::Verb::kPatch) ++patches_;
      return refuse_;
    };
    Json pod = Pod({kOurs, Toleration(kNotReady, 300), Toleration(kUnreachable, 300)});
    pod["metadata"] = {{"name", "p"}, {"namespace", "d"}};
    pod["spec"]["containers"] = {{{"name", "main"}, {"image", "i"}}};
    const auto made = server_.cluster().Create("admin", {kube::kPods, "d", "", ""}, pod);
    if (!made.ok()) ADD_FAILURE() << made.status();
  }
  Json Now() { return *server_.cluster().Peek(kube::kPods, "d", "p"); }
  void Wait() { loop_.Advance(TolerationKeeper::kDelay + std::chrono::seconds(1)); }

  SimLoop loop_;
  FakeClock clock_{loop_};
  SeededRandom random_{1};
  kube::MemoryApiServer server_{loop_, clock_, random_};
  std::unique_ptr<kube::KubeApi> api_ = server_.ApiAs("admin");
  int patches_ = 0;
  absl::Status refuse_;
  TolerationKeeper keeper_{loop_, *api_};
};

TEST_F(TolerationKeeperTest, CorrectsOnceAndOutOfTheWayOfTheStart) {
  keeper_.OnPod(Now());
  loop_.Advance(std::chrono::seconds(5));
  EXPECT_EQ(patches_, 0);
  Wait();
  EXPECT_EQ(EdgeTolerations(Now()), std::nullopt);
  keeper_.OnPod(Now());
  Wait();
  EXPECT_EQ(patches_, 1);
}

TEST_F(TolerationKeeperTest, TriesAgainWhileTheServerRefuses) {
  keeper_.OnPod(Now());
  refuse_ = absl::UnavailableError("etcd is away");
  Wait();
  EXPECT_EQ(patches_, 1);
  refuse_ = absl::OkStatus();
  Wait();
  Wait();
  EXPECT_EQ(EdgeTolerations(Now()), std::nullopt);
}

TEST_F(TolerationKeeperTest, WhatIsRefusedIsTriedLessAndLessOftenHoweverOftenThePodChanges) {
  refuse_ = absl::InvalidArgumentError("spec: Forbidden");
  for (int minute = 0; minute < 120; ++minute) {
    keeper_.OnPod(Now());
    loop_.Advance(std::chrono::minutes(1));
  }
  // After 20 s, then 40 s, 80 s, 160 s and 320 s later, and every ten minutes from then on.
  EXPECT_EQ(patches_, 5 + (7'200 - 620) / 600);
}

TEST_F(TolerationKeeperTest, AChangedPodIsNotOverwritten) {
  keeper_.OnPod(Now());
  ASSERT_TRUE(server_.cluster()
                  .Patch("admin", {kube::kPods, "d", "p", ""}, kube::PatchType::kMerge,
                         {{"metadata", {{"labels", {{"a", "b"}}}}}})
                  .ok());
  Wait();
  EXPECT_NE(EdgeTolerations(Now()), std::nullopt);
  keeper_.OnPod(Now());
  Wait();
  EXPECT_EQ(EdgeTolerations(Now()), std::nullopt);
}

TEST_F(TolerationKeeperTest, AForgottenPodIsLeftAlone) {
  keeper_.OnPod(Now());
  keeper_.Forget(PodUid(Now()["metadata"]["uid"].get<std::string>()));
  Wait();
  EXPECT_EQ(patches_, 0);
}

}  // namespace
}  // namespace slicelet::shim
