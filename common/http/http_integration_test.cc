#include <gmock/gmock.h>

#include <thread>

#include "common/base/testing/temporary_directory.h"
#include "common/http/testing/http_server_fixture.h"
#include "common/http/watched_listener.h"

namespace slicelet {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

TEST_F(HttpServerTest, AnswersRequestsOnOneConnectionAndKnowsTheClient) {
  const auto operator_ = client_authority_.Issue("operator", "slicelet:operators");
  std::vector<std::string> seen;
  handler_ = [&](const auto& exchange) {
    const auto& request = exchange->request();
    EXPECT_EQ(request.address, "127.0.0.1");
    seen.push_back(request.listener + " " + request.method + " " + request.peer.common_name + " " +
                   (request.peer.verified ? request.peer.organizations.at(0) : "nobody") + " " +
                   request.body);
    exchange->Respond({.status = 200, .body = "hello\n", .headers = {}});
  };
  const auto answers = With([&] {
    Client client(port_, &operator_);
    client.Send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    auto first = client.ReadUntil("hello\n");
    client.Send("POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody");
    return std::vector<std::string>{first, client.ReadAll()};
  });
  EXPECT_THAT(seen, ElementsAre("node-1 GET operator slicelet:operators ",
                                "node-1 POST operator slicelet:operators body"));
  EXPECT_THAT(answers[0], StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answers[1], HasSubstr("Connection: close\r\n"));
}

TEST_F(HttpServerTest, DoesNotTrustAnotherAuthorityOrNoCertificate) {
  const auto stranger = authority_.Issue("operator", "slicelet:operators");
  std::vector<bool> verified;
  handler_ = [&](const auto& exchange) {
    verified.push_back(exchange->request().peer.verified);
    exchange->Respond({.status = 401, .body = "Unauthorized", .headers = {}});
  };
  for (const auto* identity : std::vector<const TestAuthority::Issued*>{&stranger, nullptr}) {
    With([&] {
      Client client(port_, identity);
      client.Send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      return client.ReadAll();
    });
  }
  EXPECT_THAT(verified, ElementsAre(false, false));
}

TEST_F(HttpServerTest, StreamsAsItComesAndEndsTheBody) {
  handler_ = [&](const auto& exchange) {
    exchange->StartStream(200, "text/plain");
    exchange->Write("first\n", [exchange](const absl::Status&) {
      exchange->Write("second\n", [exchange](const absl::Status&) { exchange->EndStream(); });
    });
  };
  const auto answers = With([&] {
    Client client(port_, nullptr);
    client.Send("GET /logs HTTP/1.1\r\nHost: x\r\n\r\n");
    auto first = client.ReadUntil("0\r\n\r\n");
    client.Send("GET /logs HTTP/1.0\r\n\r\n");
    return std::vector<std::string>{first, client.ReadAll()};
  });
  EXPECT_THAT(answers[0], EndsWith("\r\n\r\n6\r\nfirst\n\r\n7\r\nsecond\n\r\n0\r\n\r\n"));
  EXPECT_THAT(answers[1], EndsWith("\r\n\r\nfirst\nsecond\n"));
}

TEST_F(HttpServerTest, TellsWhenTheClientGoes) {
  std::shared_ptr<HttpExchange> held;
  bool gone = false;
  handler_ = [&](std::shared_ptr<HttpExchange> exchange) {
    held = std::move(exchange);
    held->StartStream(200, "text/plain");
    held->OnGone([&] {
      gone = true;
      loop_.Stop();
    });
  };
  std::thread client([&] {
    Client client(port_, nullptr);
    client.Send("GET /logs HTTP/1.1\r\nHost: x\r\n\r\n");
    client.ReadUntil("\r\n\r\n");
  });
  loop_.Run();
  client.join();
  EXPECT_TRUE(gone);
}

TEST_F(HttpServerTest, HandsOverTheRawConnectionWithItsHalfClose) {
  std::unique_ptr<RawStream> raw;
  std::string from_client;
  std::function<void()> read = [&] {
    raw->Read([&](const absl::StatusOr<std::string>& data) {
      ASSERT_TRUE(data.ok()) << data.status();
      if (!data->empty()) {
        from_client += *data;
        return read();
      }
      raw->Write("after your end", [&](const absl::Status& status) {
        EXPECT_TRUE(status.ok());
        raw->Close();
      });
    });
  };
  handler_ = [&](const auto& exchange) {
    EXPECT_TRUE(exchange->request().upgrade);
    raw = exchange->Hijack();
    raw->Write("HTTP/1.1 101 Switching Protocols\r\n\r\n", [&](const absl::Status&) { read(); });
  };
  const auto answer = With([&] {
    Client client(port_, nullptr);
    // The early bytes come with the head.
    client.Send("POST /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nearly ");
    client.ReadUntil("\r\n\r\n");
    client.Send("later");
    client.SendEnd();
    return client.ReadAll();
  });
  EXPECT_EQ(from_client, "early later");
  EXPECT_EQ(answer, "after your end");
}

TEST_F(HttpServerTest, CarriesLargeTransfersThroughARawConnection) {
  std::unique_ptr<RawStream> raw;
  std::function<void()> echo = [&] {
    raw->Read([&](absl::StatusOr<std::string> data) {
      ASSERT_TRUE(data.ok()) << data.status();
      if (data->empty()) return raw->Close();
      EXPECT_LE(data->size(), HttpServer::kMaxRawReadBytes);
      raw->Write(std::move(*data), [&](const absl::Status&) { echo(); });
    });
  };
  handler_ = [&](const auto& exchange) {
    raw = exchange->Hijack();
    echo();
  };
  const std::string large(3'000'000, 'x');
  const auto size = With([&] {
    Client client(port_, nullptr);
    client.Send("POST /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n");
    std::size_t received = 0;
    for (std::size_t sent = 0; sent < large.size(); sent += 50'000) {
      client.Send(large.substr(sent, 50'000));
      while (received + 200'000 < sent) received += client.ReadSome().size();
    }
    client.SendEnd();
    return received + client.ReadAll().size();
  });
  EXPECT_EQ(size, large.size());
}

TEST_F(HttpServerTest, AnExchangeThatIsDroppedIsAnError) {
  handler_ = [](const auto&) {};
  const auto answer = With([&] {
    Client client(port_, nullptr);
    client.Send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    return client.ReadAll();
  });
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 500 Internal Server Error\r\n"));
}

TEST_F(HttpServerTest, RefusesWhatIsMalformedOrTooLarge) {
  handler_ = [](const auto&) { FAIL() << "the request reached the handler"; };
  const auto ask = [&](const std::string& request) {
    return With([&] {
      Client client(port_, nullptr);
      client.Send(request);
      return client.ReadUntil("\r\n");
    });
  };
  EXPECT_THAT(ask("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(ask("GET / HTTP/1.1\r\nX: " + std::string(HttpServer::kMaxHeaderBytes, 'x') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
}

TEST_F(HttpServerTest, MayBearLessAndSaySoInItsOwnWay) {
  options_.max_header = 4'096;
  options_.max_body = 10;
  options_.rejection = [](int status, const std::string& message) {
    return HttpResponse{.status = status, .content_type = "application/json", .body = "{" + message + "}"};
  };
  server_ =
      std::make_unique<HttpServer>(loop_, options_, [](const auto&) { FAIL() << "reached the handler"; });
  HttpServerTest::SetUp();
  const auto ask = [&](const std::string& request) {
    return With([&] {
      Client client(port_, nullptr);
      client.Send(request);
      return client.ReadUntil("}");
    });
  };
  const auto body = ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n");
  EXPECT_THAT(body, StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(body, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(body, EndsWith("{request body too large}"));
  EXPECT_THAT(ask("GET / HTTP/1.1\r\nX: " + std::string(4'096, 'x') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
}

TEST_F(HttpServerTest, ClosesConnectionsThatStayIdle) {
  options_.idle_timeout = std::chrono::milliseconds(1);
  server_ = std::make_unique<HttpServer>(loop_, options_, [](const auto&) {});
  HttpServerTest::SetUp();
  const auto answer = With([&] {
    Client client(port_, nullptr);
    return client.ReadAll();
  });
  EXPECT_EQ(answer, "");
}

TEST_F(HttpServerTest, NewConnectionsGetTheNewCertificate) {
  const auto renewed = authority_.Issue("node-1-renewed");
  EXPECT_TRUE(server_->SetCertificate("node-1", renewed.certificate_pem, renewed.key_pem).ok());
  EXPECT_EQ(server_->SetCertificate("node-2", renewed.certificate_pem, renewed.key_pem).code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(server_->SetCertificate("node-1", renewed.certificate_pem, authority_.Issue("x").key_pem).code(),
            absl::StatusCode::kInvalidArgument);
  handler_ = [](const auto& exchange) { exchange->Respond({}); };
  const auto answer = With([&] {
    Client client(port_, nullptr);
    client.Send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    return client.ReadAll();
  });
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(HttpServerTest, AListenerFollowsItsFiles) {
  const TemporaryDirectory directory;
  const auto files = MakeSystemFileSystem();
  const auto write = [&](const TestAuthority::Issued& issued) {
    ASSERT_TRUE(files->WriteAtomically(directory.File("tls.key"), issued.key_pem, 0600).ok());
    ASSERT_TRUE(files->WriteAtomically(directory.File("tls.crt"), issued.certificate_pem, 0644).ok());
  };
  write(authority_.Issue("former"));
  WatchedListener listener(loop_, *files, *server_, std::chrono::milliseconds(10));
  const auto port = listener.Open({.name = "watched", .address = "127.0.0.1"}, directory.File("tls.crt"),
                                  directory.File("tls.key"));
  ASSERT_TRUE(port.ok()) << port.status();
  const auto shown = [&] { return With([&] { return Client(*port, nullptr).ServerName(); }); };
  EXPECT_EQ(shown(), "former");
  write(authority_.Issue("renewed"));
  const auto begin = loop_.Now();
  while (shown() != "renewed") ASSERT_LT(loop_.Now() - begin, kPatience) << "the former is still shown";
  // What is no pair leaves the former in force.
  ASSERT_TRUE(files->WriteAtomically(directory.File("tls.key"), authority_.Issue("x").key_pem, 0600).ok());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(shown(), "renewed");
  WatchedListener other(loop_, *files, *server_);
  EXPECT_THAT(
      Message(other.Open({.name = "other", .address = "127.0.0.1"}, "/nonexistent.crt", "/k").status()),
      HasSubstr("/nonexistent.crt"));
}

TEST_F(HttpServerTest, AddressInUseIsSaid) {
  const auto serving = authority_.Issue("node-2");
  const auto port = server_->Listen({.name = "node-2",
                                     .address = "127.0.0.1",
                                     .port = port_,
                                     .certificate_pem = serving.certificate_pem,
                                     .key_pem = serving.key_pem});
  EXPECT_EQ(port.status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace slicelet
