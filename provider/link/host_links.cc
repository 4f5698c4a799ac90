#include "provider/link/host_links.h"

#include <map>
#include <utility>

#include "common/log/log.h"

namespace slicelet::provider {

HostLinks::HostLinks(HostSession::Options options, Loop& loop, Clock& clock, HostAcceptor& acceptor,
                     LinkListener& listener)
    : options_(std::move(options)), loop_(loop), clock_(clock), acceptor_(acceptor), listener_(listener) {}

HostLinks::~HostLinks() = default;

void HostLinks::Start() {
  acceptor_.Start([this](std::unique_ptr<Pipe> pipe, const std::string& peer) {
    return OnAccept(std::move(pipe), peer);
  });
}

HostSession& HostLinks::Add(const HostId& host, std::uint64_t highest_session) {
  std::unique_ptr<HostSession>& session = sessions_[host];
  if (!session) {
    session = std::make_unique<HostSession>(host, options_, loop_, clock_, listener_, highest_session,
                                            [this](const HostSession::Pipe* pipe) { Drop(pipe); });
  }
  return *session;
}

void HostLinks::Remove(const HostId& host) {
  sessions_.erase(host);
  Forget(host);
}

HostSession* HostLinks::Find(const HostId& host) const {
  const auto it = sessions_.find(host);
  return it == sessions_.end() ? nullptr : it->second.get();
}

HostLinks::Pipe::Handler HostLinks::OnAccept(std::unique_ptr<Pipe> pipe, const std::string& peer) {
  if (connections_.size() >= kMaxUnborn + sessions_.size()) {
    LogWarning("too many connections, one refused", {{"peer", peer}});
    pipe->Close();
    loop_.Post([held = std::shared_ptr<Pipe>(std::move(pipe))] {});
    return {};
  }
  const Key key = pipe.get();
  Connection& connection = connections_[key];
  connection.pipe = std::move(pipe);
  connection.arrival = ++arrivals_;
  connection.peer = HostId(peer);
  auto& unborn = unborn_[connection.peer];
  unborn[connection.arrival] = key;
  if (unborn.size() > kMaxUnbornOfHost)
    Refuse(unborn.begin()->second, "newer connections of it came before its Birth");
  connection.timeout = std::make_unique<Timer>(loop_);
  connection.timeout->Set(kBirthTimeout,
                          [this, key] { Refuse(key, "no Birth came that could be answered"); });
  return {lifetime_.Guard([this, key](v1::HostMessage message) { OnMessage(key, std::move(message)); }),
          lifetime_.Guard([this, key](const absl::Status&) { OnClosed(key); })};
}

void HostLinks::OnMessage(Key key, v1::HostMessage message) {
  const auto it = connections_.find(key);
  if (it == connections_.end()) return;
  if (message.has_birth()) return OnBirth(key, std::move(message));
  // A copy: the session may close the connection.
  const std::shared_ptr<Pipe> pipe = it->second.pipe;
  if (HostSession* session = Find(it->second.peer)) session->OnMessage(pipe, std::move(message));
}

void HostLinks::OnBirth(Key key, v1::HostMessage message) {
  Connection& connection = connections_.at(key);
  const HostId host(message.birth().host_id());
  if (host != connection.peer || host.empty()) {
    return Refuse(key, "it calls itself \"" + host.value() + "\" and its certificate says \"" +
                           connection.peer.value() + "\"");
  }
  const absl::Status admitted = listener_.Admit(host);
  if (admitted.code() == absl::StatusCode::kUnavailable) {
    connection.waiting = std::move(message);
    return;
  }
  if (!admitted.ok()) {
    Refuse(key, Message(admitted));
    return Forget(host);
  }
  connection.waiting.reset();
  // A copy: the session may close the connection, and then it is not here any more.
  const std::shared_ptr<Pipe> pipe = connection.pipe;
  HostSession* session = Find(host);
  if (session == nullptr || !session->OnBirth(pipe, message)) return;
  const auto born = connections_.find(key);
  if (born == connections_.end()) return;
  born->second.timeout->Cancel();
  NoMoreUnborn(born->second);
}

void HostLinks::Readmit() {
  // First come, first served: of two connections of one host the newer is the one that lives.
  std::map<std::uint64_t, std::pair<Key, v1::HostMessage>> waiting;
  for (auto& [key, connection] : connections_) {
    if (!connection.waiting) continue;
    waiting[connection.arrival] = {key, *std::exchange(connection.waiting, std::nullopt)};
  }
  for (auto& [arrival, entry] : waiting) {
    if (connections_.count(entry.first) != 0) OnBirth(entry.first, std::move(entry.second));
  }
}

void HostLinks::OnClosed(Key key) {
  const auto it = connections_.find(key);
  if (it == connections_.end()) return;
  const std::shared_ptr<Pipe> pipe = it->second.pipe;
  const HostId peer = it->second.peer;
  Drop(key);
  if (HostSession* session = Find(peer)) session->OnClosed(pipe);
  // The pipe may be calling us.
  loop_.Post([pipe] {});
}

void HostLinks::Drop(Key key) {
  const auto it = connections_.find(key);
  if (it == connections_.end()) return;
  NoMoreUnborn(it->second);
  connections_.erase(it);
}

void HostLinks::NoMoreUnborn(const Connection& connection) {
  const auto of_host = unborn_.find(connection.peer);
  if (of_host == unborn_.end()) return;
  of_host->second.erase(connection.arrival);
  if (of_host->second.empty()) unborn_.erase(of_host);
}

void HostLinks::Refuse(Key key, const std::string& why) {
  const auto it = connections_.find(key);
  if (it == connections_.end()) return;
  LogWarning("host refused", {{"host", it->second.peer}, {"why", why}});
  it->second.pipe->Close();
  OnClosed(key);
}

}  // namespace slicelet::provider
