#include "edge-agent/edgex/asio_edgex_client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <utility>

namespace slicelet::agent {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr auto kTimeout = std::chrono::seconds(10);
/// A list of a thousand devices is below it.
constexpr std::uint64_t kMostBodyBytes = std::uint64_t{4} << 20;

/// One request, from the first packet to the callback. Keeps itself alive while something is under way.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(asio::io_context& context, const EdgexClient::Endpoint& endpoint,
           const EdgexClient::Request& request, std::weak_ptr<bool> alive, Callback<EdgexClient::Answer> done)
      : resolver_(context),
        stream_(context),
        endpoint_(endpoint),
        alive_(std::move(alive)),
        done_(std::move(done)) {
    request_.method_string(request.method);
    request_.target(request.target);
    request_.version(11);
    request_.set(http::field::host, endpoint.host);
    request_.set(http::field::content_type, "application/json");
    request_.set(http::field::connection, "close");
    request_.body() = request.body;
    request_.prepare_payload();
    parser_.body_limit(kMostBodyBytes);
  }

  void Start() {
    stream_.expires_after(kTimeout);
    ErrorCode no_address;
    const auto address = asio::ip::make_address(endpoint_.host, no_address);
    // A pod's address, which need not wait for those who look up names.
    if (!no_address) {
      return Connect(tcp::resolver::results_type::create(
          tcp::endpoint(address, static_cast<std::uint16_t>(endpoint_.port)), endpoint_.host, ""));
    }
    resolver_.async_resolve(endpoint_.host, std::to_string(endpoint_.port),
                            [self = shared_from_this()](const ErrorCode& error, const auto& found) {
                              if (error) return self->Fail(error);
                              self->Connect(found);
                            });
  }

 private:
  void Connect(const tcp::resolver::results_type& found) {
    stream_.async_connect(found, [self = shared_from_this()](const ErrorCode& error, const tcp::endpoint&) {
      if (error) return self->Fail(error);
      self->WriteThenRead();
    });
  }

  void WriteThenRead() {
    http::async_write(stream_, request_, [self = shared_from_this()](const ErrorCode& error, std::size_t) {
      if (error) return self->Fail(error);
      http::async_read(self->stream_, self->buffer_, self->parser_,
                       [self](const ErrorCode& failed, std::size_t) {
                         if (failed) return self->Fail(failed);
                         self->Finish(EdgexClient::Answer{static_cast<int>(self->parser_.get().result_int()),
                                                          std::move(self->parser_.get().body())});
                       });
    });
  }

  void Fail(const ErrorCode& error) {
    const std::string message =
        "EdgeX service at " + endpoint_.host + ":" + std::to_string(endpoint_.port) + ": " + error.message();
    if (error == http::error::body_limit) return Finish(absl::ResourceExhaustedError(message));
    Finish(absl::UnavailableError(message));
  }

  void Finish(absl::StatusOr<EdgexClient::Answer> answer) {
    if (alive_.lock()) done_(std::move(answer));
  }

  tcp::resolver resolver_;
  beast::tcp_stream stream_;
  const EdgexClient::Endpoint endpoint_;
  std::weak_ptr<bool> alive_;
  Callback<EdgexClient::Answer> done_;
  http::request<http::string_body> request_;
  http::response_parser<http::string_body> parser_;
  beast::flat_buffer buffer_;
};

class AsioEdgexClient : public EdgexClient {
 public:
  explicit AsioEdgexClient(AsioLoop& loop)
      : context_(*static_cast<asio::io_context*>(loop.io_context())), alive_(std::make_shared<bool>(true)) {}

  void Send(const Endpoint& endpoint, const Request& request, Callback<Answer> done) override {
    std::make_shared<Exchange>(context_, endpoint, request, alive_, std::move(done))->Start();
  }

 private:
  asio::io_context& context_;
  std::shared_ptr<bool> alive_;
};

}  // namespace

std::unique_ptr<EdgexClient> MakeAsioEdgexClient(AsioLoop& loop) {
  return std::make_unique<AsioEdgexClient>(loop);
}

}  // namespace slicelet::agent
