#include "provider/controllers/plan.h"
#include "provider/rest/testing/rest_fixture.h"

namespace slicelet::provider {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> Names(const Json& list) {
  std::vector<std::string> names;
  for (const Json& item : list["items"]) names.push_back(item["name"].get<std::string>());
  return names;
}

TEST_F(RestTest, ObjectsAreReadAsKubernetesHasThem) {
  const Answer answer = Ask("GET", "/v1/slices/north/gateways/press", Viewer());
  ASSERT_EQ(answer.status, 200) << answer.text;
  const Json stored = Stored(kube::kIotGateways, "north-ns", "press");
  EXPECT_EQ(answer.body["name"], "press");
  EXPECT_EQ(answer.body["slice"], "north");
  EXPECT_EQ(answer.body["namespace"], "north-ns");
  EXPECT_EQ(answer.body["uid"], stored["metadata"]["uid"]);
  EXPECT_EQ(answer.body["resourceVersion"], stored["metadata"]["resourceVersion"]);
  EXPECT_EQ(answer.body["spec"], stored["spec"]);
  EXPECT_EQ(answer.body["deleting"], false);
  EXPECT_THAT(Names(Ask("GET", "/v1/hosts", Viewer()).body), ElementsAre("gw-1"));
  EXPECT_THAT(Names(Ask("GET", "/v1/slices/north/devices", Viewer()).body), ElementsAre("oven"));
}

TEST_F(RestTest, WhatIsOfAnotherHubIsNotThere) {
  Make(kube::kNamespaces, "", "foreign",
       {{"metadata", {{"labels", {{kHubLabel, "other"}, {kSliceLabel, "north"}}}}}});
  Make(kube::kNamespaces, "", "plain", Json::object());
  for (const char* ns : {"foreign", "plain"})
    Make(kube::kIotGateways, ns, "theirs", {{"spec", {{"slice", "north"}}}});
  EXPECT_THAT(Names(Ask("GET", "/v1/gateways", Viewer()).body), ElementsAre("press"));
  EXPECT_EQ(Ask("GET", "/v1/slices/north/gateways/theirs", Viewer()).status, 404);
  EXPECT_EQ(Ask("DELETE", "/v1/slices/north/gateways/theirs", Operator()).status, 404);
}

TEST_F(RestTest, ListsAreSortedAndComeInPages) {
  MakeSlice("south", "a-south");
  for (const char* name : {"c", "a", "b"})
    Make(kube::kIotGateways, "a-south", name, {{"spec", {{"slice", "south"}}}});
  const std::string token = Viewer();
  EXPECT_THAT(Names(Ask("GET", "/v1/gateways", token).body), ElementsAre("a", "b", "c", "press"));
  std::vector<std::string> all;
  std::string path = "/v1/gateways?limit=2";
  for (int pages = 0; pages < 5 && !path.empty(); ++pages) {
    const Answer page = Ask("GET", path, token);
    ASSERT_EQ(page.status, 200) << page.text;
    for (const std::string& name : Names(page.body)) all.push_back(name);
    const std::string next = GetString(page.body, "/continue");
    path = next.empty() ? "" : "/v1/gateways?limit=2&continue=" + next;
    if (pages > 0) continue;
    EXPECT_TRUE(server_.cluster().Delete("test", {kube::kIotGateways, "a-south", "b", ""}, {}).ok());
  }
  EXPECT_THAT(all, ElementsAre("a", "b", "c", "press")) << "what goes meanwhile moves nothing else";
  EXPECT_FALSE(Ask("GET", "/v1/gateways?limit=3", token).body.contains("continue"));
}

TEST_F(RestTest, ObjectsAreMadeChangedAndDeleted) {
  const std::string token = Operator();
  const std::string path = "/v1/slices/north/gateways";
  const Answer made =
      Ask("POST", path, token, {{"name", "drill"}, {"spec", {{"target", {{"host", "gw-1"}}}}}});
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(Stored(kube::kIotGateways, "north-ns", "drill")["spec"],
            Json::parse(R"({"slice":"north","target":{"host":"gw-1"}})"));
  EXPECT_EQ(Ask("POST", path, token, {{"name", "drill"}, {"spec", {{"target", {{"host", "gw-1"}}}}}}).status,
            409);

  const Answer changed = Ask("PATCH", path + "/drill", token,
                             {{"spec", {{"suspended", true}, {"attachTo", "iot"}}},
                              {"resourceVersion", made.body["resourceVersion"]}});
  ASSERT_EQ(changed.status, 200) << changed.text;
  EXPECT_EQ(changed.body["spec"]["suspended"], true);
  EXPECT_EQ(Ask("PATCH", path + "/drill", token, {{"spec", {{"attachTo", nullptr}}}})
                .body["spec"]
                .contains("attachTo"),
            false);
  const Answer late =
      Ask("PATCH", path + "/drill", token,
          {{"spec", {{"suspended", false}}}, {"resourceVersion", made.body["resourceVersion"]}});
  EXPECT_EQ(late.status, 409);
  EXPECT_EQ(late.body["reason"], "Conflict");

  EXPECT_EQ(Ask("DELETE", path + "/drill", token).status, 202);
  EXPECT_EQ(Stored(kube::kIotGateways, "north-ns", "drill"), Json());
  EXPECT_EQ(Ask("GET", path + "/drill", token).status, 404);
}

TEST_F(RestTest, WhatNeverComesBackIsGivenUpOn) {
  const std::string token = Operator();
  const std::string path = "/v1/slices/north/gateways/press";
  EXPECT_TRUE(server_.cluster()
                  .Patch("test", {kube::kIotGateways, "north-ns", "press", ""}, kube::PatchType::kMerge,
                         {{"metadata", {{"finalizers", {kFinalizer}}}}})
                  .ok());
  EXPECT_EQ(Ask("DELETE", path + "?giveUp=yes", token).body["field"], "query.giveUp");
  EXPECT_EQ(Ask("DELETE", path + "?giveUp=false", token).status, 202);
  EXPECT_FALSE(GivenUp(Stored(kube::kIotGateways, "north-ns", "press")));
  EXPECT_EQ(Ask("DELETE", path + "?giveUp=true", token).status, 202) << "also of what is being deleted";
  EXPECT_TRUE(GivenUp(Stored(kube::kIotGateways, "north-ns", "press")));
  EXPECT_EQ(Ask("DELETE", "/v1/hosts/gw-1?giveUp=true", token).status, 202);
  EXPECT_EQ(Stored(kube::kEdgeHosts, "slicelet", "gw-1"), Json());
  EXPECT_EQ(Ask("DELETE", "/v1/hosts/none?giveUp=true", token).status, 404);
}

TEST_F(RestTest, GivingUpOnOneObjectDeletesNoLaterOneOfItsName) {
  bool replaced = false;
  server_.faults().before = [&, this](const kube::KubeCall& call) -> absl::Status {
    if (call.verb != kube::Verb::kDelete || std::exchange(replaced, true)) return absl::OkStatus();
    // Somebody is faster, and makes another one.
    EXPECT_TRUE(server_.cluster().Delete("test", call.ref, {}).ok());
    Make(kube::kEdgeHosts, "slicelet", "gw-1", {{"spec", {{"approved", false}}}});
    return absl::OkStatus();
  };
  EXPECT_EQ(Ask("DELETE", "/v1/hosts/gw-1?giveUp=true", Operator()).status, 409);
  EXPECT_NE(Stored(kube::kEdgeHosts, "slicelet", "gw-1"), Json());
}

TEST_F(RestTest, ASliceWithoutANamespaceHasNothingYet) {
  Make(kube::kIotSlices, "slicelet", "late", {{"spec", Json::object()}});
  const Answer list = Ask("GET", "/v1/slices/late/gateways", Operator());
  EXPECT_EQ(list.status, 200);
  EXPECT_EQ(list.body, Json::parse(R"({"items":[]})"));
  EXPECT_EQ(Ask("GET", "/v1/slices/late/gateways/x", Operator()).status, 404);
  const Answer made = Ask("POST", "/v1/slices/late/gateways", Operator(),
                          {{"name", "x"}, {"spec", {{"target", {{"host", "gw-1"}}}}}});
  EXPECT_EQ(made.status, 409);
  EXPECT_EQ(made.body["reason"], "SliceNotReady");
  const Answer none = Ask("GET", "/v1/slices/none/gateways", Operator());
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(none.body["error"], "IotSlice none does not exist");
}

TEST_F(RestTest, WhatKubernetesRefusesIsPassedOnWithItsField) {
  const std::string token = Operator();
  server_.faults().before = [](const kube::KubeCall& call) -> absl::Status {
    if (call.verb != kube::Verb::kCreate) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "IotGateway.slicelet.io \"x\" is invalid: spec.target: Invalid value: \"object\": give host or node");
  };
  const Json body = {{"name", "x"}, {"spec", {{"target", Json::object()}}}};
  const Answer answer = Ask("POST", "/v1/slices/north/gateways", token, body);
  EXPECT_EQ(answer.status, 422);
  EXPECT_EQ(answer.body["field"], "spec.target");
  EXPECT_THAT(answer.body["error"].get<std::string>(), HasSubstr("give host or node"));
  server_.faults().before = [](const kube::KubeCall& call) -> absl::Status {
    return call.verb == kube::Verb::kCreate ? absl::PermissionDeniedError("exceeded quota: slicelet-slice")
                                            : absl::OkStatus();
  };
  EXPECT_EQ(Ask("POST", "/v1/slices/north/gateways", token, body).body["reason"], "ForbiddenByKubernetes");
  server_.faults().before = nullptr;
  server_.SetDown(true);
  const Answer down = Ask("GET", "/v1/hosts", token);
  EXPECT_EQ(down.status, 503);
  EXPECT_EQ(down.headers.at("Retry-After"), "5");
  EXPECT_EQ(down.body["reason"], "KubernetesUnavailable");
}

