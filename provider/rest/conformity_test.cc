#include <functional>
#include <set>

#include "provider/rest/schema.h"
#include "provider/rest/testing/rest_fixture.h"

namespace slicelet::provider {
namespace {

/// Every route with everything that its document says of it.
class ConformityTest : public RestTest {
 protected:
  ConformityTest() : clean_(server_.cluster().TakeSnapshot()) {}

  /// A body that the route takes.
  static Json BodyOf(const RestRoute& route) {
    static const auto* const kBodies = new std::map<std::string, Json>{
        {"Login", {{"username", "vera"}, {"password", kVerasPassword}}},
        {"IotClusterCreate", {{"name", "fresh"}, {"spec", {{"role", "edge"}}}}},
        {"EdgeHostCreate", {{"name", "fresh"}, {"spec", {{"approved", false}}}}},
        {"IotSliceCreate", {{"name", "fresh"}, {"spec", Json::object()}}},
        {"IotGatewayCreate", {{"name", "fresh"}, {"spec", {{"target", {{"host", "gw-1"}}}}}}},
        {"IotServerCreate", {{"name", "fresh"}, {"spec", {{"profile", "external"}, {"url", "http://x"}}}}},
        {"IotDeviceCreate",
         {{"name", "fresh"},
          {"spec", {{"gateway", "press"}, {"protocol", "virtual"}, {"resources", {{{"name", "t"}}}}}}}},
        {"CompatClusterRegistration",
         {{"name", "fresh"},
          {"credentials",
           {{"clusters", {{{"name", "fresh"}, {"cluster", Json::object()}}}},
            {"contexts", {{{"name", "fresh"}, {"context", Json::object()}}}},
            {"users", {{{"name", "u"}, {"user", Json::object()}}}}}}}},
        {"CompatEnablerOrder",
         {{"enablerName", "fresh"},
          {"helmChart", "slicelet/gateway"},
          {"vim", "north"},
          {"additionalParams", {{"target", {{"host", "gw-1"}}}}}}},
    };
    if (route.request.empty()) return nullptr;
    const auto it = kBodies->find(route.request);
    return it == kBodies->end() ? Json{{"spec", Json::object()}} : it->second;
  }

  /// A path that leads to something, or with `absent` to nothing; "" when it has nothing that may be absent.
  static std::string PathOf(const RestRoute& route, bool absent = false) {
    static const auto* const kNames = new std::map<std::string, std::string>{
        {"clusters", "home"},  {"hosts", "gw-1"},  {"slices", "north"},
        {"gateways", "press"}, {"servers", "iot"}, {"devices", "oven"}};
    const std::map<std::string, std::string> values = {
        {"slice", "north"},
        {"namespace", "north-ns"},
        {"pod", "press-0"},
        {"cluster", "home"},
        {"enabler", "north.gateway.press"},
        {"id", "x"},
        {"name", kNames->contains(route.tag) ? kNames->at(route.tag) : ""}};
    std::string path = route.path;
    std::string last;
    for (const auto& [name, value] : values) {
      const auto at = path.find("{" + name + "}");
      if (at == std::string::npos) continue;
      path.replace(at, name.size() + 2, value);
    }
    if (!absent) return path;
    const auto end = route.path.rfind('}');
    if (end == std::string::npos) return "";
    const auto begin = route.path.rfind('{');
    path = route.path;
    path.replace(begin, end - begin + 1, "nothing");
    for (const auto& [name, value] : values) {
      const auto at = path.find("{" + name + "}");
      if (at != std::string::npos) path.replace(at, name.size() + 2, value);
    }
    return path;
  }

  Answer Good(const RestRoute& route, const std::string& token) {
    return Ask(route.method, PathOf(route), token, BodyOf(route));
  }
  Answer WithFault(const RestRoute& route, const absl::Status& status, bool writes_only) {
    const std::string& token = Operator();
    server_.faults().before = [&](const kube::KubeCall& call) -> absl::Status {
      const bool write = call.verb != kube::Verb::kGet && call.verb != kube::Verb::kList;
      return write || !writes_only ? status : absl::OkStatus();
    };
    return Good(route, token);
  }

