#include "common/base/encoding.h"
#include "provider/controllers/plan.h"
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

TEST_F(RestTest, AClusterInUseIsNotDeletedUnlessForced) {
  ASSERT_EQ(Ask("POST", kClusters, Operator(), Registration("far")).status, 200);
  const std::string far = std::string(kClusters) + "/far", home = std::string(kClusters) + "/home";
  Answer answer = Ask("DELETE", home, Operator());
  EXPECT_EQ(answer.status, 409) << "the cloud cluster goes last";
  EXPECT_THAT(GetString(answer.body, "/error"), HasSubstr("edge clusters: far"));
  EXPECT_TRUE(server_.cluster()
                  .Patch("test", {kube::kIotSlices, "slicelet", "north", ""}, kube::PatchType::kMerge,
                         {{"spec", {{"edge", {{"cluster", "far"}}}}}})
                  .ok());
  answer = Ask("DELETE", far, Operator());
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(answer.body["reason"], "InUse");
  EXPECT_THAT(GetString(answer.body, "/error"), HasSubstr("IotCluster far: slices use it: north"));
  EXPECT_THAT(GetString(answer.body, "/remedy"), HasSubstr("force"));
  EXPECT_EQ(AskWith({{"force", "false"}}, "DELETE", far, Operator()).status, 409);
  EXPECT_EQ(AskWith({{"force", "yes"}}, "DELETE", far, Operator()).body["field"], "header.force");
  EXPECT_EQ(AskWith({{"force", ""}}, "DELETE", far, Operator()).status, 400);
  EXPECT_EQ(AskWith({{"force", "true"}, {"force", "true"}}, "DELETE", far, Operator()).status, 400);
  EXPECT_NE(Stored(kube::kIotClusters, "slicelet", "far"), Json());
  EXPECT_FALSE(Stored(kube::kIotClusters, "slicelet", "far")["metadata"].contains("annotations"));
  // Held by its finalizer it shows what it was told.
  EXPECT_TRUE(server_.cluster()
                  .Patch("test", {kube::kIotClusters, "slicelet", "far", ""}, kube::PatchType::kMerge,
                         {{"metadata", {{"finalizers", {kFinalizer}}}}})
                  .ok());
  EXPECT_EQ(AskWith({{"force", "true"}}, "DELETE", far, Operator()).status, 200);
  const Json going = Stored(kube::kIotClusters, "slicelet", "far");
  EXPECT_TRUE(GivenUp(going));
  EXPECT_TRUE(kube::BeingDeleted(going));
  EXPECT_EQ(AskWith({{"force", "true"}}, "DELETE", far, Operator()).status, 200) << "it may be repeated";
  EXPECT_EQ(AskWith({{"force", "true"}}, "DELETE", std::string(kClusters) + "/none", Operator()).status, 404);
}

TEST_F(RestTest, NodesAreKnownOfTheHubsOwnCluster) {
  const Answer nodes = Ask("GET", std::string(kClusters) + "/node/home", Viewer());
  EXPECT_EQ(nodes.body, Json::parse(R"([{"name":"gw-1","labels":{"slicelet.io/hub":"plant-7"}}])"));
  Ask("POST", kClusters, Operator(), Registration("far"));
  EXPECT_EQ(Ask("GET", std::string(kClusters) + "/node/far", Viewer()).body["reason"], "ClusterElsewhere")
      << "nobody looks after other clusters";
  EXPECT_EQ(Ask("GET", std::string(kClusters) + "/node/none", Viewer()).status, 404);
}

TEST_F(RestTest, NodesOfAnotherClusterAreAskedThere) {
  ASSERT_EQ(Ask("POST", kClusters, Operator(), Registration("far")).status, 200);
  absl::StatusOr<std::vector<Json>> there = std::vector<Json>{
      {{"metadata", {{"name", "b"}, {"labels", {{"zone", "2"}}}}}}, {{"metadata", {{"name", "a"}}}}};
  hub_.nodes_elsewhere = [&](const Json& cluster, const Callback<std::vector<Json>>& done) {
    EXPECT_EQ(kube::NameOf(cluster), "far");
    done(there);
  };
  EXPECT_EQ(Ask("GET", std::string(kClusters) + "/node/far", Viewer()).body,
            Json::parse(R"([{"name":"a","labels":{}},{"name":"b","labels":{"zone":"2"}}])"));
  there = absl::UnavailableError("Unreachable: nobody answers");
  const Answer away = Ask("GET", std::string(kClusters) + "/node/far", Viewer());
  EXPECT_EQ(away.status, 500) << "as there";
  EXPECT_EQ(away.body["reason"], "ECONNREFUSED");
  EXPECT_EQ(away.body["error"], "IotCluster far cannot be asked: Unreachable: nobody answers");
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
  Answer unknown = Ask("POST", kEnabler, Operator(), order);
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.body["error"], "chart slicelet/gateway has no version edgex-9");
  EXPECT_THAT(GetString(unknown.body, "/remedy"), HasSubstr("edgex-4.0-minimal"));
  for (const char* chart :
       {"slicelet/gateway:", "slicelet/gateway:external", "slicelet/server:edgex-4.0-full", "slicelet/",
        "slicelet/server:mainflux-classic:1"}) {
    order["helmChart"] = chart;
    EXPECT_EQ(Ask("POST", kEnabler, Operator(), order).status, 404) << chart;
  }
  order["additionalParams"]["profile"] = "edgex-9";
  order["helmChart"] = "slicelet/gateway";
  EXPECT_EQ(Ask("POST", kEnabler, Operator(), order).body["field"], "additionalParams.profile")
      << "a spec's own field is no chart's version";
  order["additionalParams"].erase("profile");
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

