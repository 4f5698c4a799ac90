#include "kube/http/rest_client.h"

#include <cpprest/http_client.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl.hpp>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/json/json.h"
#include "common/rest/answer_body.h"
#include "common/rest/cpprest.h"
#include "common/rest/pending_calls.h"
#include "kube/http/answer.h"
#include "kube/http/line_splitter.h"

namespace slicelet::kube {
namespace {

using web::http::http_request;
using web::http::http_response;
using web::http::client::http_client;
using web::http::client::http_client_config;

/// Of silence.
constexpr std::chrono::seconds kCallTimeout{30};
/// The API server sends a bookmark about once a minute.
constexpr std::chrono::seconds kWatchSilence{150};
constexpr std::size_t kMaxErrorBody = std::size_t{64} << 10;

/// Whatever OpenSSL does not take is told with the field it came from.
void Take(const char* field, const std::function<void()>& set) {
  try {
    set();
  } catch (const boost::system::system_error& e) {
    throw web::http::http_exception(std::string(field) + ": " + e.code().message());
  }
}

/// Trusts the configuration's authorities and no others: cpprestsdk has put the system's into the context.
void SetUpTls(boost::asio::ssl::context& context, const std::string& ca_pem,
              const std::shared_ptr<ClientCertificate>& certificate) {
  using boost::asio::buffer;
  SSL_CTX_set_cert_store(context.native_handle(), X509_STORE_new());
  if (!ca_pem.empty())
    Take("certificate-authority", [&] { context.add_certificate_authority(buffer(ca_pem)); });
  if (certificate == nullptr) return;
  const auto pem = certificate->Get();
  Take("client-certificate", [&] { context.use_certificate_chain(buffer(pem.certificate)); });
  Take("client-key", [&] { context.use_private_key(buffer(pem.key), boost::asio::ssl::context::pem); });
}

http_client_config ConfigOf(const KubeConfig& config, std::chrono::seconds timeout) {
  http_client_config result;
  result.set_timeout(timeout);
  result.set_validate_certificates(!config.insecure_skip_tls_verify);
  result.set_ssl_context_callback(
      [ca = config.ca_pem, certificate = config.certificate](boost::asio::ssl::context& context) {
        SetUpTls(context, ca, certificate);
      });
  result.set_nativehandle_options(
      [tls = config.server.rfind("https:", 0) == 0](web::http::client::native_handle handle) {
        DisableNagle(handle, tls);
      });
  return result;
}

http_request Build(const RestClient::Request& request) {
  http_request built(request.method);
  built.set_request_uri(web::uri(request.target));
  auto& headers = built.headers();
  headers.add("Accept", "application/json");
  headers.add("User-Agent", "slicelet/" SLICELET_VERSION);
  if (!request.token.empty()) headers.add("Authorization", "Bearer " + request.token);
  if (!request.body.empty()) built.set_body(request.body, request.content_type);
  return built;
}

std::string HeaderOf(const http_response& response, const char* name) {
  const auto it = response.headers().find(name);
  return it == response.headers().end() ? std::string() : it->second;
}

/// What went wrong, when no answer came.
absl::Status FailureOf(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const pplx::task_canceled&) {
    return absl::CancelledError("cancelled");
  } catch (const std::exception& e) {
    return absl::UnavailableError(e.what());
  }
}

}  // namespace

struct RestClient::Impl {
  /// With what it took of its budget.
  struct Answer {
    Json json;
    std::size_t size = 0;
  };

  Impl(const KubeConfig& config, Loop& loop)
      : loop(loop),
        max_answer(config.max_answer),
        calls_client(config.server, ConfigOf(config, kCallTimeout)),
        streams_client(config.server, ConfigOf(config, kWatchSilence)),
        calls(loop, config.call_deadline) {}

  Loop& loop;
  const std::size_t max_answer;
  http_client calls_client;
  http_client streams_client;
  PendingCalls<Answer> calls;
};

RestClient::RestClient(const KubeConfig& config, Loop& loop) {
  LimitCpprestThreads();
  impl_ = std::make_unique<Impl>(config, loop);
}

RestClient::~RestClient() = default;

bool RestClient::idle() const { return impl_->calls.empty(); }