  /// An answer with that status, as somebody may meet it.
  Answer Provoke(const RestRoute& route, int status) {
    const bool open = route.access == Access::kEverybody;
    switch (status) {
      case 400:
        return Ask(route.method, PathOf(route) + "?bogus=1", Operator(), BodyOf(route));
      case 401:
        return open ? Ask(route.method, route.path, "", {{"username", "vera"}, {"password", "no"}})
                    : Good(route, "");
      case 403:
        return route.access == Access::kOperator ? Good(route, Viewer())
                                                 : WithFault(route, absl::PermissionDeniedError("no"), false);
      case 404:
        if (const std::string path = PathOf(route, true); !path.empty()) {
          return Ask(route.method, path, Operator(), BodyOf(route));
        }
        return WithFault(route, absl::NotFoundError("no"), true);
      case 409:
        return WithFault(route, absl::AbortedError("changed"), true);
      case 413:
        return Ask(route.method, PathOf(route), Operator(), std::string(AdminRest::kMaxBody + 1, ' '),
                   "application/json");
      case 415:
        return Ask(route.method, PathOf(route), Operator(), BodyOf(route).dump(), "text/plain");
      case 422:
        return WithFault(route, absl::FailedPreconditionError("X \"x\" is invalid: spec: no"), true);
      case 429:
        for (int i = 0; i < 100; ++i) {
          const Answer answer = open ? Provoke(route, 401) : Ask("GET", "/v1/nothing", Operator());
          if (answer.status == 429) return open ? answer : Good(route, Operator());
        }
        return {};
      case 500:
      case 503: {
        const std::string& token = Operator();
        server_.SetDown(true);
        return Good(route, token);
      }
      case 501:
        hub_.standalone = true;
        return Good(route, Operator());
      default:
        return Good(route, Operator());
    }
  }

  /// As new, a while later.
  void Renew() {
    server_.SetDown(false);
    server_.faults() = {};
    server_.Restore(clean_);
    hub_.standalone = false;
    ForgetTokens();
    loop_.Advance(std::chrono::minutes(10));
  }

  void ExpectDocumented(const RestRoute& route, const Answer& answer) {
    const bool good = answer.status == route.success;
    const std::string schema = good ? route.answer : "Error";
    if (schema.empty()) {
      EXPECT_TRUE(answer.text.empty()) << route.id;
      return;
    }
    const auto problems =
        CheckValue({{"$ref", "#/components/schemas/" + schema}}, answer.body, "", rest_->components());
    for (const Violation& problem : problems) {
      ADD_FAILURE() << route.id << " " << answer.status << ": " << problem.field << " " << problem.problem;
    }
  }

  const kube::MemoryCluster::Snapshot clean_;
};

TEST_F(ConformityTest, EveryDocumentedStatusCanBeMetAndFitsItsSchema) {
  for (const RestRoute& route : rest_->routes()) {
    std::set<int> statuses = RefusalsOf(route);
    if (route.success != 0) statuses.insert(route.success);
    for (const int status : statuses) {
      Renew();
      const Answer answer = Provoke(route, status);
      EXPECT_EQ(answer.status, status) << route.id << ": " << answer.text;
      ExpectDocumented(route, answer);
      const bool again = status == 429 || status == 503;
      EXPECT_TRUE(!again || answer.headers.contains("Retry-After")) << route.id << " " << status;
    }
  }
}

TEST_F(ConformityTest, AMethodThatAPathDoesNotHaveIsAnsweredWithThoseItHas) {
  for (const char* method : {"PUT", "DELETE", "TRACE", "POST"}) {
    const Answer answer = Ask(method, "/openapi.json", Operator());
    EXPECT_EQ(answer.status, 405);
    EXPECT_EQ(answer.headers.at("Allow"), "GET");
  }
  EXPECT_EQ(Ask("PUT", "/v1/slices/north", Operator()).headers.at("Allow"), "GET, PATCH, DELETE");
  // An enabler could have this name, but the path is that of the list.
  EXPECT_EQ(Ask("DELETE", "/compat/v3/api/enabler/instanced", Operator()).headers.at("Allow"), "GET");
}

TEST_F(ConformityTest, TheDocumentHoldsEveryRouteAndRefersToNothingThatIsNotThere) {
  const Answer answer = Ask("GET", "/openapi.json", Viewer());
  ASSERT_EQ(answer.status, 200);
  std::set<std::string> ids;
  for (const auto& [path, methods] : answer.body["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      EXPECT_TRUE(ids.insert(operation["operationId"]).second) << path;
      std::set<std::string> declared;
      for (const Json& parameter : operation["parameters"]) {
        if (parameter["in"] == "path") declared.insert(parameter["name"]);
      }
      for (auto at = path.find('{'); at != std::string::npos; at = path.find('{', at + 1)) {
        EXPECT_TRUE(declared.contains(path.substr(at + 1, path.find('}', at) - at - 1))) << path;
      }
    }
  }
  EXPECT_EQ(ids.size(), rest_->routes().size());
  const std::function<void(const Json&)> follow = [&](const Json& part) {
    if (!part.is_structured()) return;
    if (part.is_object() && part.contains("$ref") && part["$ref"].is_string()) {
      const std::string ref = part["$ref"];
      EXPECT_NE(FindJson(answer.body, ref.substr(1)), nullptr) << ref;
    }
    for (const Json& inner : part) follow(inner);
  };
  follow(answer.body);
}

}  // namespace
}  // namespace slicelet::provider
