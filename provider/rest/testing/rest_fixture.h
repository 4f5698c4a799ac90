#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/testing/fake_clock.h"
#include "common/base/testing/fake_file_system.h"
#include "common/http/url.h"
#include "common/json/json.h"
#include "common/log/log.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/object.h"
#include "kube/testing/memory_kube_api.h"
#include "provider/controllers/settings.h"
#include "provider/rest/admin_rest.h"

namespace slicelet::provider {

/// Tries passwords on the loop, after a moment.
class LoopChecker final : public PasswordChecker {
 public:
  explicit LoopChecker(Loop& loop) : loop_(loop) {}
  bool Check(std::string password, std::string hash, std::function<void(bool)> done) override {
    if (full) return false;
    loop_.Post([password = std::move(password), hash = std::move(hash), done = std::move(done)] {
      done(IsPassword(password, hash));
    });
    return true;
  }
  bool full = false;

 private:
  Loop& loop_;
};

/// The admin API of hub "plant-7" on an API server in memory. Slice north has a gateway, a server, a device
/// and a pod; users are vera, a viewer, and otto, an operator. Everything that is logged is kept.
class RestTest : public testing::Test {
 public:
  ~RestTest() override { SetLogSink(nullptr); }

 protected:
  static constexpr char kVerasPassword[] = "v-secret-1";
  static constexpr char kOttosPassword[] = "o-secret-2";

  struct Answer {
    int status = 0;
    Json body;
    std::map<std::string, std::string> headers;
    std::string text;
  };

  RestTest() {
    SetLogSink([this](LogLevel, const std::string& line) { log_.push_back(line); });
    WriteUsers("vera:viewer:" + Hash(kVerasPassword) + "\notto:operator:" + Hash(kOttosPassword) + "\n");
    EXPECT_TRUE(users_.Read(loop_.Now()).ok());
    Fill();
    AdminRestOptions options;
    options.token_lifetime = std::chrono::days(30);
    auto made = AdminRest::Make(
        options, {.loop = loop_, .random = random_, .users = users_, .passwords = passwords_, .hub = hub_});
    EXPECT_TRUE(made.ok()) << made.status();
    rest_ = *std::move(made);
  }

  static std::string Hash(const std::string& password) {
    SeededRandom random(7);
    return *HashPassword(password, random, {.log_n = 4, .r = 1, .p = 1});
  }
  void WriteUsers(const std::string& text) { files_.Put("/users", {.data = text}); }

  void Make(const kube::Resource& kind, const std::string& ns, const std::string& name, const Json& object) {
    const auto made = server_.cluster().Create("test", {kind, ns, name, ""}, object);
    EXPECT_TRUE(made.ok()) << made.status();
  }
  void MakeSlice(const std::string& name, const std::string& ns) {
    Make(kube::kIotSlices, "slicelet", name, {{"spec", Json::object()}});
    Make(kube::kNamespaces, "", ns,
         {{"metadata", {{"labels", {{kHubLabel, "plant-7"}, {kSliceLabel, name}}}}}});
  }
  void MakePod(const std::string& ns, const std::string& name, const std::string& node, const Json& owner) {
    Json pod = {{"metadata", {{"labels", {{"pod-template-hash", "abc12"}}}}},
                {"spec",
                 {{"nodeName", node},
                  {"containers",
                   {{{"name", "main"}, {"image", "i"}, {"env", {{{"name", "X"}, {"value", "hidden"}}}}}}}}}};
    if (!owner.is_null()) pod["metadata"]["ownerReferences"] = Json::array({owner});
    Make(kube::kPods, ns, name, pod);
  }

  void Fill() {
    Make(kube::kEdgeHosts, "slicelet", "gw-1", {{"spec", {{"approved", true}}}});
    Make(kube::kIotClusters, "slicelet", "home", {{"spec", {{"role", "cloud"}}}});
    Make(kube::kNodes, "", "gw-1", {{"metadata", {{"labels", {{kHubLabel, "plant-7"}}}}}});
    Make(kube::kNodes, "", "strange", {{"metadata", {{"labels", {{kHubLabel, "other"}}}}}});
    MakeSlice("north", "north-ns");
    Make(kube::kIotGateways, "north-ns", "press",
         {{"spec", {{"slice", "north"}, {"target", {{"host", "gw-1"}}}}}});
    Make(kube::kIotServers, "north-ns", "iot", {{"spec", {{"slice", "north"}}}});
    Make(kube::kIotDevices, "north-ns", "oven",
         {{"spec", {{"gateway", "press"}, {"protocol", "virtual"}, {"resources", {{{"name", "t"}}}}}}});
    MakePod("north-ns", "press-0", "gw-1",
            {{"kind", "ReplicaSet"}, {"name", "press-abc12"}, {"controller", true}});
    MakePod("north-ns", "stray", "strange", nullptr);
  }

