#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/random.h"
#include "common/loop/loop.h"
#include "common/stream/message_pipe.h"

namespace slicelet {

/// What a local link does to messages. Chances are per million, drawn for every message.
struct LinkFaults {
  std::uint64_t drop = 0;
  std::uint64_t duplicate = 0;
  /// The message travels on its own: it may overtake and be overtaken.
  std::uint64_t reorder = 0;
  /// The connection breaks instead of carrying the message; both ends hear of it.
  std::uint64_t break_connection = 0;
  /// Every message takes between these two; order is kept unless `reorder` says otherwise.
  Duration min_delay = Duration::zero();
  Duration max_delay = Duration::zero();
};

/// Which way messages of a peer vanish without anybody being told: half-open and fully silent connections.
enum class Silence { kNone, kUp, kDown, kBoth };

/// More messages than this under way in one direction close the pipe.
inline constexpr std::size_t kMaxLocalMessagesInFlight = 65'536;

/// Connectors and an acceptor in one process, with faults: both hops of unit tests and of the simulation.
/// `Up` travels from connector to acceptor, `Down` back. With the default faults every message arrives, in
/// order, on a later turn of the loop. The same seed of `random` gives the same faults.
template <typename Up, typename Down>
class LocalLink {
 public:
  using UpPipe = MessagePipe<Up, Down>;
  using DownPipe = MessagePipe<Down, Up>;

  LocalLink(Loop& loop, Random& random) : state_(std::make_shared<State>(loop, random)) {}

  /// Dials as `peer`, the identity that the acceptor sees.
  std::unique_ptr<Connector<Up, Down>> MakeConnector(std::string peer) {
    return std::make_unique<LocalConnector>(state_, std::move(peer));
  }
  /// At most one accepts at a time: the newest that was started. Destroying it makes later connections fail;
  /// those that stand belong to the pipes.
  std::unique_ptr<Acceptor<Down, Up>> MakeAcceptor() { return std::make_unique<LocalAcceptor>(state_); }

  void SetFaults(const LinkFaults& faults) { state_->faults = faults; }
  void SetSilence(const std::string& peer, Silence silence) { state_->silence[peer] = silence; }
  /// New connections of this peer fail.
  void SetRefused(const std::string& peer, bool refused) { state_->refused[peer] = refused; }
  /// Breaks the peer's connections; both ends hear of it, whatever the silence.
  void Break(const std::string& peer) {
    // Handlers may connect again at once.
    const auto connections = state_->connections;
    for (const auto& weak : connections) {
      const auto connection = weak.lock();
      if (connection && connection->peer == peer) BreakConnection(*state_, connection);
    }
  }

  [[nodiscard]] std::uint64_t messages_sent() const { return state_->sent; }

 private:
  /// One direction of one connection.
  template <typename Message>
  struct Channel {
    typename MessagePipe<Message, Message>::Handler handler;
    bool sender_open = true;
    bool receiver_open = true;
    std::deque<Message> queue;
    std::size_t in_flight = 0;
    MonotonicTime last_due{};
  };

  struct Connection {
    std::string peer;
    Channel<Up> up;
    Channel<Down> down;
  };

  struct State {
    State(Loop& loop, Random& random) : loop(loop), random(random) {}
    [[nodiscard]] bool Silent(const std::string& peer, bool up) const {
      const auto it = silence.find(peer);
      if (it == silence.end()) return false;
      return it->second == Silence::kBoth || it->second == (up ? Silence::kUp : Silence::kDown);
    }
    [[nodiscard]] bool Chance(std::uint64_t per_million) {
      return per_million > 0 && random.Below(1'000'000) < per_million;
    }
    [[nodiscard]] Duration Delay() {
      const auto spread = (faults.max_delay - faults.min_delay).count();
      if (spread <= 0) return faults.min_delay;
      return faults.min_delay +
             Duration(static_cast<Duration::rep>(random.Below(static_cast<std::uint64_t>(spread) + 1)));
    }

    Loop& loop;
    Random& random;
    LinkFaults faults;
    std::map<std::string, Silence> silence;
    std::map<std::string, bool> refused;
    typename Acceptor<Down, Up>::OnAccept on_accept;
    const void* acceptor = nullptr;
    std::vector<std::weak_ptr<Connection>> connections;
    std::uint64_t sent = 0;
  };

  template <typename Message>
  static auto& ChannelOf(Connection& connection) {
    return Select<Message>(connection, std::is_same<Message, Up>());
  }
  template <typename Message>
  static Channel<Up>& Select(Connection& connection, std::true_type) {
    return connection.up;
  }
  template <typename Message>
  static Channel<Down>& Select(Connection& connection, std::false_type) {
    return connection.down;
  }

  /// The receiving end of `channel` hears that the connection is over.
  template <typename Message, typename Other>
  static void CloseReceiver(Channel<Message>& channel, Channel<Other>& back, const absl::Status& status) {
    if (!channel.receiver_open) return;
    channel.receiver_open = false;
    channel.sender_open = false;
    back.sender_open = false;
    channel.queue.clear();
    const auto handler = std::exchange(channel.handler, {});
    if (handler.on_closed) handler.on_closed(status);
  }

  static void BreakConnection(State& state, const std::shared_ptr<Connection>& connection) {
    connection->up.sender_open = false;
    connection->down.sender_open = false;
    state.loop.Post([connection] {
      const auto status = absl::UnavailableError("the connection broke");
      CloseReceiver(connection->up, connection->down, status);
      CloseReceiver(connection->down, connection->up, status);
    });
  }

  template <typename Message>
  static void DeliverNow(const std::shared_ptr<Connection>& connection, Message message) {
    auto& channel = ChannelOf<Message>(*connection);
    if (!channel.receiver_open || !channel.handler.on_message) return;
    // The handler may destroy its pipe, and the handler with it.
    const auto on_message = channel.handler.on_message;
    on_message(std::move(message));
  }

