#include "kubelet-shim/api/cluster_access.h"

#include <gmock/gmock.h>

#include "common/json/json.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/testing/silent_kube_api.h"

namespace slicelet::shim {
namespace {

using kube::Json;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

/// Knows the token "good" as alice, who may get nodes/metrics of node edge-1 and nodes/proxy of node edge-2.
class FakeReviews : public kube::SilentKubeApi {
 public:
  explicit FakeReviews(Loop& loop) : loop_(loop) {}
  void Create(const kube::ObjectRef& ref, const Json& object, Callback<Json> done) override {
    asked.push_back(ref.resource.kind);
    Json answer = object;
    if (ref.resource.kind == "TokenReview") {
      if (object["spec"]["token"] == "good") {
        answer["status"] = Json::parse(R"({"authenticated": true, "user": {"username": "alice", "uid": "u-1",
          "groups": ["people"], "extra": {"scopes": ["a"]}}})");
      } else {
        answer["status"] = {{"error", "unknown token"}};
      }
    } else {
      last_spec = object["spec"];
      const auto& what = object["spec"]["resourceAttributes"];
      const bool metrics = what["subresource"] == "metrics" && what["name"] == "edge-1";
      const bool proxy = what["subresource"] == "proxy" && what["name"] == "edge-2";
      answer["status"] = {
          {"allowed", object["spec"]["user"] == "alice" && what["verb"] == "get" && (metrics || proxy)}};
    }
    loop_.Post([this, answer, done = std::move(done)] {
      if (down) return done(absl::UnavailableError("down"));
      done(answer);
    });
  }

  std::vector<std::string> asked;
  Json last_spec;
  bool down = false;

 private:
  Loop& loop_;
};

class ClusterAccessTest : public testing::Test {
 protected:
  HttpRequest Request(const std::string& path, const std::string& token, const std::string& node = "edge-1") {
    HttpRequest request;
    request.listener = node;
    request.method = "GET";
    request.target = ParseTarget(path).value();
    if (!token.empty()) request.headers = {{"authorization", "Bearer " + token}};
    return request;
  }
  absl::Status Check(const HttpRequest& request) {
    absl::Status result = absl::UnknownError("not answered");
    access_.Check(request, [&result](const absl::Status& status) { result = status; });
    loop_.RunReady();
    return result;
  }

  SimLoop loop_;
  FakeReviews cluster_{loop_};
  ClusterAccess access_{loop_, cluster_};
};

TEST_F(ClusterAccessTest, ATokensOwnerIsAllowedWhatTheClusterSays) {
  EXPECT_TRUE(Check(Request("/metrics", "good")).ok());
  EXPECT_THAT(cluster_.asked, ElementsAre("TokenReview", "SubjectAccessReview"));
  EXPECT_EQ(cluster_.last_spec["uid"], "u-1");
  EXPECT_EQ(cluster_.last_spec["groups"], Json::array({"people"}));
  EXPECT_EQ(cluster_.last_spec["extra"], Json::parse(R"({"scopes": ["a"]})"));

  const auto refused = Check(Request("/pods", "good"));
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Message(refused),
            "Forbidden (user=alice, verb=get, resource=nodes, subresource(s)=[pods proxy])");
  // Another node, another right.
  EXPECT_TRUE(Check(Request("/pods", "good", "edge-2")).ok());
  auto post = Request("/exec/ns/pod/main", "good", "edge-2");
  post.method = "POST";
  EXPECT_THAT(Message(Check(post)), HasSubstr("verb=create, resource=nodes, subresource(s)=[proxy]"));
}

