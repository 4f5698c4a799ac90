#include <gmock/gmock.h>
#include <openssl/sha.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <future>
#include <string>
#include <vector>

#include "common/base/encoding.h"
#include "common/base/testing/temporary_directory.h"
#include "common/http/http_server.h"
#include "common/loop/asio_loop.h"
#include "common/rpc/testing/test_authority.h"

namespace slicelet::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// A command in a container, as an API server shows it: it prints how much it got of its input once that
/// ended, or, where the subprotocol knows no end, once it has four bytes; then it exits with 3.
class RemoteCommand {
 public:
  RemoteCommand(const std::shared_ptr<HttpExchange>& exchange, const std::string& subprotocol)
      : ends_(subprotocol == "v5.channel.k8s.io") {
    const std::string key =
        exchange->request().Header("sec-websocket-key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
    SHA1(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
    client_ = exchange->Hijack();
    Write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Accept: " +
        Base64Encode({reinterpret_cast<const char*>(digest.data()), digest.size()}) +
        "\r\nSec-WebSocket-Protocol: " + subprotocol + "\r\n\r\n");
    Read();
  }

 private:
  void Write(std::string bytes) {
    client_->Write(std::move(bytes), [](const absl::Status&) {});
  }
  void Message(char channel, const std::string& data) {
    Write("\x82" + std::string(1, static_cast<char>(data.size() + 1)) + channel + data);
  }
  void Read() {
    client_->Read([this](const absl::StatusOr<std::string>& bytes) {
      if (!bytes.ok() || bytes->empty()) return client_->Close();
      arrived_ += *bytes;
      while (TakeMessage()) {
      }
      Read();
    });
  }
  /// Short ones, masked, one frame each.
  bool TakeMessage() {
    const std::size_t size = arrived_.size() < 6 ? 0 : arrived_[1] & 0x7f;
    if (arrived_.size() < 6 + size) return false;
    if (arrived_[0] == '\x82') {
      std::string message = arrived_.substr(6, size);
      for (std::size_t at = 0; at < size; ++at) message[at] ^= arrived_[2 + at % 4];
      if (message == std::string("\xff\0", 2)) End();
      if (message[0] == 0) input_ += message.substr(1);
      if (!ends_ && input_.size() == 4) End();
    }
    arrived_.erase(0, 6 + size);
    return true;
  }
  void End() {
    Message(1, std::to_string(input_.size()) + " bytes\n");
    // The end may come in pieces.
    Message(3, R"({"status":"Failure","details":)");
    Message(3, R"({"causes":[{"reason":"ExitCode","message":"3"}]}})");
    Write("\x88\x02\x03\xe8");
  }

  const bool ends_;
  std::unique_ptr<RawStream> client_;
  std::string arrived_, input_;
};

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
    // A few words. NOLINTNEXTLINE(performance-inefficient-string-concatenation)
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
    if (path.starts_with("/base/api/v1/namespaces/shop/pods/web/exec")) {
      offered_ = request.Header("sec-websocket-protocol");
      command_ = std::make_unique<RemoteCommand>(exchange, subprotocol_);
      return;
    }
    exchange->Respond({.body = "a line\n", .headers = {}});
  }

  /// Exit code, then what was printed.
  std::pair<int, std::string> Slicectl(const std::string& arguments, const std::string& input = "") {
    const std::string line = (input.empty() ? "" : "printf '" + input + "' | ") +
                             "SLICELET_CONFIG=/nowhere.yaml " SLICECTL " --kubeconfig " +
                             directory_.File("kubeconfig") + " " + arguments + " 2>&1" +
                             (input.empty() ? " </dev/null" : "");
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
  /// What exec is answered with, and what slicectl offered.
  std::string subprotocol_ = "v5.channel.k8s.io";
  std::string offered_;
  std::unique_ptr<RemoteCommand> command_;
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

TEST_F(PodsOfAClusterTest, ExecTellsThatTheInputEnded) {
  const auto [code, text] = Slicectl("exec -i web -- count", "a\\nb\\n");
  EXPECT_EQ(code, 3);
  EXPECT_EQ(text, "4 bytes\n");
  EXPECT_EQ(offered_, "v5.channel.k8s.io, v4.channel.k8s.io");
}

TEST_F(PodsOfAClusterTest, ExecTellsThatThereIsNoInput) {
  EXPECT_EQ(Slicectl("exec -i web -- count"), std::pair(3, std::string("0 bytes\n")));
}

TEST_F(PodsOfAClusterTest, ExecWithAServerThatKnowsNoEndOfInputLeavesItToTheCommand) {
  subprotocol_ = "v4.channel.k8s.io";
  const auto [code, text] = Slicectl("exec -i web -- count", "a\\nb\\n");
  EXPECT_EQ(code, 3);
  EXPECT_THAT(text, HasSubstr("4 bytes\n"));
}

TEST_F(PodsOfAClusterTest, ACredentialThatIsNotAcceptedIsTold) {
  std::ofstream(directory_.File("token")) << "another";
  const auto [code, text] = Slicectl("logs web");
  EXPECT_EQ(code, 1);
  EXPECT_THAT(text, HasSubstr("who?: the kubeconfig's credential is not accepted"));
}

}  // namespace
}  // namespace slicelet::cli
