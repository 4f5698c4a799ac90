#include "kubelet-shim/app/client_ca.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "common/loop/testing/sim_loop.h"
#include "kube/testing/silent_kube_api.h"

namespace slicelet::shim {
namespace {

using testing::ElementsAre;

/// Answers every GET with `answer`.
class OneObject : public kube::SilentKubeApi {
 public:
  explicit OneObject(Loop& loop) : loop_(loop) {}
  void Get(const kube::ObjectRef& ref, Callback<kube::Json> done) override {
    asked = ref.ns + "/" + ref.name;
    loop_.Post([this, done = std::move(done)] { done(answer); });
  }

  absl::StatusOr<kube::Json> answer = absl::UnavailableError("the API server is away");
  std::string asked;

 private:
  Loop& loop_;
};

TEST(PublishedClientCa, TriesUntilItSucceedsAndReadsItAgain) {
  SimLoop loop;
  SeededRandom random(1);
  OneObject kube(loop);
  std::vector<std::string> bundles;
  PublishedClientCa ca(loop, random, kube, [&](const std::string& pem) {
    bundles.push_back(pem);
    return absl::OkStatus();
  });
  ca.Start();
  loop.Advance(std::chrono::minutes(1));
  EXPECT_EQ(kube.asked, "kube-system/extension-apiserver-authentication");
  EXPECT_TRUE(bundles.empty());
  kube.answer = kube::Json{{"data", {{"client-ca-file", "old"}}}};
  loop.Advance(std::chrono::minutes(1));
  EXPECT_THAT(bundles, ElementsAre("old"));
  kube.answer = kube::Json{{"data", {{"client-ca-file", "new"}}}};
  loop.Advance(PublishedClientCa::kRefresh);
  EXPECT_THAT(bundles, ElementsAre("old", "new"));
}

}  // namespace
}  // namespace slicelet::shim
