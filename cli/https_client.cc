#include "cli/https_client.h"

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>  // Boost 1.74 forgets it in a coroutine header.

#include "cli/exec_session.h"
#include "common/json/json.h"
#include "common/log/log.h"

namespace slicelet::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;

struct Server {
  std::string host, port;
};

absl::StatusOr<Server> Split(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return absl::InvalidArgumentError("\"" + address + "\" is not HOST:PORT");
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return Server{host, address.substr(colon + 1)};
}

/// Whom the client talks to, in errors.
struct Peer {
  std::string name;
  /// What to look at when it can not be reached, or does not know who we are.
  std::string unreachable, unknown;
};

Peer Shim() {
  return {"the shim", "Is slicelet-shim running?", "the operator certificate is not of this hub"};
}

absl::Status FromHttp(unsigned status, const std::string& body, const Peer& peer) {
  std::string text = body;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  if (const auto json = ParseJson(text); json.ok() && json->is_object())
    text = GetString(*json, "/message", text);
  if (text.empty()) text = "HTTP status " + std::to_string(status);
  switch (status) {
    case 400:
    case 422:
      return absl::FailedPreconditionError(text);
    case 401:
      return absl::UnauthenticatedError(text + ": " + peer.unknown);
    case 403:
      return absl::PermissionDeniedError(text);
    case 404:
      return absl::NotFoundError(text);
    case 501:
      return absl::UnimplementedError(text);
    case 503:
      return absl::UnavailableError(text);
    default:
      return absl::InternalError(text);
  }
}

bool IsEnd(const boost::system::error_code& error) {
  // Peers that close without close_notify are as good as those that say goodbye.
  return error == asio::error::eof || error == http::error::end_of_stream ||
         error == websocket::error::closed || error.category() == asio::error::get_ssl_category() ||
         error == asio::error::connection_reset;
}

/// An error, or how long was waited.
std::string What(const boost::system::error_code& error, std::chrono::milliseconds limit) {
  if (error != asio::error::timed_out) return error.message();
  return "no answer within " + std::to_string(limit.count() / 1'000) + " s";
}

}  // namespace

struct HttpsClient::Impl {
  Impl(Options the_options, Peer the_peer) : options(the_options), peer(std::move(the_peer)) {}

  const Options options;
  const Peer peer;
  /// Sent with every request; may be empty.
  std::string authorization;
  asio::io_context context{1};
  asio::ssl::context tls{asio::ssl::context::tls_client};

  /// Runs one asynchronous step on `socket`, which is closed when the step takes longer.
  template <typename Start>
  boost::system::error_code Within(std::chrono::milliseconds limit, tcp::socket& socket, Start start) {
    boost::system::error_code result;
    bool finished = false;
    start([&](const boost::system::error_code& error, auto&&...) {
      result = error;
      finished = true;
    });
    context.restart();
    context.run_for(limit);
    if (finished) return result;
    if (socket.close(result)) LogWarning("connection not closed", {{"error", result.message()}});
    // The step's handler is still owed its call.
    context.restart();
    context.run();
    return asio::error::timed_out;
  }

