#include "common/http/http_server.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <map>

#include "common/http/connection.h"
#include "common/log/log.h"

namespace slicelet {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

/// After an accept failed for want of file descriptors.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

absl::StatusOr<Connection::TlsContext> MakeContext(const std::string& certificate_pem,
                                                   const std::string& key_pem) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  SLICELET_RETURN_IF_ERROR(ConfigureServing(context->native_handle(), certificate_pem, key_pem));
  return context;
}

/// A client whose machine is gone is noticed after two minutes of silence. What it has not acknowledged is
/// limited by the system, at a quarter of an hour; TCP_USER_TIMEOUT would also cut off a client that pauses.
void KeepAlive(int socket) {
  const auto set = [socket](int level, int option, int value) {
    // Best effort. NOLINTNEXTLINE(bugprone-unused-return-value,cert-err33-c)
    setsockopt(socket, level, option, &value, sizeof(value));
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set(IPPROTO_TCP, TCP_KEEPCNT, 4);
}

}  // namespace

const std::string& HttpRequest::Header(std::string_view name) const {
  static const std::string kNone;
  const auto it =
      std::find_if(headers.begin(), headers.end(), [&](const auto& header) { return header.first == name; });
  return it == headers.end() ? kNone : it->second;
}

std::string HttpRequest::BearerToken() const {
  static constexpr std::string_view kScheme = "Bearer ";
  const auto& value = Header("authorization");
  return value.rfind(kScheme, 0) == 0 ? value.substr(kScheme.size()) : "";
}

struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
  struct Port {
    explicit Port(asio::io_context& context) : acceptor(context) {}
    std::string name;
    tcp::acceptor acceptor;
    Connection::TlsContext tls;
    std::vector<std::weak_ptr<Connection>> connections;
    bool open = true;
  };

  Impl(AsioLoop& loop, Options options, Handler handler)
      : loop(loop), context(*static_cast<asio::io_context*>(loop.io_context())) {
    environment = std::make_shared<Connection::Environment>(
        Connection::Environment{loop, options, std::move(handler), [ca = client_ca] { return *ca; }});
  }

  std::size_t CountConnections() {
    std::size_t count = 0;
    for (auto& [name, port] : ports) {
      std::erase_if(port->connections, [](const auto& weak) { return weak.expired(); });
      count += port->connections.size();
    }
    return count;
  }

  void Accept(const std::shared_ptr<Port>& port) {
    port->acceptor.async_accept(
        [weak = weak_from_this(), port](const Connection::Error& error, tcp::socket socket) {
          const auto self = weak.lock();
          if (!self || !port->open) return;
          if (error) {
            LogWarning("cannot accept a connection", {{"listener", port->name}, {"why", error.message()}});
            self->loop.RunAfter(kAcceptPause, [weak, port] {
              const auto self = weak.lock();
              if (self && port->open) self->Accept(port);
            });
            return;
          }
          if (self->CountConnections() >= self->environment->options.max_connections) {
            LogWarning("too many connections", {{"listener", port->name}});
          } else {
            KeepAlive(socket.native_handle());
            auto connection =
                std::make_shared<Connection>(self->environment, port->name, std::move(socket), port->tls);
            port->connections.push_back(connection);
            connection->Start();
          }
          self->Accept(port);
        });
  }

  static void Close(Port& port) {
    port.open = false;
    Connection::Error ignored;
    port.acceptor.close(ignored);
    for (const auto& weak : std::exchange(port.connections, {})) {
      if (const auto connection = weak.lock()) connection->Destroy();
    }
  }

  AsioLoop& loop;
  asio::io_context& context;
  const std::shared_ptr<ClientCa> client_ca = std::make_shared<ClientCa>();
  std::shared_ptr<const Connection::Environment> environment;
  std::map<std::string, std::shared_ptr<Port>> ports;
};

HttpServer::HttpServer(AsioLoop& loop, Options options, Handler handler)
    : impl_(std::make_shared<Impl>(loop, options, std::move(handler))) {}

HttpServer::~HttpServer() {
  for (auto& [name, port] : std::exchange(impl_->ports, {})) Impl::Close(*port);
}

absl::Status HttpServer::SetClientCa(const std::string& pem) {
  SLICELET_ASSIGN_OR_RETURN(*impl_->client_ca, ReadClientCa(pem));
  return absl::OkStatus();
}

absl::StatusOr<int> HttpServer::Listen(const Listener& listener) {
  if (impl_->ports.contains(listener.name)) {
    return absl::AlreadyExistsError("listener " + listener.name + " exists already");
  }
  auto port = std::make_shared<Impl::Port>(impl_->context);
  port->name = listener.name;
  SLICELET_ASSIGN_OR_RETURN(port->tls, MakeContext(listener.certificate_pem, listener.key_pem));
  Connection::Error error;
  const auto address = listener.address.empty() ? asio::ip::address(asio::ip::address_v6::any())
                                                : asio::ip::make_address(listener.address, error);
  if (error) {
    return absl::InvalidArgumentError("listen address \"" + listener.address + "\" is not an IP address");
  }
  tcp::endpoint endpoint(address, static_cast<std::uint16_t>(listener.port));
  port->acceptor.open(endpoint.protocol(), error);
  if (error == asio::error::address_family_not_supported && listener.address.empty()) {
    endpoint = tcp::endpoint(tcp::v4(), endpoint.port());
    port->acceptor.open(endpoint.protocol(), error);
  }
  if (!error) port->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) port->acceptor.bind(endpoint, error);
  if (!error) port->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return absl::UnavailableError("cannot listen on " + listener.address + ":" +
                                  std::to_string(listener.port) + ": " + error.message());
  }
  impl_->ports.emplace(listener.name, port);
  impl_->Accept(port);
  return port->acceptor.local_endpoint().port();
}

absl::Status HttpServer::SetCertificate(const std::string& name, const std::string& certificate_pem,
                                        const std::string& key_pem) {
  const auto it = impl_->ports.find(name);
  if (it == impl_->ports.end()) return absl::NotFoundError("no listener " + name);
  SLICELET_ASSIGN_OR_RETURN(it->second->tls, MakeContext(certificate_pem, key_pem));
  return absl::OkStatus();
}

void HttpServer::StopListening(const std::string& name) {
  auto node = impl_->ports.extract(name);
  if (!node.empty()) Impl::Close(*node.mapped());
}

}  // namespace slicelet
