// Whatever types a request's members have, it is answered, and nobody is told that the hub has failed.

#include "common/json/testing/mutations.h"
#include "provider/rest/testing/rest_fixture.h"

namespace slicelet::provider {
namespace {

TEST_F(RestTest, AnyTypeOfABodysMemberIsAnswered) {
  const std::string compat = "/compat/v3/api/";
  const std::string slice = "/v1/slices/north/";
  struct Request {
    std::string method, path;
    Json body;
  };
  const std::vector<Request> requests = {
      {"POST", "/v1/hosts", {{"name", "gw-2"}, {"spec", {{"approved", true}, {"tags", {{"a", "b"}}}}}}},
      {"POST",
       slice + "gateways",
       {{"name", "drill"},
        {"spec",
         {{"profile", "custom"},
          {"target", {{"host", "gw-1"}}},
          {"images", {{"a", "b"}}},
          {"template",
           {{"spec", {{"containers", Json::array({Json({{"name", "a"}, {"image", "b"}})})}}}}}}}}},
      {"PATCH", slice + "gateways/press", {{"spec", {{"suspended", true}, {"attachTo", "iot"}}}}},
      {"POST",
       compat + "k8sclusters",
       {{"name", "far"},
        {"description", "a cluster"},
        {"credentials",
         {{"clusters", Json::array({Json({{"name", "far"}, {"cluster", {{"server", "https://x"}}}})})},
          {"contexts", Json::array({Json({{"name", "far"}, {"context", {{"cluster", "far"}}}})})},
          {"users", Json::array({Json({{"name", "u"}, {"user", {{"token", "t"}}}})})}}}}},
      {"POST",
       compat + "enabler",
       {{"enablerName", "drill"},
        {"helmChart", "slicelet/gateway:edgex-4.0-full"},
        {"vim", "north"},
        {"auto", true},
        {"placementPolicy", "worst-fit"},
        {"additionalParams", {{"target", {{"node", "fleet"}}}}}}},
      // The last: who fails too often has to wait, and is told so.
      {"POST", "/v1/login", {{"username", "vera"}, {"password", "x"}}}};
  for (const Request& request : requests) {
    int refused = 0;
    for (const Mutation& mutation : MutationsOf(request.body)) {
      Answer answer;
      EXPECT_NO_THROW(answer = Ask(request.method, request.path,
                                   request.path == "/v1/login" ? "" : Operator(), mutation.object))
          << request.path << " " << mutation.what;
      EXPECT_NE(answer.status, 500) << request.path << " " << mutation.what << ": " << answer.text;
      EXPECT_NE(answer.status, 0) << request.path << " " << mutation.what;
      refused += answer.status >= 400 ? 1 : 0;
    }
    EXPECT_GT(2 * refused, kMutationsEach) << request.path;
  }
}

}  // namespace
}  // namespace slicelet::provider
