#include "kubelet-shim/pod/referent_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/testing/fake_clock.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/testing/memory_kube_api.h"

namespace slicelet::shim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class ReferentCacheTest : public testing::Test {
 protected:
  ReferentCacheTest() {
    server_.faults().before = [this](const kube::KubeCall&) {
      ++reads_;
      return refuse_;
    };
  }

  void Set(const std::string& value) {
    const kube::ObjectRef ref{kube::kConfigMaps, "default", "c", ""};
    const kube::Json object = {{"metadata", {{"name", "c"}, {"namespace", "default"}}},
                               {"data", {{"k", value}}}};
    if (server_.cluster().Peek(kube::kConfigMaps, "default", "c")) {
      ASSERT_TRUE(server_.cluster().Patch("admin", ref, kube::PatchType::kMerge, object).ok());
    } else {
      ASSERT_TRUE(server_.cluster().Create("admin", {kube::kConfigMaps, "default", "", ""}, object).ok());
    }
  }
  void Need(const std::string& pod, bool fresh = false) {
    std::set<ReferentKey> keys{key_};
    cache_.Need(PodUid(pod), api_, keys, fresh ? keys : std::set<ReferentKey>(),
                [this, pod] { changed_.push_back(pod); });
  }
  std::string Value(const std::string& pod) {
    const Referent* referent = cache_.Find(PodUid(pod), key_);
    if (referent == nullptr) return "unread";
    return referent->state == Referent::State::kPresent ? referent->data.at("k") : "absent";
  }

  SimLoop loop_;
  FakeClock clock_{loop_};
  SeededRandom random_{1};
  kube::MemoryApiServer server_{loop_, clock_, random_};
  std::shared_ptr<kube::KubeApi> api_ = server_.ApiAs("admin");
  const ReferentKey key_{ReferentKey::Kind::kConfigMap, "default", "c"};
  std::vector<std::string> changed_;
  std::vector<std::string> sent_;
  int reads_ = 0;
  absl::Status refuse_;
  ReferentCache cache_{
      loop_,
      random_,
      ReferentCache::Options{},
      {.on_present = [this](const ReferentKey&, const Referent& r) { sent_.push_back(r.data.at("k")); },
       .on_released = [this](const ReferentKey& key) { sent_.push_back("-" + key.name); }}};
};

TEST_F(ReferentCacheTest, OneReadServesManyPods) {
  Set("1");
  Need("a");
  Need("b");
  loop_.RunReady();
  EXPECT_LE(reads_, 2);
  EXPECT_EQ(Value("b"), "1");
  EXPECT_THAT(sent_, ElementsAre("1"));
  cache_.Release(PodUid("a"));
  cache_.Release(PodUid("b"));
  EXPECT_THAT(sent_, ElementsAre("1", "-c"));
  loop_.Advance(seconds(200));
  EXPECT_LE(reads_, 2);
}

TEST_F(ReferentCacheTest, VolumesUseWhatIsKnownAndVariablesWaitForANewRead) {
  Set("1");
  Need("a");
  loop_.RunReady();
  Set("2");
  Need("volume");
  Need("variable", true);
  EXPECT_EQ(Value("volume"), "1");
  EXPECT_EQ(Value("variable"), "unread");
  loop_.RunReady();
  EXPECT_EQ(Value("variable"), "2");
  EXPECT_EQ(Value("volume"), "2");
}

TEST_F(ReferentCacheTest, ChangesAreSeenAfterTheInterval) {
  Set("1");
  Need("a");
  loop_.Advance(seconds(1));
  Set("2");
  loop_.Advance(seconds(50));
  EXPECT_EQ(Value("a"), "1");
  loop_.Advance(seconds(20));
  EXPECT_EQ(Value("a"), "2");
  EXPECT_THAT(changed_, ElementsAre("a", "a"));
}

TEST_F(ReferentCacheTest, AMissingOneIsLookedForSoon) {
  Need("a");
  loop_.Advance(seconds(10));
  EXPECT_EQ(Value("a"), "absent");
  Set("1");
  loop_.Advance(seconds(20));
  EXPECT_EQ(Value("a"), "1");
}

TEST_F(ReferentCacheTest, AnUnreachableServerTakesNothingAway) {
  Set("1");
  Need("a");
  loop_.RunReady();
  refuse_ = absl::UnavailableError("down");
  loop_.Advance(seconds(300));
  EXPECT_EQ(Value("a"), "1");
  EXPECT_THAT(sent_, ElementsAre("1"));
}

TEST_F(ReferentCacheTest, AnAnswerForAReleasedPodIsDropped) {
  server_.faults().latency = [] { return milliseconds(10); };
  Set("1");
  Need("a");
  cache_.Release(PodUid("a"));
  loop_.Advance(seconds(1));
  EXPECT_THAT(changed_, IsEmpty());
  EXPECT_EQ(Value("a"), "unread");
}

TEST_F(ReferentCacheTest, AFreshReadThatFailsIsNotAnsweredFromTheOldCopy) {
  Set("1");
  Need("a");
  loop_.RunReady();
  Set("2");
  refuse_ = absl::ResourceExhaustedError("too many requests");
  Need("variable", true);
  loop_.RunReady();
  EXPECT_EQ(Value("a"), "1");
  EXPECT_EQ(Value("variable"), "absent") << "it is said, and nothing begins with what is old";
  EXPECT_EQ(cache_.Find(PodUid("variable"), key_)->error, "too many requests");
  EXPECT_THAT(changed_, testing::Contains("variable"));
  refuse_ = absl::OkStatus();
  loop_.Advance(seconds(2));
  EXPECT_EQ(Value("variable"), "2");
  EXPECT_EQ(Value("a"), "2");
}

TEST_F(ReferentCacheTest, AnotherNodeReadsWhereOneMayNot) {
  Set("1");
  const auto refused = std::shared_ptr<kube::KubeApi>(server_.ApiAs("refused"));
  server_.faults().before = [](const kube::KubeCall& call) {
    return call.user == "refused" ? absl::PermissionDeniedError("no") : absl::OkStatus();
  };
  for (const char* pod : {"a", "z"}) cache_.Need(PodUid(pod), refused, {key_}, {}, [] {});
  Need("m");
  loop_.Advance(seconds(5));
  EXPECT_EQ(Value("a"), "1");
  EXPECT_EQ(Value("m"), "1");
}

TEST_F(ReferentCacheTest, ANodeThatGoesWhileItReadsForOthersLeavesNobodyWaiting) {
  server_.faults().latency = [] { return milliseconds(10); };
  Set("1");
  std::shared_ptr<kube::KubeApi> going = server_.ApiAs("admin");
  cache_.Need(PodUid("a"), going, {key_}, {}, [] {});
  Need("b");
  cache_.Release(PodUid("a"));
  going.reset();
  loop_.Advance(seconds(1));
  EXPECT_EQ(Value("b"), "1");
  Set("2");
  loop_.Advance(seconds(70));
  EXPECT_EQ(Value("b"), "2");
}

}  // namespace
}  // namespace slicelet::shim
