#include "common/base/encoding.h"
#include "provider/rest/testing/rest_fixture.h"

namespace slicelet::provider {
namespace {

using testing::HasSubstr;

constexpr char kClusters[] = "/compat/v3/api/k8sclusters";
constexpr char kEnabler[] = "/compat/v3/api/enabler";

Json Registration(const std::string& name) {
  return {{"name", name},
          {"description", "a cluster"},
          {"credentials",
           {{"clusters", {{{"name", name}, {"cluster", {{"server", "https://x"}}}}}},
            {"contexts", {{{"name", name}, {"context", {{"cluster", name}}}}}},
            {"users", {{{"name", "u"}, {"user", {{"token", "cluster-token"}}}}}}}}};
}

TEST_F(RestTest, TheOrchestratorsLoginGivesATokenForItsHeader) {
  const Answer login =
      Ask("POST", "/compat/v3/api/login/tokens", "", {{"username", "vera"}, {"password", kVerasPassword}});
  ASSERT_EQ(login.status, 200) << login.text;
  HttpRequest request;
  request.method = "GET";
  request.target = *ParseTarget("/compat/v3/api/chartrepo");
  request.headers.emplace_back("token", login.body["token"].get<std::string>());
  std::optional<HttpResponse> answer;
  rest_->Handle(request, [&](HttpResponse response) { answer = std::move(response); });
  EXPECT_EQ(answer->status, 501);
  EXPECT_THAT(answer->body, HasSubstr("ChartsNotSupported"));
  EXPECT_EQ(Ask("POST", "/compat/v3/api/login/tokens", "", {{"username", "vera"}, {"password", "x"}}).status,
            401);
}

TEST_F(RestTest, ClustersAreRegisteredWithTheirCredentials) {
  const Answer made = Ask("POST", kClusters, Operator(), Registration("far"));
  ASSERT_EQ(made.status, 200) << made.text;
  EXPECT_EQ(made.text.find("cluster-token"), std::string::npos);
  const Json cluster = Stored(kube::kIotClusters, "slicelet", "far");
  EXPECT_EQ(cluster["spec"],
            Json::parse(R"({"role":"edge","kubeconfigSecret":"far-kubeconfig","description":"a cluster"})"))
      << "home is the cloud's already";
  const Json secret = Stored(kube::kSecrets, "slicelet", "far-kubeconfig");
  EXPECT_EQ(Json::parse(*Base64Decode(secret["data"]["kubeconfig"].get<std::string>())),
            Registration("far")["credentials"]);
  EXPECT_EQ(secret["metadata"]["ownerReferences"][0]["uid"], cluster["metadata"]["uid"]);
  EXPECT_FALSE(Logged("cluster-token"));
  EXPECT_EQ(Ask("POST", kClusters, Operator(), Registration("far")).status, 409);
  EXPECT_EQ(Ask("GET", std::string(kClusters) + "/far", Viewer()).body["name"], "far");
  EXPECT_EQ(Ask("GET", kClusters, Viewer()).body.size(), 2U);
  EXPECT_EQ(Ask("DELETE", std::string(kClusters) + "/far", Operator()).status, 200);
  EXPECT_EQ(Ask("DELETE", std::string(kClusters) + "/far", Operator()).status, 404);
}

TEST_F(RestTest, TheFirstClusterIsTheCloud) {
  EXPECT_EQ(Ask("DELETE", std::string(kClusters) + "/home", Operator()).status, 200);
  EXPECT_EQ(Ask("POST", kClusters, Operator(), Registration("first")).status, 200);
  EXPECT_EQ(Stored(kube::kIotClusters, "slicelet", "first")["spec"]["role"], "cloud");
}

TEST_F(RestTest, ARegistrationThatBreaksRulesTellsAllOfThem) {
  Json body = Registration("far");
  body["name"] = "near";
  body["credentials"]["users"][0]["user"] = {{"exec", {{"command", "aws"}}}, {"client-key", "/k"}};
  const Answer answer = Ask("POST", kClusters, Operator(), body);
  EXPECT_EQ(answer.status, 400);
  std::vector<std::string> fields;
  for (const Json& violation : answer.body["violations"]) fields.push_back(violation["field"]);
  EXPECT_THAT(fields,
              testing::ElementsAre("credentials.contexts[0].name", "credentials.clusters[0].name",
                                   "credentials.users[0].user.client-key", "credentials.users[0].user.exec"));
  body = Registration("far");
  body["credentials"].erase("users");
  body["credentials"]["contexts"] = Json::array();
  EXPECT_EQ(Ask("POST", kClusters, Operator(), body).body["violations"].size(), 2U);
  EXPECT_EQ(Stored(kube::kIotClusters, "slicelet", "far"), Json());
}

TEST_F(RestTest, ARegistrationThatFailsHalfWayIsTakenBack) {
  server_.faults().before = [](const kube::KubeCall& call) -> absl::Status {
    return call.ref.resource == kube::kSecrets ? absl::PermissionDeniedError("no secrets") : absl::OkStatus();
  };
  EXPECT_EQ(Ask("POST", kClusters, Operator(), Registration("far")).status, 403);
  EXPECT_EQ(Stored(kube::kIotClusters, "slicelet", "far"), Json());
  server_.faults().before = nullptr;
  Make(kube::kSecrets, "slicelet", "far-kubeconfig", {{"data", Json::object()}});
  EXPECT_EQ(Ask("POST", kClusters, Operator(), Registration("far")).status, 409)
      << "a Secret of somebody else stays";
  EXPECT_EQ(Stored(kube::kIotClusters, "slicelet", "far"), Json());
  EXPECT_EQ(Stored(kube::kSecrets, "slicelet", "far-kubeconfig")["data"], Json::object());
}

TEST_F(RestTest, NodesAreKnownOfTheHubsOwnCluster) {
  const Answer nodes = Ask("GET", std::string(kClusters) + "/node/home", Viewer());
  EXPECT_EQ(nodes.body, Json::parse(R"([{"name":"gw-1","labels":{"slicelet.io/hub":"plant-7"}}])"));
  Ask("POST", kClusters, Operator(), Registration("far"));
  EXPECT_EQ(Ask("GET", std::string(kClusters) + "/node/far", Viewer()).body["reason"], "ClusterElsewhere");
  EXPECT_EQ(Ask("GET", std::string(kClusters) + "/node/none", Viewer()).status, 404);
}

TEST_F(RestTest, AnEnablerIsAGatewayOrAServer) {
  const Answer made = Ask("POST", kEnabler, Operator(),
                          {{"enablerName", "drill"},
                           {"helmChart", "slicelet/gateway:edgex-4.0-full"},
                           {"vim", "north"},
                           {"auto", true},
                           {"placementPolicy", "worst-fit"},
                           {"additionalParams", {{"target", {{"node", "fleet"}}}}}});
  ASSERT_EQ(made.status, 200) << made.text;
  EXPECT_EQ(made.body["id"], "north.gateway.drill");
  EXPECT_EQ(
      Stored(kube::kIotGateways, "north-ns", "drill")["spec"],
      Json::parse(
          R"({"slice":"north","profile":"edgex-4.0-full","target":{"node":"fleet","placement":"worst-fit"}})"));
  EXPECT_EQ(Ask("POST", kEnabler, Operator(),
                {{"enablerName", "db"}, {"helmChart", "slicelet/server"}, {"vim", "north"}})
                .status,
            200);
  const Answer list = Ask("GET", std::string(kEnabler) + "/instanced", Viewer());
  std::vector<std::string> ids;
  for (const Json& enabler : list.body) ids.push_back(enabler["id"]);
  EXPECT_THAT(ids, testing::ElementsAre("north.gateway.drill", "north.gateway.press", "north.server.db",
                                        "north.server.iot"));

  EXPECT_EQ(
      Ask("POST", std::string(kEnabler) + "/north.gateway.drill/terminate", Operator()).body["suspended"],
      true);
  EXPECT_NE(Stored(kube::kIotGateways, "north-ns", "drill"), Json()) << "the record is kept";
  const Answer volumes = Ask("DELETE", std::string(kEnabler) + "/pv/north.gateway.drill", Operator());
  EXPECT_EQ(volumes.status, 400);
  EXPECT_EQ(volumes.body["reason"], "NoVolumes");
  EXPECT_EQ(Ask("DELETE", std::string(kEnabler) + "/north.gateway.drill", Operator()).status, 200);
  EXPECT_EQ(Stored(kube::kIotGateways, "north-ns", "drill"), Json());
}

TEST_F(RestTest, WhatIsNoEnablerIsRefused) {
  Json order = {{"enablerName", "x"}, {"helmChart", "bitnami/nginx:1.2"}, {"vim", "north"}};
  EXPECT_EQ(Ask("POST", kEnabler, Operator(), order).body["reason"], "ChartsNotSupported");
  order["helmChart"] = "slicelet/lorry";
  EXPECT_EQ(Ask("POST", kEnabler, Operator(), order).status, 404);
  order["helmChart"] = "slicelet/gateway:edgex-9";
  order["additionalParams"] = {{"target", {{"host", "gw-1"}}}};
  EXPECT_EQ(Ask("POST", kEnabler, Operator(), order).body["field"], "additionalParams.profile");
  order["helmChart"] = "slicelet/gateway";
  order["placementPolicy"] = "cheapest";
  EXPECT_EQ(Ask("POST", kEnabler, Operator(), order).body["field"], "additionalParams.target.placement");
  order.erase("placementPolicy");
  order["vim"] = "none";
  EXPECT_EQ(Ask("POST", kEnabler, Operator(), order).status, 404);
  for (const char* id :
       {"x", "north.gateway", "north.lorry.x", "north.gateway.none", "none.gateway.press", "a.b.c.d"}) {
    EXPECT_EQ(Ask("DELETE", std::string(kEnabler) + "/" + id, Operator()).status, 404) << id;
  }
}

TEST_F(RestTest, EnablersOfAClusterAreThoseOfItsSlices) {
  Make(kube::kIotClusters, "slicelet", "far", {{"spec", {{"role", "edge"}, {"kubeconfigSecret", "far"}}}});
  const std::string path = "/compat/v3/api/enabler_cluster/";
  EXPECT_EQ(Ask("GET", path + "home", Viewer()).body.size(), 2U);
  EXPECT_EQ(Ask("GET", path + "far", Viewer()).body.size(), 0U);
  EXPECT_TRUE(server_.cluster()
                  .Patch("test", {kube::kIotSlices, "slicelet", "north", ""}, kube::PatchType::kMerge,
                         {{"spec", {{"edge", {{"cluster", "far"}}}}}})
                  .ok());
  EXPECT_EQ(Ask("GET", path + "far", Viewer()).body[0]["id"], "north.gateway.press");
  EXPECT_EQ(Ask("GET", path + "home", Viewer()).body[0]["id"], "north.server.iot");
  EXPECT_EQ(Ask("GET", path + "none", Viewer()).status, 404);
}

TEST_F(RestTest, WhatCannotBeReachedIsSaidAsThere) {
  const std::string token = Viewer();
  server_.SetDown(true);
  const Answer answer = Ask("GET", kClusters, token);
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body["reason"], "ECONNREFUSED");
}

}  // namespace
}  // namespace slicelet::provider
