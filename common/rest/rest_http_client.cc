#include "common/rest/rest_http_client.h"

#include <cpprest/http_client.h>
#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl.hpp>
#include <map>
#include <utility>
#include <vector>

#include "common/rest/answer_body.h"
#include "common/rest/cpprest.h"
#include "common/rest/pending_calls.h"
#include "common/rest/system_authorities.h"

namespace slicelet {
namespace {

using web::http::http_request;
using web::http::http_response;
using web::http::client::http_client;
using web::http::client::http_client_config;

/// Of silence.
constexpr std::chrono::seconds kTimeout{20};
/// Servers that connections are kept to.
constexpr std::size_t kMaxServers = 256;

class RestHttpClient : public HttpClient {
 public:
  RestHttpClient(Loop& loop, std::string ca_pem, RestLimits limits)
      : ca_pem_(std::move(ca_pem)), limits_(limits), calls_(loop, limits.whole) {
    LimitCpprestThreads();
  }

  void Send(const Request& request, Callback<Answer> done) override {
    const auto call = calls_.Begin(std::move(done), request.url + ": the whole answer did not come in time");
    auto body = std::make_shared<BoundedBody>(limits_.answer, call.cancel);
    pplx::task<http_response> response;
    try {
      const web::uri uri(request.url);
      http_request built(request.method);
      built.set_request_uri(uri.resource());
      for (const auto& [name, value] : request.headers) built.headers().add(name, value);
      if (!request.body.empty()) built.set_body(request.body, "application/json");
      built.set_response_stream(BodySink::Stream([body](std::string_view bytes) { body->Consume(bytes); }));
      response =
          ClientFor(uri, request.ca.empty() ? ca_pem_ : request.ca).request(built, call.cancel.get_token());
    } catch (const std::exception& e) {
      return call.finish(absl::InvalidArgumentError(request.url + ": " + e.what()));
    }
    response.then([](const http_response& answered) { return answered.content_ready(); })
        .then([finish = call.finish, body, url = request.url,
               most = limits_.answer](const pplx::task<http_response>& whole) {
          try {
            const http_response answered = whole.get();
            Answer answer{.status = answered.status_code()};
            const auto location = answered.headers().find("Location");
            if (location != answered.headers().end()) answer.location = location->second;
            answer.body = body->Take();
            if (!body->too_large()) return finish(std::move(answer));
          } catch (const std::exception& e) {
            if (!body->too_large()) return finish(absl::UnavailableError(url + ": " + e.what()));
          }
          finish(
              absl::UnavailableError(url + ": the answer is larger than " + std::to_string(most) + " bytes"));
        });
  }

 private:
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
    config.set_ssl_context_callback([ca = ca_pem](boost::asio::ssl::context& context) {
      if (ca.empty()) return TrustSystemAuthorities(context.native_handle());
      SSL_CTX_set_cert_store(context.native_handle(), X509_STORE_new());
      context.add_certificate_authority(boost::asio::buffer(ca));
    });
    return clients_.emplace(key, http_client(uri.authority(), config)).first->second;
  }

  const std::string ca_pem_;
  const RestLimits limits_;
  /// By server and by whom it is trusted through.
  std::map<std::pair<std::string, std::string>, http_client> clients_;
  PendingCalls<Answer> calls_;
};

}  // namespace

std::unique_ptr<HttpClient> MakeRestHttpClient(Loop& loop, const std::string& ca_pem, RestLimits limits) {
  return std::make_unique<RestHttpClient>(loop, ca_pem, limits);
}

}  // namespace slicelet
