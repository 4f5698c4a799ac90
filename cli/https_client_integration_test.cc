#include <gmock/gmock.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <fstream>
#include <future>

#include "cli/https_client.h"
#include "common/base/testing/temporary_directory.h"
#include "common/http/http_server.h"
#include "common/loop/testing/run_until.h"
#include "common/rpc/testing/test_authority.h"

namespace slicelet::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using tcp = boost::asio::ip::tcp;

/// Where an answer comes, however busy the machine is.
constexpr HttpsClient::Options kPatient{.connect = std::chrono::minutes(2),
                                        .answer = std::chrono::minutes(2)};

class HttpsClientTest : public testing::Test {
 protected:
  HttpsClientTest() {
    const auto identity = authority_.Issue("operator", "slicelet:operators");
    config_.ca_path = Write("ca.crt", authority_.ca_pem());
    config_.certificate_path = Write("o.crt", identity.certificate_pem);
    config_.key_path = Write("o.key", identity.key_pem);
  }

  std::string Write(const std::string& file, const std::string& text) {
    const std::string path = directory_.File(file);
    std::ofstream(path) << text;
    return path;
  }
  int Listen(const CertificateAndKey& serving) {
    EXPECT_TRUE(server_.SetClientCa(authority_.ca_pem()).ok());
    const auto port = server_.Listen({.name = "shim",
                                      .address = "127.0.0.1",
                                      .port = 0,
                                      .certificate_pem = serving.certificate_pem,
                                      .key_pem = serving.key_pem});
    EXPECT_TRUE(port.ok()) << port.status();
    return port.value_or(0);
  }
  absl::StatusOr<std::string> Get(int port, const std::string& target, HttpsClient::Options options) {
    const auto client = HttpsClient::Make(config_, options);
    if (!client.ok()) return client.status();
    return (*client)->Get("127.0.0.1:" + std::to_string(port), target);
  }
  /// While the server's loop runs.
  absl::StatusOr<std::string> GetServed(int port, const std::string& target,
                                        HttpsClient::Options options = kPatient) {
    auto result = std::async(std::launch::async, [&] {
      auto answer = Get(port, target, options);
      loop_.Stop();
      return answer;
    });
    loop_.Run();
    return result.get();
  }

  const TestAuthority authority_;
  OperatorConfig config_;
  TemporaryDirectory directory_;
  AsioLoop loop_;
  std::vector<std::shared_ptr<HttpExchange>> held_;
  HttpServer server_{
      loop_, {.handshake_timeout = kPatience}, [this](const std::shared_ptr<HttpExchange>& exchange) {
        const auto& path = exchange->request().target.segments;
        if (path[0] == "hello")
          return exchange->Respond({.body = "hello " + exchange->request().peer.common_name, .headers = {}});
        if (path[0] == "silent") return held_.push_back(exchange);
        exchange->Respond({.status = 404, .body = R"({"message": "pod \"x\" not found"})", .headers = {}});
      }};
};

TEST_F(HttpsClientTest, SpeaksAsTheOperator) {
  const auto answer = GetServed(Listen(authority_.Issue("shim")), "/hello");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(*answer, "hello operator");
}

TEST_F(HttpsClientTest, ErrorsAreTheServersOwnWords) {
  const auto answer = GetServed(Listen(authority_.Issue("shim")), "/nowhere");
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Message(answer.status()), "pod \"x\" not found");
}

TEST_F(HttpsClientTest, AStrangersServerIsNotTrusted) {
  const auto answer = GetServed(Listen(TestAuthority("another CA").Issue("shim")), "/hello");
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(Message(answer.status()), HasSubstr("TLS with the shim at 127.0.0.1:"));
}

TEST_F(HttpsClientTest, SaysWhereNobodyListens) {
  boost::asio::io_context io;
  // Bound and not listening: nobody else gets the port, and nobody is there.
  tcp::socket taken(io, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  const auto answer = Get(taken.local_endpoint().port(), "/hello", kPatient);
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(answer.status()), AllOf(HasSubstr("cannot reach the shim at 127.0.0.1:"),
                                              HasSubstr("refused"), HasSubstr("Is slicelet-shim running?")));
}

TEST_F(HttpsClientTest, APeerThatTakesTheConnectionAndSaysNothingIsGivenUp) {
  boost::asio::io_context io;
  tcp::acceptor silent(io, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  const auto answer = Get(silent.local_endpoint().port(), "/hello",
                          {.connect = std::chrono::seconds(5), .answer = std::chrono::seconds(5)});
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(answer.status()),
              AllOf(HasSubstr("does not answer"), HasSubstr("no answer within 5 s")));
}

TEST_F(HttpsClientTest, AnAnswerThatNeverComesIsGivenUp) {
  const auto answer = GetServed(Listen(authority_.Issue("shim")), "/silent",
                                {.connect = kPatient.connect, .answer = std::chrono::seconds(2)});
  held_.clear();
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(answer.status()), HasSubstr("the shim did not answer: no answer within 2 s"));
}

TEST_F(HttpsClientTest, NamesTheFileThatIsMissing) {
  config_.key_path = directory_.File("nowhere.key");
  EXPECT_THAT(Message(HttpsClient::Make(config_).status()), HasSubstr("nowhere.key"));
}

}  // namespace
}  // namespace slicelet::cli
