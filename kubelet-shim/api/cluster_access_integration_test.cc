#include <gmock/gmock.h>
#include <openssl/ssl.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/json/json.h"
#include "common/rpc/testing/test_authority.h"
#include "kube/object.h"
#include "kube/testing/control_plane.h"
#include "kubelet-shim/api/kubelet_api.h"

namespace slicelet::shim {
namespace {

using kube::Json;
using testing::HasSubstr;
using testing::StartsWith;

const testing::Environment* const kControlPlane = testing::AddGlobalTestEnvironment(new kube::ControlPlane);

class NoPods : public NodePods {
 public:
  [[nodiscard]] std::vector<std::string> Nodes() const override { return {"edge-1"}; }
  [[nodiscard]] std::vector<kube::Json> Pods(const std::string&) const override { return {}; }
  [[nodiscard]] std::vector<kube::Json> RunningPods(const std::string&) const override { return {}; }
  [[nodiscard]] absl::StatusOr<std::string> FindContainer(const std::string&, const std::string&,
                                                          const std::string&, const std::string&,
                                                          const std::string&) const override {
    return absl::NotFoundError("no pod");
  }
};

/// One HTTPS request on a thread of its own, as a scraper makes it.
std::string Get(int port, const std::string& path, const std::string& token) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                                  SSL_CTX_free);
  boost::asio::io_context io;
  boost::asio::ip::tcp::socket socket(io);
  socket.connect({boost::asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port)});
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), SSL_free);
  SSL_set_fd(ssl.get(), socket.native_handle());
  if (SSL_connect(ssl.get()) != 1) return "no TLS";
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: node\r\nConnection: close\r\n" +
                              (token.empty() ? "" : "Authorization: Bearer " + token + "\r\n") + "\r\n";
  SSL_write(ssl.get(), request.data(), static_cast<int>(request.size()));
  std::string answer;
  char data[4'096];
  for (int size = SSL_read(ssl.get(), data, sizeof(data)); size > 0;
       size = SSL_read(ssl.get(), data, sizeof(data))) {
    answer.append(data, static_cast<std::size_t>(size));
  }
  return answer;
}

class ClusterAccessIntegrationTest : public kube::ControlPlaneTest {
 protected:
  void Make(const kube::Resource& resource, const std::string& ns, const std::string& name, Json object) {
    object["metadata"]["name"] = name;
    const auto made = Await<Json>(
        [&](Callback<Json> done) { api->Create({resource, ns, name, ""}, object, std::move(done)); });
    ASSERT_TRUE(made.ok() || absl::IsAlreadyExists(made.status())) << made.status();
  }
  /// Lets a service account of `name` get these subresources of nodes; returns a token of it.
  std::string Token(const std::string& name, const Json& subresources) {
    const kube::Resource roles{"rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false};
    const kube::Resource bindings{"rbac.authorization.k8s.io", "v1", "clusterrolebindings",
                                  "ClusterRoleBinding", false};
    Make(kube::kServiceAccounts, "default", name, {{"metadata", {{"namespace", "default"}}}});
    Make(roles, "", name,
         {{"rules", Json::array({{{"apiGroups", {""}}, {"resources", subresources}, {"verbs", {"get"}}}})}});
    Make(bindings, "", name,
         {{"roleRef", {{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "ClusterRole"}, {"name", name}}},
          {"subjects",
           Json::array({{{"kind", "ServiceAccount"}, {"name", name}, {"namespace", "default"}}})}});
    const auto request = Await<Json>([&](Callback<Json> done) {
      api->Create({kube::kServiceAccounts, "default", name, "token"},
                  {{"apiVersion", "authentication.k8s.io/v1"},
                   {"kind", "TokenRequest"},
                   {"spec", {{"expirationSeconds", 3600}}}},
                  std::move(done));
    });
    EXPECT_TRUE(request.ok()) << request.status();
    for (const Json& subresource : subresources) AwaitAllowed(name, subresource.get<std::string>());
    return request.ok() ? GetString(*request, "/status/token") : "";
  }
  /// The API server's own copy of the rules follows what is written to them.
  void AwaitAllowed(const std::string& name, const std::string& subresource) {
    const kube::Resource reviews{"authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview",
                                 false};
    const Json question = {{"spec",
                            {{"user", "system:serviceaccount:default:" + name},
                             {"resourceAttributes",
                              {{"verb", "get"},
                               {"version", "v1"},
                               {"resource", "nodes"},
                               {"subresource", subresource.substr(subresource.find('/') + 1)},
                               {"name", "edge-1"}}}}}};
    RunUntil([&] {
      const auto review = Await<Json>(
          [&](Callback<Json> done) { api->Create({reviews, "", "", ""}, question, std::move(done)); });
      return review.ok() && GetBool(*review, "/status/allowed");
    });
  }
  std::string Fetch(const std::string& path, const std::string& token) {
    std::atomic<bool> done = false;
    std::string answer;
    std::thread client([&] {
      answer = Get(port_, path, token);
      done = true;
    });
    RunUntil([&] { return done.load(); });
    // A server that did not answer in time closes the connection with its listener.
    if (!done) server_.StopListening("edge-1");
    while (!done)
      static_cast<boost::asio::io_context*>(loop.io_context())->run_one_for(std::chrono::milliseconds(100));
    client.join();
    return answer;
  }
  void SetUp() override {
    const auto serving = authority_.Issue("system:node:edge-1");
    const auto port = server_.Listen({.name = "edge-1",
                                      .address = "127.0.0.1",
                                      .port = 0,
                                      .certificate_pem = serving.certificate_pem,
                                      .key_pem = serving.key_pem});
    ASSERT_TRUE(port.ok()) << port.status();
    port_ = *port;
  }

  const TestAuthority authority_;
  NoPods pods_;
  ClusterAccess access_{loop, *api};
  KubeletApi kubelet_{
      {}, {.loop = loop, .pods = pods_, .open_stream = [] { return nullptr; }, .cluster = &access_}};
  HttpServer server_{loop,
                     {.handshake_timeout = kPatience},
                     [this](const std::shared_ptr<HttpExchange>& exchange) { kubelet_.Handle(exchange); }};
  int port_ = 0;
};

TEST_F(ClusterAccessIntegrationTest, AScraperGetsInWithItsServiceAccountsToken) {
  const auto scraper = Token("scraper", {"nodes/metrics", "nodes/pods"});
  const auto proxy = Token("proxy", {"nodes/proxy"});
  ASSERT_NE(scraper, "");
  EXPECT_THAT(Fetch("/pods", scraper), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Fetch("/pods", proxy), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Fetch("/healthz", proxy), StartsWith("HTTP/1.1 200"));
  const auto refused = Fetch("/containerLogs/default/web/main", scraper);
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(refused, HasSubstr("Forbidden (user=system:serviceaccount:default:scraper, verb=get, "
                                 "resource=nodes, subresource(s)=[proxy])"));
  EXPECT_THAT(Fetch("/containerLogs/default/web/main", proxy), StartsWith("HTTP/1.1 404"));
}

TEST_F(ClusterAccessIntegrationTest, NobodyElseDoes) {
  EXPECT_THAT(Fetch("/pods", ""), StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(Fetch("/pods", "made-up"), StartsWith("HTTP/1.1 401"));
  const auto nobody = Token("nobody", {"nodes/status"});
  EXPECT_THAT(Fetch("/pods", nobody), StartsWith("HTTP/1.1 403"));
}

}  // namespace
}  // namespace slicelet::shim
