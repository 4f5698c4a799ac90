#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/base/time.h"

namespace slicelet {

/// Longest message on either link. Both sides refuse larger ones; a sender drops them with an error in the
/// log, because sending one would break the connection again and again.
inline constexpr std::size_t kMaxRpcMessageBytes = std::size_t{4} << 20;
/// Most that waits for a peer that does not read, per connection; beyond it the connection is closed.
inline constexpr std::size_t kMaxRpcQueuedBytes = std::size_t{256} << 20;
inline constexpr std::size_t kMaxRpcQueuedMessages = 65'536;

/// Both sides show a certificate, and both check the other's against `ca`. Either all files or all texts are
/// set.
struct RpcTls {
  /// PEM files, read again when they change (within `reload`; key and certificate must change together). Only
  /// new connections see the change.
  std::string certificate_file;
  std::string key_file;
  std::string ca_file;
  /// The same as PEM texts, for a program whose credentials are not in files of their own.
  std::string certificate_pem;
  std::string key_pem;
  std::string ca_pem;
  /// How often changed files are looked for. Not on any path that somebody waits for.
  std::chrono::seconds reload{60};
};

/// Who dialled, as its certificate says. On a unix socket only `local` is set: the socket's mode was the
/// check.
struct RpcPeer {
  bool local = false;
  std::string common_name;
  std::vector<std::string> organizations;
  /// URI subject alternative names: "spiffe://HUB/host/NAME".
  std::vector<std::string> uris;
  /// When its certificate ends.
  WallTime not_after;
};

/// How soon an idle connection notices that its peer vanished: after `interval` plus `timeout` without an
/// answer.
struct RpcKeepalive {
  Duration interval = std::chrono::seconds(60);
  Duration timeout = std::chrono::seconds(20);
};

/// What a sender may have on its way unread. Set, because finding it out (BDP probes) costs a PING and its
/// answer for nearly every message of an idle link; this much fills 10 Mbit/s over a satellite's 800 ms.
inline constexpr int kRpcWindowBytes = 1 << 20;

}  // namespace slicelet