/// Slice north with nodes of its own, and orders whose place is to be chosen.
class AutomaticEnablerTest : public RestTest {
 protected:
  void Fleet(const std::string& name, const std::string& slice, std::size_t hosts) {
    Make(kube::kNodes, "", name,
         {{"metadata", {{"labels", {{kHubLabel, "plant-7"}, {kSliceLabel, slice}}}}}});
    hosts_[name] = hosts;
  }
  Answer Order(const std::string& chart, const Json& params = nullptr) {
    Json order = {{"enablerName", "x"}, {"helmChart", chart}, {"vim", "north"}, {"auto", true}};
    if (!params.is_null()) order["additionalParams"] = params;
    return Ask("POST", kEnabler, Operator(), order);
  }
  Json Target() { return Stored(kube::kIotGateways, "north-ns", "x")["spec"]["target"]; }
  void CloudNode(const std::string& name) {
    EXPECT_TRUE(server_.cluster()
                    .Patch("test", {kube::kIotSlices, "slicelet", "north", ""}, kube::PatchType::kMerge,
                           {{"spec", {{"cloud", {{"node", name}}}}}})
                    .ok());
  }

  std::map<std::string, std::size_t> hosts_;

  void SetUp() override {
    fleet_hosts_ = [this](const std::string& node,
                          const std::string& condition) -> absl::StatusOr<std::size_t> {
      if (condition == "tags. =") return absl::InvalidArgumentError("column 6: a name is missing");
      const auto it = hosts_.find(node);
      if (it == hosts_.end()) return absl::NotFoundError("no fleet node");
      return it->second;
    };
  }
};

TEST_F(AutomaticEnablerTest, AGatewayGoesToTheOnlyFleetNodeOfItsSlice) {
  Fleet("fleet", "north", 3);
  Fleet("elsewhere", "south", 3);
  Make(kube::kNodes, "", "gw-2",
       {{"metadata", {{"labels", {{kHubLabel, "plant-7"}, {kSliceLabel, "north"}}}}}});
  Make(kube::kEdgeHosts, "slicelet", "gw-2", {{"spec", {{"approved", true}}}});
  const Answer made = Order("slicelet/gateway", {{"target", {{"hosts", 3}}}});
  ASSERT_EQ(made.status, 200) << made.text;
  EXPECT_EQ(Target(), Json::parse(R"({"node":"fleet","placement":"traffic-most","hosts":3})"));
}

TEST_F(AutomaticEnablerTest, MoreReplicasThanHostsAreTooMany) {
  Fleet("fleet", "north", 3);
  const Answer answer = Order("slicelet/gateway", {{"target", {{"hosts", 4}}}});
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body["reason"], "TooManyReplicas");
  EXPECT_EQ(answer.body["field"], "additionalParams.target.hosts");
  EXPECT_THAT(GetString(answer.body, "/error"), HasSubstr("too many replicas: 4 hosts are asked for, and 3"));
  hosts_["fleet"] = 0;
  EXPECT_EQ(Order("slicelet/gateway").body["reason"], "TooManyReplicas") << "one is asked for";
  EXPECT_EQ(Order("slicelet/gateway", {{"target", {{"targetCondition", "tags. ="}}}}).body["field"],
            "additionalParams.target.targetCondition");
  EXPECT_EQ(Stored(kube::kIotGateways, "north-ns", "x"), Json());
}

TEST_F(AutomaticEnablerTest, WhereThereIsNothingToChooseFromItSaysWhatIsMissing) {
  Answer answer = Order("slicelet/gateway");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body["reason"], "NoFleetNode");
  answer = Order("slicelet/gateway", {{"target", {{"host", "gw-1"}}}});
  EXPECT_EQ(answer.body["reason"], "HostNamed");
  Fleet("one", "north", 1);
  Fleet("two", "north", 1);
  answer = Order("slicelet/gateway");
  EXPECT_EQ(answer.body["reason"], "SeveralFleetNodes");
  EXPECT_THAT(GetString(answer.body, "/error"), HasSubstr("one, two"));
  EXPECT_EQ(Order("slicelet/gateway", {{"target", 7}}).body["field"], "additionalParams.target");
  EXPECT_EQ(Order("slicelet/gateway", {{"target", {{"node", "two"}}}}).status, 200);
  EXPECT_EQ(Target()["node"], "two");
}

TEST_F(AutomaticEnablerTest, WithoutAnEdgeItGoesToTheCloud) {
  CloudNode("gw-1");
  EXPECT_EQ(Order("slicelet/gateway", {{"target", {{"hosts", 2}}}}).body["reason"], "TooManyReplicas");
  ASSERT_EQ(Order("slicelet/gateway").status, 200);
  EXPECT_EQ(Target(), Json::parse(R"({"host":"gw-1"})"));
}

TEST_F(AutomaticEnablerTest, AServerIsNotRankedAndGoesToTheCloud) {
  Fleet("fleet", "north", 3);
  EXPECT_EQ(Order("slicelet/server").body["reason"], "NoCloudNode");
  CloudNode("gw-1");
  ASSERT_EQ(Order("slicelet/server").status, 200);
  EXPECT_EQ(Stored(kube::kIotServers, "north-ns", "x")["spec"], Json::parse(R"({"slice":"north"})"));
}

TEST_F(AutomaticEnablerTest, ASliceThatIsNotThereIsSaid) {
  const Answer answer =
      Ask("POST", kEnabler, Operator(),
          {{"enablerName", "x"}, {"helmChart", "slicelet/gateway"}, {"vim", "none"}, {"auto", true}});
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body["error"], "IotSlice none does not exist");
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
