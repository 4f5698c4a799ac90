#include "kube/http/rest_client.h"

#include <cpprest/http_client.h>
#include <cpprest/producerconsumerstream.h>
#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl.hpp>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/json/json.h"
#include "common/rest/cpprest.h"
#include "kube/http/answer.h"
#include "kube/http/line_splitter.h"

namespace slicelet::kube {
namespace {

using web::http::http_request;
using web::http::http_response;
using web::http::client::http_client;
using web::http::client::http_client_config;

constexpr std::chrono::seconds kCallTimeout{30};
/// The API server sends a bookmark about once a minute.
constexpr std::chrono::seconds kWatchSilence{150};
constexpr std::size_t kMaxErrorBody = std::size_t{64} << 10;

/// Trusts the configuration's authorities and no others: cpprestsdk has put the system's into the context.
void SetUpTls(boost::asio::ssl::context& context, const std::string& ca_pem,
              const std::shared_ptr<ClientCertificate>& certificate) {
  SSL_CTX_set_cert_store(context.native_handle(), X509_STORE_new());
  boost::system::error_code error;
  if (!ca_pem.empty()) context.add_certificate_authority(boost::asio::buffer(ca_pem), error);
  if (error) throw web::http::http_exception("certificate-authority: " + error.message());
  if (certificate == nullptr) return;
  const auto pem = certificate->Get();
  context.use_certificate_chain(boost::asio::buffer(pem.certificate), error);
  if (error) throw web::http::http_exception("client-certificate: " + error.message());
  context.use_private_key(boost::asio::buffer(pem.key), boost::asio::ssl::context::pem, error);
  if (error) throw web::http::http_exception("client-key: " + error.message());
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

/// Takes the bytes of a response body at the moment the library has read them, instead of queueing them for a
/// reader. Runs on the library's threads, one call at a time.
class Sink : public concurrency::streams::details::basic_producer_consumer_buffer<std::uint8_t> {
 public:
  using Base = concurrency::streams::details::basic_producer_consumer_buffer<std::uint8_t>;
  explicit Sink(std::function<void(std::string_view)> consume) : Base(1), consume_(std::move(consume)) {}

 protected:
  using Base::_putn;
  pplx::task<std::size_t> _putn(const std::uint8_t* bytes, std::size_t count) override {
    consume_({reinterpret_cast<const char*>(bytes), count});
    return pplx::task_from_result(count);
  }

 private:
  std::function<void(std::string_view)> consume_;
};

class SinkHandle : public concurrency::streams::streambuf<std::uint8_t> {
 public:
  explicit SinkHandle(std::shared_ptr<Sink> sink) : streambuf(std::move(sink)) {}
};

}  // namespace

/// Lives on the loop; the library's threads know only the gate and ids.
struct RestClient::Impl : std::enable_shared_from_this<RestClient::Impl> {
  Impl(const KubeConfig& config, Loop& loop)
      : loop(loop),
        gate(std::make_shared<LoopGate>(loop)),
        calls_client(config.server, ConfigOf(config, kCallTimeout)),
        streams_client(config.server, ConfigOf(config, kWatchSilence)) {}

  void Finish(std::uint64_t id, absl::StatusOr<Json> result) {
    const auto it = pending.find(id);
    if (it == pending.end()) return;
    const Callback<Json> done = std::move(it->second);
    pending.erase(it);
    done(std::move(result));
  }

  Loop& loop;
  std::shared_ptr<LoopGate> gate;
  http_client calls_client;
  http_client streams_client;
  pplx::cancellation_token_source cancel;
  std::map<std::uint64_t, Callback<Json>> pending;
  std::uint64_t next_id = 1;
};

RestClient::RestClient(const KubeConfig& config, Loop& loop) {
  LimitCpprestThreads();
  impl_ = std::make_shared<Impl>(config, loop);
}

RestClient::~RestClient() {
  impl_->gate->Close();
  impl_->pending.clear();
  impl_->cancel.cancel();
}

bool RestClient::idle() const { return impl_->pending.empty(); }

void RestClient::Send(const Request& request, Callback<Json> done) {
  const std::uint64_t id = impl_->next_id++;
  impl_->pending.emplace(id, std::move(done));
  const auto finish = [gate = impl_->gate, weak = std::weak_ptr<Impl>(impl_),
                       id](absl::StatusOr<Json> result) {
    auto shared = std::make_shared<absl::StatusOr<Json>>(std::move(result));
    gate->Post([weak, id, shared] {
      if (const auto impl = weak.lock()) impl->Finish(id, std::move(*shared));
    });
  };
  pplx::task<http_response> answer;
  try {
    answer = impl_->calls_client.request(Build(request), impl_->cancel.get_token());
  } catch (const std::exception& e) {
    return finish(absl::InvalidArgumentError(request.target + ": " + e.what()));
  }
  answer
      .then([](const http_response& response) {
        return response.extract_vector().then([response](const std::vector<unsigned char>& bytes) {
          const std::string_view body(reinterpret_cast<const char*>(bytes.data()), bytes.size());
          const absl::Status status =
              StatusOfAnswer(response.status_code(), body, HeaderOf(response, "Retry-After"));
          return status.ok() ? ParseJson(body) : absl::StatusOr<Json>(status);
        });
      })
      .then([finish](const pplx::task<absl::StatusOr<Json>>& parsed) {
        try {
          finish(parsed.get());
        } catch (...) {
          finish(FailureOf(std::current_exception()));
        }
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
    auto sink = std::make_shared<Sink>([state](std::string_view bytes) { state->Consume(bytes); });
    built.set_response_stream(concurrency::streams::ostream(SinkHandle(std::move(sink))));
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