TEST_F(RestTest, ADirectoryOfManifestsHasHostsToReadAndNothingElse) {
  hub_.standalone = true;
  EXPECT_EQ(Ask("GET", "/v1/hosts", Operator()).status, 200);
  for (const auto& [method, path] :
       std::vector<std::pair<std::string, std::string>>{{"GET", "/v1/clusters"},
                                                        {"GET", "/v1/slices/north"},
                                                        {"GET", "/v1/gateways"},
                                                        {"GET", "/v1/slices/north/gateways"},
                                                        {"GET", "/v1/workloads"},
                                                        {"GET", "/compat/v3/api/k8sclusters"},
                                                        {"DELETE", "/v1/hosts/gw-1"}}) {
    const Answer answer = Ask(method, path, Operator());
    EXPECT_EQ(answer.status, 501) << path;
    EXPECT_EQ(answer.body["reason"], "NeedsKubernetes") << path;
  }
}

struct BadInput {
  std::string method, path;
  std::string body;
  int status;
  std::string field, why;
};

TEST_F(RestTest, BadInputIsNamed) {
  const std::string gateways = "/v1/slices/north/gateways", press = gateways + "/press";
  const std::string long_text(10'000, 'x');
  const std::vector<BadInput> table = {
      {"GET", "/v1/hosts?limit=0", "", 400, "query.limit", "less than 1"},
      {"GET", "/v1/hosts?limit=501", "", 400, "query.limit", "more than 500"},
      {"GET", "/v1/hosts?limit=ten", "", 400, "query.limit", "not of type integer"},
      {"GET", "/v1/hosts?limit=1&limit=2", "", 400, "query.limit", "given twice"},
      {"GET", "/v1/hosts?continue=zz", "", 400, "query.continue", "does not match"},
      {"GET", "/v1/hosts?watch=true", "", 400, "query.watch", "unknown"},
      {"GET", "/v1/hosts/No_Name", "", 400, "path.name", "does not match"},
      {"GET", "/v1/hosts/" + std::string(64, 'a'), "", 400, "path.name", "more than 63"},
      {"GET", "/v1/hosts/..%2f..", "", 400, "path.name", "does not match"},
      {"GET", "/v1/slices/a,b/gateways", "", 400, "path.slice", "does not match"},
      {"GET", "/v1/workloads/kube-system/a%20b", "", 400, "path.pod", "does not match"},
      {"GET", "/compat/v3/api/k8sclusters/A", "", 400, "path.cluster", "does not match"},
      {"POST", "/v1/login", R"({"username":"a"})", 400, "password", "is missing"},
      {"POST", "/v1/login", R"({"username":"","password":"x"})", 400, "username", "fewer than 1"},
      {"POST", "/v1/login", R"({"username":1,"password":"x"})", 400, "username", "not of type string"},
      {"POST", "/v1/login", R"({"username":"a","password":"x","otp":1})", 400, "otp", "is unknown"},
      {"POST", gateways, "", 415, "content-type", "not application/json"},
      {"POST", gateways, "{", 400, "body", "parse"},
      {"POST", gateways, "[]", 400, "body", "not of type object"},
      {"POST", gateways, R"({"name":"a","name":"b","spec":{}})", 400, "body", "name"},
      {"POST", gateways, R"({"name":"A","spec":{"target":{}}})", 400, "name", "does not match"},
      {"POST", gateways, R"({"name":"a"})", 400, "spec", "is missing"},
      {"POST", gateways, R"({"name":"a","spec":{}})", 400, "spec.target", "is missing"},
      {"POST", gateways, R"({"name":"a","spec":{"target":{},"slice":"south"}})", 400, "spec.slice",
       "is unknown"},
      {"POST", gateways, R"({"name":"a","spec":{"target":{"hots":"x"}}})", 400, "spec.target.hots",
       "is unknown; known: host, hosts"},
      {"POST", gateways, R"({"name":"a","spec":{"target":{"host":5}}})", 400, "spec.target.host",
       "is 5, not of type string"},
      {"POST", gateways, R"({"name":"a","spec":{"target":{"host":"x","hosts":0}}})", 400, "spec.target.hosts",
       "less than 1"},
      {"POST", gateways, R"({"name":"a","spec":{"target":{},"profile":"edgex-9"}})", 400, "spec.profile",
       "not one of"},
      {"POST", gateways, R"({"name":"a","spec":{"target":{},"attachTo":")" + long_text + "\"}}", 400,
       "spec.attachTo", "more than 63"},
      {"POST", gateways, R"({"name":"a","spec":{"target":{},"images":{"x":1}}})", 400, "spec.images.x",
       "not of type string"},
      {"POST", gateways, R"({"name":"a","spec":{"target":{},"imagePullSecrets":["a",2]}})", 400,
       "spec.imagePullSecrets[1]", "not of type string"},
      {"PATCH", press, R"({})", 400, "spec", "is missing"},
      {"PATCH", press, R"({"spec":{"suspended":"yes"}})", 400, "spec.suspended", "not of type boolean"},
      {"PATCH", press, R"({"spec":{"target":{"hots":null}}})", 400, "spec.target.hots", "is unknown"},
      {"PATCH", press, R"({"spec":{"slice":"south"}})", 400, "spec.slice", "is unknown"},
      {"PATCH", press, R"({"spec":{},"metadata":{}})", 400, "metadata", "is unknown"},
      {"PATCH", "/v1/hosts/gw-1", R"({"spec":{"tags":{"a":1}}})", 400, "spec.tags.a", "not of type string"},
      {"POST", "/v1/clusters", R"({"name":"a","spec":{"role":"moon"}})", 400, "spec.role", "not one of"},
      {"POST", "/v1/slices", R"({"name":"a","spec":{"quota":{"cpu":"lots"}}})", 400, "spec.quota.cpu",
       "does not match"},
      {"POST", "/v1/slices/north/servers", R"({"name":"a","spec":{"url":"ftp://x"}})", 400, "spec.url",
       "does not match"},
      {"POST", "/v1/slices/north/devices",
       R"({"name":"a","spec":{"gateway":"g","protocol":"rest","resources":[]}})", 400, "spec.resources",
       "fewer than 1"},
      {"POST", "/v1/slices/north/devices",
       R"({"name":"a","spec":{"gateway":"g","protocol":"rest","resources":[{}]}})", 400,
       "spec.resources[0].name", "is missing"},
      {"POST", "/compat/v3/api/enabler", R"({"enablerName":"a","helmChart":"slicelet/gateway"})", 400, "vim",
       "is missing"},
  };
  const auto before = server_.cluster().version();
  for (const BadInput& row : table) {
    loop_.Advance(std::chrono::seconds(30));
    const Answer answer = Ask(row.method, row.path, Operator(), row.body, "application/json");
    EXPECT_EQ(answer.status, row.status) << row.path << " " << row.body << ": " << answer.text;
    EXPECT_EQ(GetString(answer.body, "/field"), row.field) << row.path << " " << row.body;
    EXPECT_THAT(GetString(answer.body, "/error"), HasSubstr(row.why)) << row.path << " " << row.body;
    EXPECT_LT(answer.text.size(), 2'000U) << "what was sent is not sent back whole";
  }
  EXPECT_EQ(server_.cluster().version(), before) << "nothing was written";
}

}  // namespace
}  // namespace slicelet::provider
