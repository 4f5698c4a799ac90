#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/base/ids.h"
#include "common/loop/loop.h"
#include "common/stream/message_pipe.h"
#include "slicelet/v1/provider.pb.h"

namespace slicelet::provider {

/// Serves the one shim that may drive this hub's nodes.
///
/// A shim says Hello with its incarnation. One that is lower than the highest seen is refused while a higher
/// one is connected, or was within `kFenceFor`: after that a lower one can only come from a cluster that was
/// restored, and refusing it for ever would leave the nodes without a shim.
class ShimServer {
 public:
  using ShimAcceptor = Acceptor<v1::ProviderMessage, v1::ShimMessage>;
  using Pipe = MessagePipe<v1::ProviderMessage, v1::ShimMessage>;

  /// The CN of a shim's certificate; on a unix socket the identity is empty.
  static constexpr const char* kShimIdentity = "slicelet-shim";
  static constexpr Duration kHelloTimeout = std::chrono::seconds(30);
  static constexpr Duration kFenceFor = std::chrono::seconds(60);

  class Listener {
   public:
    virtual ~Listener() = default;
    /// A new session: everything will be said again. HelloAck is sent.
    virtual void OnShimHello() = 0;
    virtual void OnShimMessage(const v1::ShimMessage& message) = 0;
    virtual void OnShimGone() = 0;
  };

  struct Options {
    std::string hub_id;
    std::string incarnation;
    /// The highest that was stored.
    std::uint64_t highest_incarnation = 0;
  };

  /// All references must outlive this object.
  ShimServer(Options options, Loop& loop, ShimAcceptor& acceptor, Listener& listener);
  ~ShimServer();

  void Start();
  /// Dropped when no shim is connected; it will be told everything when one comes.
  void Send(v1::ProviderMessage message);
  [[nodiscard]] bool connected() const { return current_ != nullptr; }
  [[nodiscard]] std::uint64_t highest_incarnation() const { return highest_; }

 private:
  struct Connection;

  Pipe::Handler OnAccept(std::unique_ptr<Pipe> pipe, const std::string& peer);
  void OnMessage(const std::shared_ptr<Connection>& connection, const v1::ShimMessage& message);
  void OnHello(const std::shared_ptr<Connection>& connection, const v1::Hello& hello);
  [[nodiscard]] std::string WhyRefused(const v1::Hello& hello) const;
  void OnClosed(const std::shared_ptr<Connection>& connection);
  void Close(const std::shared_ptr<Connection>& connection);

  const Options options_;
  Loop& loop_;
  ShimAcceptor& acceptor_;
  Listener& listener_;
  std::shared_ptr<Connection> current_;
  std::uint64_t highest_;
  // When the highest one was last connected.
  MonotonicTime highest_seen_;
  Lifetime lifetime_;
};

}  // namespace slicelet::provider
