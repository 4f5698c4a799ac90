#include <gmock/gmock.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <future>
#include <string>
#include <vector>

#include "common/base/testing/temporary_directory.h"
#include "common/http/http_server.h"
#include "common/loop/asio_loop.h"
#include "common/rpc/testing/test_authority.h"

namespace slicelet::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// An API server of one pod, and slicectl with a kubeconfig for it.
class PodsOfAClusterTest : public testing::Test {
 protected:
  PodsOfAClusterTest() {
    const auto serving = authority_.Issue("apiserver");
    EXPECT_TRUE(server_.SetClientCa(authority_.ca_pem()).ok());
    const auto port = server_.Listen({.name = "api",
                                      .address = "127.0.0.1",
                                      .port = 0,
                                      .certificate_pem = serving.certificate_pem,
                                      .key_pem = serving.key_pem});
    EXPECT_TRUE(port.ok()) << port.status();
    std::ofstream(directory_.File("ca.crt")) << authority_.ca_pem();
    std::ofstream(directory_.File("token")) << "secret\n";
    std::ofstream(directory_.File("kubeconfig"))
        << "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
           "clusters: [{name: c, cluster: {certificate-authority: ca.crt, server: 'https://127.0.0.1:"
        << port.value_or(0)
        << "/base/'}}]\n"
           "users: [{name: u, user: {tokenFile: token}}]\n"
           "contexts: [{name: c, context: {cluster: c, user: u, namespace: shop}}]\n";
  }

  void Handle(const std::shared_ptr<HttpExchange>& exchange) {
    const HttpRequest& request = exchange->request();
    std::string path;
    for (const std::string& segment : request.target.segments) path += "/" + segment;
    for (const auto& [key, value] : request.target.query) path += " " + key + "=" + value;
    asked_.push_back(path);
    std::string authorization;
    for (const auto& [name, value] : request.headers) {
      if (name == "authorization") authorization = value;
    }
    if (authorization != "Bearer secret")
      return exchange->Respond({.status = 401, .body = "who?", .headers = {}});
    if (path == "/base/api/v1/namespaces/shop/pods/web") {
      return exchange->Respond(
          {.body = R"({"spec": {"nodeName": "fleet", "containers": [{"name": "main"}]}})", .headers = {}});
    }
    if (path.starts_with("/base/api/v1/nodes/fleet/proxy/") && forbidden_)
      return exchange->Respond(
          {.status = 403, .body = R"({"message": "nodes \"fleet\" is forbidden"})", .headers = {}});
    exchange->Respond({.body = "a line\n", .headers = {}});
  }

  /// Exit code, then what was printed.
  std::pair<int, std::string> Slicectl(const std::string& arguments) {
    const std::string line = "SLICELET_CONFIG=/nowhere.yaml " SLICECTL " --kubeconfig " +
                             directory_.File("kubeconfig") + " " + arguments + " 2>&1 </dev/null";
    auto result = std::async(std::launch::async, [&] {
      std::pair<int, std::string> ended;
      FILE* pipe = popen(line.c_str(), "r");
      std::array<char, 4'096> buffer{};
      for (std::size_t size = 0; (size = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
        ended.second.append(buffer.data(), size);
      ended.first = WEXITSTATUS(pclose(pipe));
      loop_.Stop();
      return ended;
    });
    loop_.Run();
    return result.get();
  }

  const TestAuthority authority_;
  TemporaryDirectory directory_;
  AsioLoop loop_;
  bool forbidden_ = false;
  std::vector<std::string> asked_;
  HttpServer server_{loop_, {}, [this](const std::shared_ptr<HttpExchange>& exchange) { Handle(exchange); }};
};

TEST_F(PodsOfAClusterTest, LogsAreThePodsOwnAsWithKubectl) {
  const auto [code, text] = Slicectl("logs web --tail 3 -p");
  EXPECT_EQ(code, 0);
  EXPECT_EQ(text, "a line\n");
  EXPECT_THAT(asked_, ElementsAre("/base/api/v1/namespaces/shop/pods/web",
                                  "/base/api/v1/namespaces/shop/pods/web/log previous=true tailLines=3 "
                                  "container=main"));
}

TEST_F(PodsOfAClusterTest, LogsOfOneHostComeThroughTheNode) {
  const auto [code, text] = Slicectl("logs web --host gw-3 -c side --since 1m");
  EXPECT_EQ(code, 0);
  EXPECT_EQ(text, "a line\n");
  EXPECT_EQ(asked_.back(),
            "/base/api/v1/nodes/fleet/proxy/containerLogs/shop/web/side sinceSeconds=60 host=gw-3");
}

TEST_F(PodsOfAClusterTest, WhoMayNotIsToldWhichRightIsMissing) {
  forbidden_ = true;
  const auto [code, text] = Slicectl("logs web --host gw-3");
  EXPECT_EQ(code, 1);
  EXPECT_THAT(text, HasSubstr("nodes \"fleet\" is forbidden"));
  EXPECT_THAT(text, HasSubstr("--host needs a right to nodes/proxy"));
}

TEST_F(PodsOfAClusterTest, ExecCanNotNameAHost) {
  const auto [code, text] = Slicectl("exec web --host gw-3 -- true");
  EXPECT_EQ(code, 1);
  EXPECT_THAT(text, HasSubstr("exec can not name a host through an API server"));
  EXPECT_TRUE(asked_.empty());
}

TEST_F(PodsOfAClusterTest, ACredentialThatIsNotAcceptedIsTold) {
  std::ofstream(directory_.File("token")) << "another";
  const auto [code, text] = Slicectl("logs web");
  EXPECT_EQ(code, 1);
  EXPECT_THAT(text, HasSubstr("who?: the kubeconfig's credential is not accepted"));
}

}  // namespace
}  // namespace slicelet::cli
