#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <utility>  // Boost 1.74 forgets it in a coroutine header.

#include "common/base/status.h"

namespace slicelet::cli {

using TlsStream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket>;
using ExecSocket = boost::beast::websocket::stream<TlsStream>;

struct ExecSessionOptions {
  bool stdin_open = false;
  bool tty = false;
  /// The far end speaks v5.channel.k8s.io: it can be told that standard input ended.
  bool input_may_end = false;
};

/// One remote command over a WebSocket whose handshake is done: copies between this process's descriptors and
/// the socket until the far end closes. Returns the command's exit code.
absl::StatusOr<int> RunExecSession(boost::asio::io_context& context, ExecSocket& socket,
                                   ExecSessionOptions options);

}  // namespace slicelet::cli