  using Headers = std::vector<std::pair<std::string, std::string>>;
  Answer AskWith(const Headers& headers, const std::string& method, const std::string& path,
                 const std::string& token) {
    return Ask(method, path, token, "", "", headers);
  }
  Answer Ask(const std::string& method, const std::string& path, const std::string& token,
             const std::string& body, const std::string& type, const Headers& headers = {}) {
    HttpRequest request;
    request.method = method;
    request.address = address_;
    const auto target = ParseTarget(path);
    EXPECT_TRUE(target.ok()) << path;
    request.target = *target;
    if (!token.empty()) request.headers.emplace_back("authorization", "Bearer " + token);
    request.headers.insert(request.headers.end(), headers.begin(), headers.end());
    if (!body.empty()) {
      request.body = body;
      request.headers.emplace_back("content-type", type);
    }
    std::optional<HttpResponse> response;
    rest_->Handle(request, [&](HttpResponse answer) {
      EXPECT_FALSE(response.has_value()) << "answered twice";
      response = std::move(answer);
    });
    loop_.RunUntil([&] { return response.has_value(); }, std::chrono::minutes(2));
    EXPECT_TRUE(response.has_value()) << method << " " << path << " was not answered";
    if (!response) return {};
    Answer answer{response->status, Json(), {}, response->body};
    answer.headers.insert(response->headers.begin(), response->headers.end());
    if (!response->body.empty()) answer.body = Json::parse(response->body);
    return answer;
  }
  Answer Ask(const std::string& method, const std::string& path, const std::string& token,
             const Json& body = nullptr) {
    return Ask(method, path, token, body.is_null() ? "" : body.dump(), "application/json");
  }
  Answer Login(const std::string& user, const std::string& password) {
    return Ask("POST", "/v1/login", "", {{"username", user}, {"password", password}});
  }
  const std::string& Viewer() { return Token(viewer_, "vera", kVerasPassword); }
  const std::string& Operator() { return Token(operator_, "otto", kOttosPassword); }

  /// Whoever asks next logs in anew.
  void ForgetTokens() {
    viewer_.clear();
    operator_.clear();
  }

  /// null when there is none.
  Json Stored(const kube::Resource& kind, const std::string& ns, const std::string& name) {
    const kube::StoredObject found = server_.cluster().Peek(kind, ns, name);
    return found == nullptr ? Json() : *found;
  }
  bool Logged(const std::string& text) const {
    for (const std::string& line : log_) {
      if (line.find(text) != std::string::npos) return true;
    }
    return false;
  }

  std::vector<std::string> log_;
  SimLoop loop_;
  FakeClock clock_{loop_};
  SeededRandom random_{1};
  kube::MemoryApiServer server_{loop_, clock_, random_};
  std::unique_ptr<kube::KubeApi> api_ = server_.ApiAs("provider");
  FakeFileSystem files_;
  UsersFile users_{files_, "/users"};
  LoopChecker passwords_{loop_};
  RestHub hub_{.kube = *api_,
               .hub_id = "plant-7",
               .ns = "slicelet",
               .pod_hosts = [](const v1::PodHostsRequest& request) -> absl::StatusOr<v1::PodHostsReply> {
                 if (request.name() != "press-0") return absl::NotFoundError("no such pod");
                 v1::PodHostsReply reply;
                 auto* entry = reply.add_entries();
                 entry->set_host("gw-1");
                 entry->set_connected(true);
                 entry->mutable_status()->set_phase(v1::PHASE_RUNNING);
                 return reply;
               },
               .explain_pod = [this](const v1::ExplainPodRequest& request) { return explain_(request); },
               .fleet_hosts = [this](const std::string& node,
                                     const std::string& condition) { return fleet_hosts_(node, condition); }};
  std::function<absl::StatusOr<std::size_t>(const std::string& node, const std::string& condition)>
      fleet_hosts_ =
          [](const std::string&, const std::string&) { return absl::NotFoundError("no fleet node"); };
  std::function<absl::StatusOr<v1::ExplainPodReply>(const v1::ExplainPodRequest&)> explain_ =
      [](const v1::ExplainPodRequest&) { return absl::NotFoundError("it is on none of this hub's nodes"); };
  std::unique_ptr<AdminRest> rest_;
  std::string address_ = "192.0.2.1";

 private:
  const std::string& Token(std::string& token, const char* user, const char* password) {
    if (token.empty()) token = GetString(Login(user, password).body, "/token");
    EXPECT_FALSE(token.empty());
    return token;
  }
  std::string viewer_, operator_;
};

}  // namespace slicelet::provider
