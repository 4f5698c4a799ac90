#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/status.h"

namespace slicelet {

/// One connection's life as a pipe of whole messages. It may lose, delay, duplicate and reorder them and may
/// break without notice; the protocols above it are built for that. All calls and callbacks happen on the
/// loop.
template <typename Out, typename In>
class MessagePipe {
 public:
  struct Handler {
    std::function<void(In)> on_message;
    /// At most once; nothing follows it. Not called after `Close` or destruction.
    std::function<void(absl::Status)> on_closed;
  };

  /// Destroying an open pipe closes it.
  virtual ~MessagePipe() = default;

  /// Queues a message. Dropped silently when the pipe is closed; a queue over its bound closes the pipe
  /// (RESOURCE_EXHAUSTED), because a peer that does not read is as good as gone.
  virtual void Send(Out message) = 0;
  /// Sends what is queued, then ends the connection.
  virtual void Close() = 0;
};

/// Makes outgoing connections.
template <typename Out, typename In>
class Connector {
 public:
  using Pipe = MessagePipe<Out, In>;
  virtual ~Connector() = default;
  /// Starts connecting; messages sent before the connection stands are queued. Failure arrives as
  /// `on_closed`.
  virtual std::unique_ptr<Pipe> Connect(typename Pipe::Handler handler) = 0;
};

/// Hands over incoming connections.
template <typename Out, typename In>
class Acceptor {
 public:
  using Pipe = MessagePipe<Out, In>;
  /// `peer` is the authenticated identity (the certificate's CN), or "" on a unix socket. The handler returns
  /// what to do with the pipe's messages; it owns `pipe` and may close it at once to refuse.
  using OnAccept = std::function<typename Pipe::Handler(std::unique_ptr<Pipe> pipe, const std::string& peer)>;
  virtual ~Acceptor() = default;
  /// Call once, before the server starts.
  virtual void Start(OnAccept on_accept) = 0;
  /// The peer may not connect any more: what is kept for it outside of its connections is removed.
  virtual void Forget(const std::string& /*peer*/) {}
};

}  // namespace slicelet
