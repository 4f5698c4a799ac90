#include "edge-agent/pod/start_queue.h"

#include <algorithm>
#include <deque>
#include <utility>

namespace slicelet::agent {

struct StartQueue::State : std::enable_shared_from_this<StartQueue::State> {
  /// Counts from its making until its end, or until it is slow.
  struct Counted {
    explicit Counted(std::shared_ptr<State> of) : state(std::move(of)), slow(state->loop) {
      ++state->active;
      slow.Set(kSlow, [this] { Leave(); });
    }
    ~Counted() { Leave(); }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

    void Leave() {
      if (std::exchange(left, true)) return;
      slow.Cancel();
      --state->active;
      state->NextSoon();
    }

    const std::shared_ptr<State> state;
    Timer slow;
    bool left = false;
  };

  State(Loop& the_loop, int limit) : loop(the_loop), at_once(std::max(1, limit)) {}

  Turn Take() { return std::make_shared<Counted>(shared_from_this()); }

  void Next() {
    while (active < at_once && !waiting.empty()) {
      const auto begin = std::move(waiting.front());
      waiting.pop_front();
      begin(Take());
    }
  }

  /// Whoever ended one is in the middle of something, and may go on with its own pod.
  void NextSoon() {
    if (waiting.empty()) return;
    loop.Post([weak = weak_from_this()] {
      if (const auto state = weak.lock()) state->Next();
    });
  }

  Loop& loop;
  const int at_once;
  int active = 0;
  std::deque<std::function<void(Turn)>> waiting;
};

StartQueue::StartQueue(Loop& loop, int at_once) : state_(std::make_shared<State>(loop, at_once)) {}

void StartQueue::Wait(std::function<void(Turn)> begin) {
  state_->waiting.push_back(std::move(begin));
  state_->Next();
}

StartQueue::Turn StartQueue::Take() { return state_->Take(); }

}  // namespace slicelet::agent
