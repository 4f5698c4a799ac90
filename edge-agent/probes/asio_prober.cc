#include "edge-agent/probes/asio_prober.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <optional>
#include <string>

namespace slicelet::agent {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr int kMostRedirects = 10;
constexpr std::uint32_t kMostHeaderBytes = 16 * 1024;
constexpr char kUserAgent[] = "kube-probe/slicelet";

std::string HostAndPort(const std::string& host, std::int32_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

/// One check, from the first packet to the callback. Keeps itself alive while something is under way.
class NetworkCheck : public std::enable_shared_from_this<NetworkCheck> {
 public:
  NetworkCheck(asio::io_context& context, const HostLookup& lookup, const v1::Handler& handler,
               const std::string& host, Duration timeout, std::weak_ptr<bool> alive, StatusCallback done)
      : context_(context),
        lookup_(lookup),
        handler_(handler),
        lookup_deadline_(context),
        tls_(asio::ssl::context::tls_client),
        deadline_(std::chrono::steady_clock::now() + timeout),
        alive_(std::move(alive)),
        done_(std::move(done)) {
    // kubelet: probes never verify certificates.
    tls_.set_verify_mode(asio::ssl::verify_none);
    if (handler_.has_http_get()) {
      host_ = handler_.http_get().host().empty() ? host : handler_.http_get().host();
      port_ = handler_.http_get().port();
      path_ = handler_.http_get().path();
      if (path_.empty() || path_[0] != '/') path_ = "/" + path_;
    } else {
      host_ = handler_.tcp_socket().host().empty() ? host : handler_.tcp_socket().host();
      port_ = handler_.tcp_socket().port();
    }
  }

  void Start() {
    stream_.emplace(context_);
    stream_->expires_at(deadline_);
    ErrorCode no_address;
    const auto address = asio::ip::make_address(host_, no_address);
    if (no_address)
      LookUp();
    else
      Connect({tcp::endpoint(address, static_cast<std::uint16_t>(port_))});
  }

 private:
  void LookUp() {
    const auto self = shared_from_this();
    const auto give_up = lookup_(host_, [self](const absl::StatusOr<std::vector<std::string>>& addresses) {
      self->lookup_deadline_.cancel();
      if (!self->done_) return;
      if (!addresses.ok()) {
        self->Fail("dial tcp: lookup " + self->host_ + ": " + Message(addresses.status()));
        return;
      }
      std::vector<tcp::endpoint> endpoints;
      for (const std::string& text : *addresses) {
        ErrorCode no_address;
        const auto address = asio::ip::make_address(text, no_address);
        if (!no_address) endpoints.emplace_back(address, static_cast<std::uint16_t>(self->port_));
      }
      self->Connect(endpoints);
    });
    lookup_deadline_.expires_at(deadline_);
    lookup_deadline_.async_wait([self, give_up](const ErrorCode& cancelled) {
      if (cancelled) return;
      self->FailWith("dial tcp: lookup " + self->host_, beast::error::timeout);
      give_up();
    });
  }

  void Connect(const std::vector<tcp::endpoint>& endpoints) {
    stream_->async_connect(endpoints,
                           [self = shared_from_this()](const ErrorCode& failed, const tcp::endpoint&) {
                             self->OnConnected(failed);
                           });
  }

  void OnConnected(const ErrorCode& error) {
    if (error) {
      FailWith("dial tcp " + HostAndPort(host_, port_) + ": connect", error, absl::StatusCode::kUnavailable);
      return;
    }
    if (handler_.has_tcp_socket()) {
      Finish(absl::OkStatus());
      return;
    }
    if (!handler_.http_get().https()) {
      Send(*stream_);
      return;
    }
    secure_.emplace(std::move(*stream_), tls_);
    SSL_set_tlsext_host_name(secure_->native_handle(), host_.c_str());
    const auto self = shared_from_this();
    secure_->async_handshake(asio::ssl::stream_base::client, [self](const ErrorCode& failed) {
      if (failed) {
        self->FailWith("tls handshake", failed);
        return;
      }
      self->Send(*self->secure_);
    });
  }

  template <typename Stream>
  void Send(Stream& stream) {
    request_ = {};
    request_.method(http::verb::get);
    request_.target(path_);
    request_.version(11);
    request_.set(http::field::host, HostAndPort(host_, port_));
    request_.set(http::field::user_agent, kUserAgent);
    request_.set(http::field::accept, "*/*");
    request_.set(http::field::connection, "close");
    try {
      for (const auto& [name, value] : handler_.http_get().headers()) request_.set(name, value);
    } catch (const std::exception& too_long) {
      Fail(std::string("a header of the probe can not be sent: ") + too_long.what());
      return;
    }
    const auto self = shared_from_this();
    http::async_write(stream, request_, [self, &stream](const ErrorCode& error, std::size_t) {
      if (error) {
        self->FailWith("write", error);
        return;
      }
      self->parser_.emplace();
      self->parser_->header_limit(kMostHeaderBytes);
      http::async_read_header(stream, self->buffer_, *self->parser_,
                              [self](const ErrorCode& failed, std::size_t) {
                                if (failed) {
                                  self->FailWith("read", failed);
                                  return;
                                }
                                self->OnAnswer();
                              });
    });
  }

  void OnAnswer() {
    const unsigned code = parser_->get().result_int();
    const auto location = parser_->get()[http::field::location];
    if (code >= 300 && code < 400 && !location.empty() && redirects_ < kMostRedirects) {
      std::string target(location.data(), location.size());
      const std::string origin =
          std::string(handler_.http_get().https() ? "https://" : "http://") + HostAndPort(host_, port_);
      if (target.compare(0, origin.size(), origin) == 0) target.erase(0, origin.size());
      if (target.empty()) target = "/";
      if (target[0] == '/' && target.compare(0, 2, "//") != 0) {
        ++redirects_;
        path_ = target;
        secure_.reset();
        buffer_.clear();
        Start();
        return;
      }
      // Elsewhere: the kubelet does not follow, and counts it as a pass.
    }
    if (code >= 200 && code < 400) {
      Finish(absl::OkStatus());
    } else {
      Fail("HTTP probe failed with statuscode: " + std::to_string(code));
    }
  }

  void FailWith(const std::string& what, const ErrorCode& error,
                absl::StatusCode code = absl::StatusCode::kFailedPrecondition) {
    if (error == beast::error::timeout || std::chrono::steady_clock::now() >= deadline_) {
      Finish(absl::DeadlineExceededError(Prefix() + "context deadline exceeded"));
    } else {
      Finish(absl::Status(code, Prefix() + what + ": " + error.message()));
    }
  }

  void Fail(const std::string& message) { Finish(absl::FailedPreconditionError(Prefix() + message)); }

  [[nodiscard]] std::string Prefix() const {
    if (!handler_.has_http_get()) return "";
    return std::string("Get \"") + (handler_.http_get().https() ? "https://" : "http://") +
           HostAndPort(host_, port_) + path_ + "\": ";
  }

  void Finish(const absl::Status& status) {
    if (!done_) return;
    const StatusCallback done = std::exchange(done_, nullptr);
    const auto alive = alive_.lock();
    if (alive) done(status);
  }

  asio::io_context& context_;
  const HostLookup& lookup_;
  const v1::Handler handler_;
  asio::steady_timer lookup_deadline_;
  asio::ssl::context tls_;
  const std::chrono::steady_clock::time_point deadline_;
  std::weak_ptr<bool> alive_;
  StatusCallback done_;
  std::string host_;
  std::int32_t port_ = 0;
  std::string path_;
  int redirects_ = 0;
  std::optional<beast::tcp_stream> stream_;
  std::optional<beast::ssl_stream<beast::tcp_stream>> secure_;
  http::request<http::empty_body> request_;
  std::optional<http::response_parser<http::empty_body>> parser_;
  beast::flat_buffer buffer_;
};

class AsioProber : public Prober {
 public:
  AsioProber(AsioLoop& loop, HostLookup lookup)
      : loop_(loop),
        lookup_(std::move(lookup)),
        context_(*static_cast<asio::io_context*>(loop.io_context())),
        alive_(std::make_shared<bool>(true)) {}

  void Check(const v1::Handler& handler, const std::string& host, Duration timeout,
             StatusCallback done) override {
    if (!handler.has_http_get() && !handler.has_tcp_socket()) {
      const bool grpc = handler.has_grpc();
      loop_.Post([alive = std::weak_ptr<bool>(alive_), grpc, done = std::move(done)] {
        if (alive.expired()) return;
        done(grpc ? absl::UnimplementedError("this prober makes no gRPC checks")
                  : absl::InvalidArgumentError("the probe names no network check"));
      });
      return;
    }
    std::make_shared<NetworkCheck>(context_, lookup_, handler, host, timeout, alive_, std::move(done))
        ->Start();
  }

 private:
  AsioLoop& loop_;
  const HostLookup lookup_;
  asio::io_context& context_;
  std::shared_ptr<bool> alive_;
};

}  // namespace

HostLookup MakeAsioLookup(AsioLoop& loop) {
  return [&context = *static_cast<asio::io_context*>(loop.io_context())](
             const std::string& name, Callback<std::vector<std::string>> done) {
    auto resolver = std::make_shared<tcp::resolver>(context);
    resolver->async_resolve(
        name, "",
        [resolver, done = std::move(done)](const ErrorCode& error, const tcp::resolver::results_type& found) {
          if (error) return done(absl::UnavailableError(error.message()));
          std::vector<std::string> addresses;
          for (const auto& entry : found) addresses.push_back(entry.endpoint().address().to_string());
          done(std::move(addresses));
        });
    return [weak = std::weak_ptr<tcp::resolver>(resolver)] {
      if (const auto asked = weak.lock()) asked->cancel();
    };
  };
}

std::unique_ptr<Prober> MakeAsioProber(AsioLoop& loop, HostLookup lookup) {
  return std::make_unique<AsioProber>(loop, std::move(lookup));
}

}  // namespace slicelet::agent