  absl::Status Connect(TlsStream& stream, const Server& server) {
    const std::string where = server.host + ":" + server.port;
    boost::system::error_code error;
    tcp::resolver resolver(context);
    const auto endpoints = resolver.resolve(server.host, server.port, error);
    tcp::socket& socket = stream.next_layer();
    if (!error) {
      error = Within(options.connect, socket,
                     [&](auto done) { asio::async_connect(socket, endpoints, std::move(done)); });
    }
    if (!error) error = socket.set_option(tcp::no_delay(true), error);
    if (error) {
      return absl::UnavailableError("cannot reach " + peer.name + " at " + where + ": " +
                                    What(error, options.connect) + ". " + peer.unreachable);
    }
    boost::system::error_code no_address;
    asio::ip::make_address(server.host, no_address);
    // What stands before several servers goes by it; an address is no name.
    if (no_address && SSL_set_tlsext_host_name(stream.native_handle(), server.host.c_str()) != 1)
      return absl::InternalError("\"" + server.host + "\" is no name of a server");
    stream.set_verify_callback(asio::ssl::host_name_verification(server.host));
    error = Within(options.connect, socket, [&](auto done) {
      stream.async_handshake(asio::ssl::stream_base::client, std::move(done));
    });
    if (error == asio::error::timed_out) {
      return absl::UnavailableError(peer.name + " at " + where + " does not answer: " +
                                    What(error, options.connect) + ". Is it what listens there?");
    }
    if (error) {
      return absl::UnauthenticatedError("TLS with " + peer.name + " at " + where +
                                        " failed: " + error.message());
    }
    return absl::OkStatus();
  }

  /// Sends a GET and reads the head of the answer.
  absl::Status Request(TlsStream& stream, const Server& server, const std::string& target,
                       beast::flat_buffer& buffer, http::response_parser<http::buffer_body>& parser) {
    boost::system::error_code error;
    http::request<http::empty_body> request(http::verb::get, target, 11);
    request.set(http::field::host, server.host);
    request.set(http::field::user_agent, "slicectl");
    request.set(http::field::connection, "close");
    if (!authorization.empty()) request.set(http::field::authorization, authorization);
    error = Within(options.answer, stream.next_layer(),
                   [&](auto done) { http::async_write(stream, request, std::move(done)); });
    // Logs have no limit. boost::none would refuse every body with a length: Beast of Boost 1.74 compares
    // with it.
    parser.body_limit(std::numeric_limits<std::uint64_t>::max());
    if (!error) {
      error = Within(options.answer, stream.next_layer(),
                     [&](auto done) { http::async_read_header(stream, buffer, parser, std::move(done)); });
    }
    if (error) return absl::UnavailableError(peer.name + " did not answer: " + What(error, options.answer));
    return absl::OkStatus();
  }
};

HttpsClient::HttpsClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpsClient::~HttpsClient() = default;

