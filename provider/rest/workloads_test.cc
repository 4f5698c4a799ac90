#include "provider/rest/testing/rest_fixture.h"

namespace slicelet::provider {
namespace {

TEST_F(RestTest, WorkloadsAreThePodsOnTheHubsNodes) {
  const Answer list = Ask("GET", "/v1/workloads", Viewer());
  ASSERT_EQ(list.status, 200) << list.text;
  ASSERT_EQ(list.body["items"].size(), 1U) << "a pod on another hub's node is not told";
  const Json& pod = list.body["items"][0];
  EXPECT_EQ(pod["name"], "press-0");
  EXPECT_EQ(pod["node"], "gw-1");
  EXPECT_EQ(pod["owner"], Json::parse(R"({"kind":"Deployment","name":"press"})"));
  EXPECT_EQ(pod["hosts"][0]["host"], "gw-1");
  EXPECT_EQ(pod["hosts"][0]["phase"], "Running");
  EXPECT_EQ(list.text.find("hidden"), std::string::npos) << "what a spec holds is not shown";
  EXPECT_EQ(Ask("GET", "/v1/workloads?namespace=other", Viewer()).body["items"].size(), 0U);
  EXPECT_EQ(Ask("GET", "/v1/workloads/north-ns/press-0", Viewer()).body, pod);
  EXPECT_EQ(Ask("GET", "/v1/workloads/north-ns/stray", Viewer()).status, 404);
  EXPECT_EQ(Ask("GET", "/v1/workloads/north-ns/none", Viewer()).status, 404);
}

TEST_F(RestTest, APodThatTheHubHasNotSeenHasNoHostsYet) {
  MakePod("north-ns", "young", "gw-1", nullptr);
  const Answer answer = Ask("GET", "/v1/workloads/north-ns/young", Viewer());
  EXPECT_EQ(answer.body["hosts"], Json::array());
  EXPECT_FALSE(answer.body.contains("owner"));
}

TEST_F(RestTest, PlacementSaysWhatEachHostIsToAPod) {
  const Answer answer = Ask("GET", "/v1/workloads/north-ns/press-0/placement", Viewer());
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body["node"], "gw-1");
  EXPECT_EQ(answer.body["hosts"][0]["state"], "Targeted");
}

TEST_F(RestTest, DeploymentsAreWhatOwnsThePods) {
  MakePod("north-ns", "press-1", "gw-1",
          {{"kind", "ReplicaSet"}, {"name", "press-abc12"}, {"controller", true}});
  MakePod("north-ns", "job-0", "gw-1", {{"kind", "Job"}, {"name", "job"}, {"controller", true}});
  MakePod("north-ns", "alone", "gw-1", nullptr);
  const Answer answer = Ask("GET", "/v1/deployments", Viewer());
  ASSERT_EQ(answer.body["items"].size(), 2U) << answer.text;
  EXPECT_EQ(answer.body["items"][0]["kind"], "Job");
  EXPECT_EQ(
      answer.body["items"][1],
      Json::parse(
          R"({"namespace":"north-ns","name":"press","kind":"Deployment","pods":["press-0","press-1"],"ready":0,"hosts":["gw-1"]})"));
  const Answer page = Ask("GET", "/v1/deployments?limit=1", Viewer());
  EXPECT_EQ(Ask("GET", "/v1/deployments?limit=1&continue=" + GetString(page.body, "/continue"), Viewer())
                .body["items"][0]["name"],
            "press");
}

}  // namespace
}  // namespace slicelet::provider