  static void RunAt(Loop& loop, MonotonicTime due, Loop::Task task) {
    const auto now = loop.Now();
    if (due <= now) {
      loop.Post(std::move(task));
    } else {
      loop.RunAfter(due - now, std::move(task));
    }
  }

  template <typename Message>
  static void Transmit(const std::shared_ptr<State>& state, const std::shared_ptr<Connection>& connection,
                       const Message& message) {
    constexpr bool kIsUp = std::is_same_v<Message, Up>;
    auto& channel = ChannelOf<Message>(*connection);
    if (!channel.sender_open) return;
    ++state->sent;
    if (state->Chance(state->faults.break_connection)) return BreakConnection(*state, connection);
    if (state->Silent(connection->peer, kIsUp) || state->Chance(state->faults.drop)) return;
    if (channel.in_flight >= kMaxLocalMessagesInFlight) return BreakConnection(*state, connection);
    const auto silent = [state, connection] { return state->Silent(connection->peer, kIsUp); };
    const int copies = state->Chance(state->faults.duplicate) ? 2 : 1;
    for (int copy = 0; copy < copies; ++copy) {
      const auto due = state->loop.Now() + state->Delay();
      ++channel.in_flight;
      if (state->Chance(state->faults.reorder)) {
        // At least once more around the loop, and up to twice the longest delay.
        const auto late = due + state->Delay() + Duration(1);
        RunAt(state->loop, std::max(late, channel.last_due), [connection, message, silent] {
          --ChannelOf<Message>(*connection).in_flight;
          if (!silent()) DeliverNow<Message>(connection, message);
        });
        continue;
      }
      channel.last_due = std::max(channel.last_due, due);
      channel.queue.push_back(message);
      RunAt(state->loop, channel.last_due, [connection, silent] {
        auto& channel = ChannelOf<Message>(*connection);
        --channel.in_flight;
        if (channel.queue.empty()) return;
        auto message = std::move(channel.queue.front());
        channel.queue.pop_front();
        if (!silent()) DeliverNow<Message>(connection, std::move(message));
      });
    }
  }

  template <typename Out, typename In>
  class LocalPipe : public MessagePipe<Out, In> {
   public:
    LocalPipe(std::shared_ptr<State> state, std::shared_ptr<Connection> connection)
        : state_(std::move(state)), connection_(std::move(connection)) {}
    ~LocalPipe() override { LocalPipe::Close(); }

    void Send(Out message) override { Transmit<Out>(state_, connection_, std::move(message)); }

    void Close() override {
      if (closed_) return;
      closed_ = true;
      auto& in = ChannelOf<In>(*connection_);
      in.receiver_open = false;
      in.handler = {};
      in.queue.clear();
      auto& out = ChannelOf<Out>(*connection_);
      out.sender_open = false;
      RunAt(state_->loop, out.last_due, [state = state_, connection = connection_] {
        if (state->Silent(connection->peer, std::is_same_v<Out, Up>)) return;
        CloseReceiver(ChannelOf<Out>(*connection), ChannelOf<In>(*connection),
                      absl::UnavailableError("the peer closed the connection"));
      });
    }

   private:
    std::shared_ptr<State> state_;
    std::shared_ptr<Connection> connection_;
    bool closed_ = false;
  };

  class LocalConnector : public Connector<Up, Down> {
   public:
    LocalConnector(std::shared_ptr<State> state, std::string peer)
        : state_(std::move(state)), peer_(std::move(peer)) {}

    std::unique_ptr<UpPipe> Connect(typename UpPipe::Handler handler) override {
      auto connection = std::make_shared<Connection>();
      connection->peer = peer_;
      connection->down.handler = {std::move(handler.on_message), std::move(handler.on_closed)};
      std::erase_if(state_->connections, [](const auto& weak) { return weak.expired(); });
      state_->connections.push_back(connection);
      const auto due = state_->loop.Now() + state_->Delay();
      connection->up.last_due = connection->down.last_due = due;
      RunAt(state_->loop, due, [state = state_, connection] { Accept(state, connection); });
      return std::make_unique<LocalPipe<Up, Down>>(state_, std::move(connection));
    }

   private:
    static void Accept(const std::shared_ptr<State>& state, const std::shared_ptr<Connection>& connection) {
      // A peer that is cut off waits for its own timeout; it hears nothing.
      if (state->Silent(connection->peer, true) || state->Silent(connection->peer, false)) return;
      if (!connection->down.receiver_open && connection->up.queue.empty()) return;
      if (!state->on_accept || state->refused[connection->peer]) {
        return CloseReceiver(connection->down, connection->up, absl::UnavailableError("connection refused"));
      }
      auto handler =
          state->on_accept(std::make_unique<LocalPipe<Down, Up>>(state, connection), connection->peer);
      if (connection->up.receiver_open) {
        connection->up.handler = {std::move(handler.on_message), std::move(handler.on_closed)};
      }
    }

    std::shared_ptr<State> state_;
    std::string peer_;
  };

  class LocalAcceptor : public Acceptor<Down, Up> {
   public:
    explicit LocalAcceptor(std::shared_ptr<State> state) : state_(std::move(state)) {}
    ~LocalAcceptor() override {
      if (state_->acceptor != this) return;
      state_->on_accept = nullptr;
      state_->acceptor = nullptr;
    }
    void Start(typename Acceptor<Down, Up>::OnAccept on_accept) override {
      state_->on_accept = std::move(on_accept);
      state_->acceptor = this;
    }

   private:
    std::shared_ptr<State> state_;
  };

  std::shared_ptr<State> state_;
};

}  // namespace slicelet