TEST_F(ClusterAccessTest, AnUnknownOrMissingTokenIsUnauthenticated) {
  EXPECT_EQ(Check(Request("/metrics", "bad")).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Check(Request("/metrics", "")).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(cluster_.asked, ElementsAre("TokenReview"));
}

TEST_F(ClusterAccessTest, AnswersAreRememberedBriefly) {
  Check(Request("/metrics", "good")).IgnoreError();
  Check(Request("/metrics", "good")).IgnoreError();
  Check(Request("/metrics", "bad")).IgnoreError();
  Check(Request("/metrics", "bad")).IgnoreError();
  EXPECT_EQ(cluster_.asked.size(), 3U);
  loop_.Advance(seconds(11));
  Check(Request("/metrics", "good")).IgnoreError();
  EXPECT_EQ(cluster_.asked.size(), 3U);
  Check(Request("/metrics", "bad")).IgnoreError();
  EXPECT_EQ(cluster_.asked.size(), 4U) << "a refusal is soon forgotten";
  loop_.Advance(seconds(61));
  Check(Request("/metrics", "good")).IgnoreError();
  EXPECT_EQ(cluster_.asked.size(), 6U) << "a withdrawn right ends";
}

TEST_F(ClusterAccessTest, WithoutTheApiServerNobodyGetsInAndNothingIsRemembered) {
  cluster_.down = true;
  EXPECT_EQ(Check(Request("/metrics", "good")).code(), absl::StatusCode::kUnavailable);
  cluster_.down = false;
  EXPECT_TRUE(Check(Request("/metrics", "good")).ok());
}

TEST_F(ClusterAccessTest, ACertificatesOwnerNeedsNoTokenReview) {
  auto request = Request("/metrics", "bad");
  request.peer = {.verified = true, .common_name = "alice", .organizations = {"ops"}};
  EXPECT_TRUE(Check(request).ok());
  EXPECT_THAT(cluster_.asked, ElementsAre("SubjectAccessReview"));
  EXPECT_EQ(cluster_.last_spec["groups"], Json::array({"ops", "system:authenticated"}));
}

TEST_F(ClusterAccessTest, MemoryIsBounded) {
  for (std::size_t i = 0; i < ClusterAccess::kMaxRemembered + 1; ++i) {
    Check(Request("/metrics", "token-" + std::to_string(i))).IgnoreError();
  }
  const auto asked = cluster_.asked.size();
  Check(Request("/metrics", "token-1")).IgnoreError();
  EXPECT_EQ(cluster_.asked.size(), asked);
  Check(Request("/metrics", "token-0")).IgnoreError();
  EXPECT_EQ(cluster_.asked.size(), asked + 1) << "the oldest was forgotten";
}

TEST_F(ClusterAccessTest, OnlySoManyWaitAtATime) {
  std::vector<absl::Status> results;
  for (std::size_t i = 0; i < ClusterAccess::kMaxUnderWay + 1; ++i) {
    access_.Check(Request("/metrics", "good"),
                  [&](const absl::Status& status) { results.push_back(status); });
  }
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].code(), absl::StatusCode::kUnavailable);
  loop_.RunReady();
  EXPECT_EQ(results.size(), ClusterAccess::kMaxUnderWay + 1);
  EXPECT_TRUE(Check(Request("/metrics", "good")).ok());
}

struct PathCase {
  const char* path;
  std::vector<std::string> subresources;
};
class Subresources : public testing::TestWithParam<PathCase> {};
TEST_P(Subresources, AreTheKubelets) {
  EXPECT_EQ(SubresourcesOf(ParseTarget(GetParam().path).value()), GetParam().subresources);
}
INSTANTIATE_TEST_SUITE_P(
    Paths, Subresources,
    testing::Values(PathCase{"/metrics", {"metrics"}}, PathCase{"/metrics/cadvisor", {"metrics"}},
                    PathCase{"/stats/summary", {"stats"}}, PathCase{"/logs/x", {"log"}},
                    PathCase{"/healthz/ping", {"healthz", "proxy"}}, PathCase{"/pods", {"pods", "proxy"}},
                    PathCase{"/runningpods/", {"pods", "proxy"}}, PathCase{"/containerLogs/a/b/c", {"proxy"}},
                    PathCase{"/exec/a/b/c", {"proxy"}}, PathCase{"/", {"proxy"}}));

}  // namespace
}  // namespace slicelet::shim
