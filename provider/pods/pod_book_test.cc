#include "provider/pods/pod_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace slicelet::provider {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class PodBookTest : public testing::Test {
 protected:
  void Apply(const std::string& uid, const std::string& node) {
    const nlohmann::json pod = {
        {"metadata", {{"uid", uid}, {"namespace", "ns"}, {"name", "pod-" + uid}}},
        {"spec",
         {{"nodeName", node},
          {"containers",
           nlohmann::json::array({{{"name", "main"}, {"image", "docker.io/library/app:1"}}})}}}};
    v1::PodApply apply;
    apply.set_node(node);
    apply.set_pod(pod.dump());
    const auto applied = book_.Apply(apply);
    ASSERT_TRUE(applied.ok()) << applied.status();
  }
  void Learn(const std::string& uid, const std::string& node) {
    v1::Deployment deployment;
    deployment.set_uid(uid);
    book_.Learn(NodeName(node), deployment);
  }
  std::vector<std::string> On(const std::string& node) {
    std::vector<std::string> uids;
    for (const Pod* pod : book_.OnNode(NodeName(node))) {
      EXPECT_EQ(pod, book_.Find(pod->uid));
      EXPECT_EQ(pod->node.value(), node);
      uids.push_back(pod->uid.value());
    }
    return uids;
  }

  PodBook book_{{}, AddressPool::Make("198.18.0.0/16").value()};
};

TEST_F(PodBookTest, TellsTheNodesApart) {
  Apply("u2", "gw-1");
  Learn("u1", "gw-1");
  Apply("u3", "gw-2");
  EXPECT_THAT(On("gw-1"), ElementsAre("u1", "u2"));
  EXPECT_THAT(On("gw-2"), ElementsAre("u3"));
  EXPECT_THAT(On("gw-3"), IsEmpty());
  book_.Forget(PodUid("u2"));
  book_.Forget(PodUid("never"));
  EXPECT_THAT(On("gw-1"), ElementsAre("u1"));
  book_.Forget(PodUid("u1"));
  EXPECT_THAT(On("gw-1"), IsEmpty());
}

TEST_F(PodBookTest, APodThatNestsWithoutEndIsNone) {
  v1::PodApply apply;
  apply.set_node("gw-1");
  apply.set_pod(R"({"metadata":{"uid":"u1"},"spec":{"affinity":)" + std::string(200'000, '[') +
                std::string(200'000, ']') + "}}");
  EXPECT_TRUE(absl::IsInvalidArgument(book_.Apply(apply).status()));
  EXPECT_THAT(On("gw-1"), IsEmpty());
}

TEST_F(PodBookTest, APodThatIsShownAgainStaysWhereItIs) {
  Learn("u1", "gw-1");
  Learn("u1", "gw-1");
  Apply("u1", "gw-1");
  EXPECT_THAT(On("gw-1"), ElementsAre("u1"));
}

TEST_F(PodBookTest, APodThatAManifestAndTheApiSeeOnDifferentNodesIsOnTheLatter) {
  Learn("u1", "gw-1");
  Apply("u1", "gw-2");
  EXPECT_THAT(On("gw-1"), IsEmpty());
  EXPECT_THAT(On("gw-2"), ElementsAre("u1"));
  Learn("u1", "gw-1");
  EXPECT_THAT(On("gw-2"), ElementsAre("u1"));
  EXPECT_THAT(On("gw-1"), IsEmpty());
}

}  // namespace
}  // namespace slicelet::provider
