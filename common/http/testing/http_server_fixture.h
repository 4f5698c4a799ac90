#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <string>
#include <utility>

#include "common/http/http_server.h"
#include "common/loop/testing/run_beside.h"
#include "common/loop/testing/run_until.h"
#include "common/rpc/testing/test_authority.h"

namespace slicelet {

/// A blocking TLS client, used on a thread of its own.
class Client {
 public:
  Client(int port, const TestAuthority::Issued* identity)
      : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    // OpenSSL writes to a server that may have hung up, which must not end the test program.
    std::signal(SIGPIPE, SIG_IGN);
    if (identity != nullptr) {
      BIO* certificate = BIO_new_mem_buf(identity->certificate_pem.data(), -1);
      BIO* key = BIO_new_mem_buf(identity->key_pem.data(), -1);
      X509* x509 = PEM_read_bio_X509(certificate, nullptr, nullptr, nullptr);
      EVP_PKEY* pkey = PEM_read_bio_PrivateKey(key, nullptr, nullptr, nullptr);
      SSL_CTX_use_certificate(context_.get(), x509);
      SSL_CTX_use_PrivateKey(context_.get(), pkey);
      X509_free(x509);
      EVP_PKEY_free(pkey);
      BIO_free(certificate);
      BIO_free(key);
    }
    socket_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{std::chrono::duration_cast<std::chrono::seconds>(kPatience).count(), 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    ok_ = connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), socket_);
    ok_ = ok_ && SSL_connect(ssl_.get()) == 1;
  }
  ~Client() { close(socket_); }
  /// Goes without a word.
  void Reset() {
    const linger none{1, 0};
    setsockopt(socket_, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    close(std::exchange(socket_, -1));
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// The CN of the certificate that the server shows.
  std::string ServerName() {
    const std::unique_ptr<X509, decltype(&X509_free)> shown(SSL_get1_peer_certificate(ssl_.get()), X509_free);
    char name[64] = "";
    if (shown)
      X509_NAME_get_text_by_NID(X509_get_subject_name(shown.get()), NID_commonName, name, sizeof(name));
    return name;
  }
  void Send(const std::string& text) { SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())); }
  /// Ends our direction of TLS; reading goes on.
  void SendEnd() { SSL_shutdown(ssl_.get()); }
  /// "" at the end.
  std::string ReadSome() {
    char data[4'096];
    const int size = SSL_read(ssl_.get(), data, sizeof(data));
    return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : "";
  }
  std::string ReadUntil(const std::string& end) {
    std::string all;
    while (all.find(end) == std::string::npos) {
      const auto some = ReadSome();
      if (some.empty()) break;
      all += some;
    }
    return all;
  }
  std::string ReadAll() {
    std::string all;
    for (auto some = ReadSome(); !some.empty(); some = ReadSome()) all += some;
    return all;
  }

 private:
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, SSL_free};
  int socket_ = -1;
  bool ok_ = false;
};

/// One listener, served on the loop.
class HttpServerTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_->SetClientCa(client_authority_.ca_pem()).ok());
    const auto serving = authority_.Issue("node-1");
    const auto port = server_->Listen({.name = "node-1",
                                       .address = "127.0.0.1",
                                       .port = 0,
                                       .certificate_pem = serving.certificate_pem,
                                       .key_pem = serving.key_pem});
    ASSERT_TRUE(port.ok()) << port.status();
    port_ = *port;
  }

  /// Runs `talk` on a thread while the loop serves it.
  template <typename Talk>
  auto With(Talk talk) {
    return RunBeside(loop_, talk);
  }

  AsioLoop loop_;
  TestAuthority authority_;
  TestAuthority client_authority_{"client CA"};
  HttpServer::Handler handler_;
  HttpServer::Options options_{.handshake_timeout = kPatience};
  std::unique_ptr<HttpServer> server_ = std::make_unique<HttpServer>(
      loop_, options_, [this](std::shared_ptr<HttpExchange> exchange) { handler_(std::move(exchange)); });
  int port_ = 0;
};

}  // namespace slicelet