void RestClient::Send(const Request& request, Callback<Json> done) {
  const auto call = impl_->calls.Begin(
      [budget = request.budget, done = std::move(done)](absl::StatusOr<Impl::Answer> answer) {
        if (!answer.ok()) return done(answer.status());
        if (budget != nullptr) *budget -= std::min(*budget, answer->size);
        done(std::move(answer->json));
      },
      "the whole answer did not come in time");
  const std::size_t most = request.budget != nullptr ? *request.budget : impl_->max_answer;
  auto body = std::make_shared<BoundedBody>(most, call.cancel);
  pplx::task<http_response> answer;
  try {
    http_request built = Build(request);
    built.set_response_stream(BodySink::Stream([body](std::string_view bytes) { body->Consume(bytes); }));
    answer = impl_->calls_client.request(built, call.cancel.get_token());
  } catch (const std::exception& e) {
    return call.finish(absl::InvalidArgumentError(request.target + ": " + e.what()));
  }
  answer.then([](const http_response& response) { return response.content_ready(); })
      .then([finish = call.finish, body, most](const pplx::task<http_response>& whole) {
        absl::Status status;
        try {
          const http_response response = whole.get();
          const std::string text = body->Take();
          status = StatusOfAnswer(response.status_code(), text, HeaderOf(response, "Retry-After"));
          if (status.ok() && !body->too_large()) {
            auto json = ParseJson(text);
            if (!json.ok()) return finish(json.status());
            return finish(Impl::Answer{*std::move(json), text.size()});
          }
        } catch (...) {
          status = FailureOf(std::current_exception());
        }
        if (body->too_large())
          status =
              absl::ResourceExhaustedError("the answer is larger than " + std::to_string(most) + " bytes");
        finish(status);
      });
}

namespace {

/// What the library's threads and the loop share of one stream.
struct StreamState {
  explicit StreamState(Loop& loop) : gate(loop) {}

  /// On a library thread.
  void Consume(std::string_view bytes) {
    const std::lock_guard lock(mutex);
    if (!head_seen) {
      early.append(bytes);
      return;
    }
    Parse(bytes);
  }

  /// On a library thread, when the head of the response has been read; body bytes may have come before.
  void SeeHead(int code, std::string retry) {
    const std::lock_guard lock(mutex);
    head_seen = true;
    http_code = code;
    retry_after = std::move(retry);
    const std::string held = std::exchange(early, {});
    Parse(held);
  }

  absl::Status FinalStatus() {
    const std::lock_guard lock(mutex);
    if (!failure.ok()) return failure;
    return http_code == 200 ? absl::OkStatus() : StatusOfAnswer(http_code, error_body, retry_after);
  }

  void Parse(std::string_view bytes) {
    if (bytes.empty() || !failure.ok()) return;
    if (http_code != 200) {
      if (error_body.size() < kMaxErrorBody) error_body.append(bytes);
      return;
    }
    auto objects = std::make_shared<std::vector<Json>>();
    absl::Status status = splitter.Feed(bytes, [&](std::string_view line) {
      auto object = ParseJson(line);
      if (object.ok())
        objects->push_back(*std::move(object));
      else if (failure.ok())
        failure = WithContext(object.status(), "watch");
    });
    if (failure.ok()) failure = std::move(status);
    if (!objects->empty()) {
      gate.Post([self = weak.lock(), objects] {
        // Held here, because the listener may close the stream from inside.
        const auto listener = self == nullptr ? nullptr : self->handler;
        if (listener != nullptr && listener->on_objects) listener->on_objects(*objects);
      });
    }
    if (!failure.ok()) cancel.cancel();
  }

  LoopGate gate;
  std::weak_ptr<StreamState> weak;
  pplx::cancellation_token_source cancel;
  std::mutex mutex;
  bool head_seen = false;
  int http_code = 0;
  std::string retry_after;
  std::string early;
  std::string error_body;
  LineSplitter splitter;
  absl::Status failure;
  /// Of the loop. Null when nobody listens any more.
  std::shared_ptr<RestClient::StreamHandler> handler;
};

class HttpStream : public RestClient::Stream {
 public:
  explicit HttpStream(std::shared_ptr<StreamState> state) : state_(std::move(state)) {}
  ~HttpStream() override {
    state_->handler = nullptr;
    state_->gate.Close();
    state_->cancel.cancel();
  }

 private:
  std::shared_ptr<StreamState> state_;
};

}  // namespace

std::unique_ptr<RestClient::Stream> RestClient::Open(const Request& request, StreamHandler handler) {
  auto state = std::make_shared<StreamState>(impl_->loop);
  state->weak = state;
  state->handler = std::make_shared<StreamHandler>(std::move(handler));
  auto stream = std::make_unique<HttpStream>(state);
  const auto end = [state](const absl::Status& status) {
    state->gate.Post([state, status] {
      const auto listener = std::exchange(state->handler, nullptr);
      if (listener != nullptr && listener->on_end) listener->on_end(status);
    });
  };
  pplx::task<http_response> answer;
  try {
    http_request built = Build(request);
    built.set_response_stream(BodySink::Stream([state](std::string_view bytes) { state->Consume(bytes); }));
    answer = impl_->streams_client.request(built, state->cancel.get_token());
  } catch (const std::exception& e) {
    end(absl::InvalidArgumentError(request.target + ": " + e.what()));
    return stream;
  }
  answer
      .then([state](const http_response& response) {
        state->SeeHead(response.status_code(), HeaderOf(response, "Retry-After"));
        return response.content_ready();
      })
      .then([state, end](const pplx::task<http_response>& whole) {
        try {
          whole.get();
          end(state->FinalStatus());
        } catch (...) {
          const absl::Status broken = FailureOf(std::current_exception());
          const absl::Status known = state->FinalStatus();
          end(known.ok() ? broken : known);
        }
      });
  return stream;
}

}  // namespace slicelet::kube
