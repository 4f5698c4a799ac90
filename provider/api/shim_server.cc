#include "provider/api/shim_server.h"

#include <utility>

#include "common/log/log.h"

namespace slicelet::provider {

struct ShimServer::Connection {
  explicit Connection(Loop& loop) : timeout(loop) {}
  std::unique_ptr<Pipe> pipe;
  std::string shim_id;
  std::uint64_t incarnation = 0;
  Timer timeout;
};

ShimServer::ShimServer(Options options, Loop& loop, ShimAcceptor& acceptor, Listener& listener)
    : options_(std::move(options)),
      loop_(loop),
      acceptor_(acceptor),
      listener_(listener),
      highest_(options_.highest_incarnation),
      highest_seen_(loop.Now()) {}

ShimServer::~ShimServer() {
  if (current_) Close(std::exchange(current_, nullptr));
}

void ShimServer::Start() {
  acceptor_.Start([this](std::unique_ptr<Pipe> pipe, const std::string& peer) {
    return OnAccept(std::move(pipe), peer);
  });
}

void ShimServer::Send(v1::ProviderMessage message) {
  if (current_) current_->pipe->Send(std::move(message));
}

ShimServer::Pipe::Handler ShimServer::OnAccept(std::unique_ptr<Pipe> pipe, const std::string& peer) {
  auto connection = std::make_shared<Connection>(loop_);
  connection->pipe = std::move(pipe);
  if (!peer.empty() && peer != kShimIdentity) {
    LogWarning("shim connection refused: the certificate is not a shim's", {{"peer", peer}});
    Close(connection);
    return {};
  }
  // The timer keeps the connection until it has said Hello; its handlers do from then on.
  connection->timeout.Set(kHelloTimeout, [this, connection] { Close(connection); });
  return {
      lifetime_.Guard([this, connection](const v1::ShimMessage& message) { OnMessage(connection, message); }),
      lifetime_.Guard([this, connection](const absl::Status&) { OnClosed(connection); })};
}

void ShimServer::OnMessage(const std::shared_ptr<Connection>& connection, const v1::ShimMessage& message) {
  if (message.has_hello()) return OnHello(connection, message.hello());
  // What an older session still has to say does not count.
  if (connection == current_) listener_.OnShimMessage(message);
}

std::string ShimServer::WhyRefused(const v1::Hello& hello) const {
  if (hello.incarnation() < highest_) {
    const bool present = current_ && current_->incarnation == highest_;
    if (present || loop_.Now() - highest_seen_ < kFenceFor) {
      return "a shim of incarnation " + std::to_string(highest_) +
             " drives the nodes of this hub, this one has " + std::to_string(hello.incarnation());
    }
  } else if (current_ && current_->incarnation == hello.incarnation() &&
             current_->shim_id != hello.shim_id()) {
    return "shim " + current_->shim_id + " of the same incarnation is connected";
  }
  return "";
}

void ShimServer::OnHello(const std::shared_ptr<Connection>& connection, const v1::Hello& hello) {
  connection->timeout.Cancel();
  const std::string why = WhyRefused(hello);
  v1::ProviderMessage answer;
  v1::HelloAck& ack = *answer.mutable_hello_ack();
  ack.set_hub_id(options_.hub_id);
  ack.set_incarnation(options_.incarnation);
  ack.set_refused(!why.empty());
  ack.set_message(why);
  if (!why.empty()) {
    ack.set_highest_incarnation(highest_);
    LogWarning("shim refused", {{"shim", hello.shim_id()}, {"why", why}});
    connection->pipe->Send(std::move(answer));
    Close(connection);
    return;
  }
  if (current_ && current_ != connection) Close(std::exchange(current_, nullptr));
  connection->shim_id = hello.shim_id();
  connection->incarnation = highest_ = hello.incarnation();
  highest_seen_ = loop_.Now();
  current_ = connection;
  LogInfo("shim connected", {{"shim", hello.shim_id()}, {"incarnation", hello.incarnation()}});
  connection->pipe->Send(std::move(answer));
  listener_.OnShimHello();
}

void ShimServer::OnClosed(const std::shared_ptr<Connection>& connection) {
  Close(connection);
  if (connection != current_) return;
  highest_seen_ = loop_.Now();
  current_ = nullptr;
  LogWarning("shim disconnected", {{"shim", connection->shim_id}});
  listener_.OnShimGone();
}

void ShimServer::Close(const std::shared_ptr<Connection>& connection) {
  connection->timeout.Cancel();
  if (!connection->pipe) return;
  connection->pipe->Close();
  // It may be calling us.
  loop_.Post([pipe = std::shared_ptr<Pipe>(std::move(connection->pipe))] {});
}

}  // namespace slicelet::provider
