#include "provider/rest/schema.h"
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
  EXPECT_EQ(answer.body["reason"], "it is on none of this hub's nodes");
  EXPECT_FALSE(answer.body["hosts"][0].contains("chosen")) << "nothing is known of that";
}

TEST_F(RestTest, PlacementTellsAlsoOfHostsThatWereNotChosen) {
  explain_ = [](const v1::ExplainPodRequest& request) -> absl::StatusOr<v1::ExplainPodReply> {
    EXPECT_EQ(request.namespace_(), "north-ns");
    EXPECT_EQ(request.name(), "press-0");
    EXPECT_FALSE(request.uid().empty());
    v1::ExplainPodReply reply;
    reply.set_placement("worst-fit");
    reply.set_hosts(1);
    reply.set_condition("tags.site = 'north'");
    reply.set_cpu_milli(200);
    reply.set_memory_bytes(1024);
    auto* full = reply.add_entries();
    full->set_host("gw-2");
    full->set_matched(true);
    full->set_free_cpu_milli(100);
    full->set_free_memory_bytes(2048);
    full->set_max_replicas(0);
    full->set_reason("no room: cpu: needs 200m, 100m is free");
    auto* chosen = reply.add_entries();
    chosen->set_host("gw-1");
    chosen->set_matched(true);
    chosen->set_chosen(true);
    chosen->set_receive_rate(512);
    return reply;
  };
  const Answer answer = Ask("GET", "/v1/workloads/north-ns/press-0/placement", Viewer());
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_EQ(answer.body["placement"], "worst-fit");
  EXPECT_EQ(answer.body["wanted"], 1);
  EXPECT_EQ(answer.body["cpuMilli"], 200);
  ASSERT_EQ(answer.body["hosts"].size(), 2U);
  const Json& chosen = answer.body["hosts"][0];
  EXPECT_EQ(chosen["host"], "gw-1");
  EXPECT_EQ(chosen["chosen"], true);
  EXPECT_EQ(chosen["receiveRate"], 512);
  EXPECT_EQ(chosen["phase"], "Running") << "what the host says itself";
  EXPECT_FALSE(chosen.contains("maxReplicas")) << "not known is not 0";
  EXPECT_EQ(
      answer.body["hosts"][1],
      Json::parse(
          R"({"host":"gw-2","chosen":false,"matched":true,"freeCpuMilli":100,"freeMemoryBytes":2048,"maxReplicas":0,"reason":"no room: cpu: needs 200m, 100m is free"})"));
  const auto problems =
      CheckValue({{"$ref", "#/components/schemas/Placement"}}, answer.body, "", rest_->components());
  EXPECT_TRUE(problems.empty()) << problems.front().field << " " << problems.front().problem;
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