absl::StatusOr<std::unique_ptr<HttpsClient>> HttpsClient::Make(const OperatorConfig& config,
                                                               Options options) {
  auto impl = std::make_unique<Impl>(options, Shim());
  boost::system::error_code error;
  impl->tls.set_verify_mode(asio::ssl::verify_peer);
  if (impl->tls.load_verify_file(config.ca_path, error)) {
    return absl::NotFoundError("cannot read the hub's CA " + config.ca_path + ": " + error.message());
  }
  if (impl->tls.use_certificate_chain_file(config.certificate_path, error)) {
    return absl::NotFoundError("cannot read the certificate " + config.certificate_path + ": " +
                               error.message());
  }
  if (impl->tls.use_private_key_file(config.key_path, asio::ssl::context::pem, error)) {
    return absl::NotFoundError("cannot read the key " + config.key_path + ": " + error.message());
  }
  return std::unique_ptr<HttpsClient>(new HttpsClient(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<HttpsClient>> HttpsClient::Make(const kube::KubeConfig& config,
                                                               FileSystem& files) {
  auto impl = std::make_unique<Impl>(Options(), Peer{"the API server", "The kubeconfig names it.",
                                                     "the kubeconfig's credential is not accepted"});
  boost::system::error_code error;
  impl->tls.set_verify_mode(config.insecure_skip_tls_verify ? asio::ssl::verify_none
                                                            : asio::ssl::verify_peer);
  if (!config.ca_pem.empty() && impl->tls.add_certificate_authority(asio::buffer(config.ca_pem), error))
    return absl::FailedPreconditionError("the kubeconfig's certificate authority: " + error.message());
  if (config.certificate != nullptr) {
    const auto pem = config.certificate->Get();
    if (!impl->tls.use_certificate_chain(asio::buffer(pem.certificate), error))
      impl->tls.use_private_key(asio::buffer(pem.key), asio::ssl::context::pem, error);
    if (error)
      return absl::FailedPreconditionError("the kubeconfig's client certificate: " + error.message());
  }
  SLICELET_ASSIGN_OR_RETURN(const std::string token, ReadToken(config, files));
  if (!token.empty()) impl->authorization = "Bearer " + token;
  return std::unique_ptr<HttpsClient>(new HttpsClient(std::move(impl)));
}

absl::StatusOr<std::string> HttpsClient::Get(const std::string& server, const std::string& target) {
  std::string body;
  SLICELET_RETURN_IF_ERROR(Stream(server, target, [&](std::string_view data) { body.append(data); }));
  return body;
}

absl::Status HttpsClient::Stream(const std::string& server, const std::string& target,
                                 const std::function<void(std::string_view)>& on_data) {
  SLICELET_ASSIGN_OR_RETURN(const Server where, Split(server));
  TlsStream stream(impl_->context, impl_->tls);
  SLICELET_RETURN_IF_ERROR(impl_->Connect(stream, where));
  beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  SLICELET_RETURN_IF_ERROR(impl_->Request(stream, where, target, buffer, parser));
  const unsigned status = parser.get().result_int();
  std::string refusal;
  std::array<char, 16384> chunk{};
  while (!parser.is_done()) {
    parser.get().body().data = chunk.data();
    parser.get().body().size = chunk.size();
    boost::system::error_code error;
    http::read_some(stream, buffer, parser, error);
    if (error == http::error::need_buffer) error = {};
    const std::string_view data(chunk.data(), chunk.size() - parser.get().body().size);
    if (status == 200) {
      on_data(data);
    } else {
      refusal.append(data);
    }
    if (error && IsEnd(error) && !parser.is_done()) {
      return absl::UnavailableError(impl_->peer.name + " ended the answer before it was complete");
    }
    if (error)
      return absl::UnavailableError("reading from " + impl_->peer.name + " failed: " + error.message());
  }
  return status == 200 ? absl::OkStatus() : FromHttp(status, refusal, impl_->peer);
}

absl::StatusOr<int> HttpsClient::Exec(const std::string& server, const std::string& target,
                                      const ExecOptions& options) {
  SLICELET_ASSIGN_OR_RETURN(const Server where, Split(server));
  ExecSocket socket(impl_->context, impl_->tls);
  SLICELET_RETURN_IF_ERROR(impl_->Connect(socket.next_layer(), where));
  socket.set_option(websocket::stream_base::decorator([this](websocket::request_type& request) {
    request.set(http::field::user_agent, "slicectl");
    if (!impl_->authorization.empty()) request.set(http::field::authorization, impl_->authorization);
    // An API server or a shim of old knows only the second.
    request.set(http::field::sec_websocket_protocol, "v5.channel.k8s.io, v4.channel.k8s.io");
  }));
  socket.read_message_max(0);
  // API servers read one frame as one message, whose first byte is the channel.
  socket.auto_fragment(false);
  boost::system::error_code error;
  websocket::response_type answer;
  error = impl_->Within(impl_->options.answer, socket.next_layer().next_layer(), [&](auto done) {
    socket.async_handshake(answer, where.host, target, std::move(done));
  });
  if (error == websocket::error::upgrade_declined)
    return FromHttp(answer.result_int(), answer.body(), impl_->peer);
  if (error) {
    return absl::UnavailableError(impl_->peer.name +
                                  " did not open the session: " + What(error, impl_->options.answer));
  }

  const bool input_may_end = answer[http::field::sec_websocket_protocol] == "v5.channel.k8s.io";
  return RunExecSession(
      impl_->context, socket,
      {.stdin_open = options.stdin_open, .tty = options.tty, .input_may_end = input_may_end});
}

}  // namespace slicelet::cli
