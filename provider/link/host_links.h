#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "provider/link/host_session.h"

namespace slicelet::provider {

/// Takes in the hosts' connections and hands each to its host's session.
///
/// A connection counts only after a Birth whose host id is the peer's certified name, for a host that may
/// connect.
class HostLinks {
 public:
  using HostAcceptor = Acceptor<v1::HubMessage, v1::HostMessage>;
  /// A connection without a Birth for this long is closed.
  static constexpr Duration kBirthTimeout = std::chrono::seconds(30);
  static constexpr std::size_t kMaxUnborn = 10'000;
  /// Of one host; with one more the oldest is closed, so that no host uses up what is there for all.
  static constexpr std::size_t kMaxUnbornOfHost = 2;

  HostLinks(HostSession::Options options, Loop& loop, Clock& clock, HostAcceptor& acceptor,
            LinkListener& listener);
  ~HostLinks();

  void Start();
  /// The host is known from now on; its session outlives its connections.
  HostSession& Add(const HostId& host, std::uint64_t highest_session);
  void Remove(const HostId& host);
  /// It may not connect any more: nothing is kept for it on the way.
  void Forget(const HostId& host) { acceptor_.Forget(host.value()); }
  [[nodiscard]] HostSession* Find(const HostId& host) const;
  /// Who may connect has become known: looks again at those that wait.
  void Readmit();

 private:
  using Pipe = HostSession::Pipe;
  // Known by its pipe, until that is closed.
  using Key = const Pipe*;
  struct Connection {
    std::shared_ptr<Pipe> pipe;
    std::uint64_t arrival = 0;
    HostId peer;
    std::optional<v1::HostMessage> waiting;
    std::unique_ptr<Timer> timeout;
  };

  Pipe::Handler OnAccept(std::unique_ptr<Pipe> pipe, const std::string& peer);
  void OnMessage(Key key, v1::HostMessage message);
  void OnBirth(Key key, v1::HostMessage message);
  void OnClosed(Key key);
  void Refuse(Key key, const std::string& why);
  /// Nothing is known of the connection any more.
  void Drop(Key key);
  /// It was born, or has gone.
  void NoMoreUnborn(const Connection& connection);

  const HostSession::Options options_;
  Loop& loop_;
  Clock& clock_;
  HostAcceptor& acceptor_;
  LinkListener& listener_;
  std::map<Key, Connection> connections_;
  std::uint64_t arrivals_ = 0;
  /// By arrival.
  std::map<HostId, std::map<std::uint64_t, Key>> unborn_;
  std::map<HostId, std::unique_ptr<HostSession>> sessions_;
  Lifetime lifetime_;
};

}  // namespace slicelet::provider
