#include "common/rest/rest_http_client.h"

#include <cpprest/http_client.h>
#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl.hpp>
#include <map>
#include <utility>
#include <vector>

#include "common/rest/cpprest.h"

namespace slicelet {
namespace {

using web::http::http_request;
using web::http::http_response;
using web::http::client::http_client;
using web::http::client::http_client_config;

constexpr std::chrono::seconds kTimeout{20};
/// Lists of things and channels are far below it.
constexpr std::size_t kMaxBodyBytes = std::size_t{4} << 20;
/// Servers that connections are kept to.
constexpr std::size_t kMaxServers = 256;

class RestHttpClient : public HttpClient {
 public:
  RestHttpClient(Loop& loop, std::string ca_pem)
      : shared_(std::make_shared<Shared>(loop)), ca_pem_(std::move(ca_pem)) {
    LimitCpprestThreads();
  }
  ~RestHttpClient() override {
    shared_->gate.Close();
    shared_->pending.clear();
    cancel_.cancel();
  }

  void Send(const Request& request, Callback<Answer> done) override {
    const std::uint64_t id = next_id_++;
    shared_->pending.emplace(id, std::move(done));
    const auto finish = [shared = shared_, id](absl::StatusOr<Answer> answer) {
      auto held = std::make_shared<absl::StatusOr<Answer>>(std::move(answer));
      shared->gate.Post([weak = std::weak_ptr<Shared>(shared), id, held] {
        if (const auto alive = weak.lock()) alive->Finish(id, std::move(*held));
      });
    };
    pplx::task<http_response> response;
    try {
      const web::uri uri(request.url);
      http_request built(request.method);
      built.set_request_uri(uri.resource());
      for (const auto& [name, value] : request.headers) built.headers().add(name, value);
      if (!request.body.empty()) built.set_body(request.body, "application/json");
      response =
          ClientFor(uri, request.ca.empty() ? ca_pem_ : request.ca).request(built, cancel_.get_token());
    } catch (const std::exception& e) {
      return finish(absl::InvalidArgumentError(request.url + ": " + e.what()));
    }
    response
        .then([](const http_response& answered) {
          return answered.extract_vector().then([answered](const std::vector<unsigned char>& bytes) {
            Answer answer{.status = answered.status_code()};
            const auto location = answered.headers().find("Location");
            if (location != answered.headers().end()) answer.location = location->second;
            if (bytes.size() > kMaxBodyBytes) throw web::http::http_exception("the answer is too large");
            answer.body.assign(bytes.begin(), bytes.end());
            return answer;
          });
        })
        .then([finish, url = request.url](const pplx::task<Answer>& whole) {
          try {
            finish(whole.get());
          } catch (const std::exception& e) {
            finish(absl::UnavailableError(url + ": " + e.what()));
          }
        });
  }

 private:
  /// Of the loop, but for the gate.
  struct Shared {
    explicit Shared(Loop& loop) : gate(loop) {}
    void Finish(std::uint64_t id, absl::StatusOr<Answer> answer) {
      const auto it = pending.find(id);
      if (it == pending.end()) return;
      const auto done = std::move(it->second);
      pending.erase(it);
      done(std::move(answer));
    }
    LoopGate gate;
    std::map<std::uint64_t, Callback<Answer>> pending;
  };

  http_client& ClientFor(const web::uri& uri, const std::string& ca_pem) {
    const std::pair<std::string, std::string> key{uri.authority().to_string(), ca_pem};
    const auto it = clients_.find(key);
    if (it != clients_.end()) return it->second;
    if (clients_.size() >= kMaxServers) clients_.clear();
    const bool tls = uri.scheme() == "https";
    http_client_config config;
    config.set_timeout(kTimeout);
    config.set_max_redirects(0);
    config.set_nativehandle_options(
        [tls](web::http::client::native_handle handle) { DisableNagle(handle, tls); });
    if (!ca_pem.empty()) {
      config.set_ssl_context_callback([ca = ca_pem](boost::asio::ssl::context& context) {
        SSL_CTX_set_cert_store(context.native_handle(), X509_STORE_new());
        context.add_certificate_authority(boost::asio::buffer(ca));
      });
    }
    return clients_.emplace(key, http_client(uri.authority(), config)).first->second;
  }

  const std::shared_ptr<Shared> shared_;
  const std::string ca_pem_;
  /// By server and by whom it is trusted through.
  std::map<std::pair<std::string, std::string>, http_client> clients_;
  pplx::cancellation_token_source cancel_;
  std::uint64_t next_id_ = 1;
};

}  // namespace

std::unique_ptr<HttpClient> MakeRestHttpClient(Loop& loop, const std::string& ca_pem) {
  return std::make_unique<RestHttpClient>(loop, ca_pem);
}

}  // namespace slicelet
