#include "common/loop/asio_loop.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <unordered_map>
#include <utility>  // Boost 1.74 forgets it in a coroutine header.
#include <vector>

namespace slicelet {
namespace asio = boost::asio;

struct AsioLoop::Impl {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(context);
  std::unordered_map<TimerId, std::unique_ptr<asio::steady_timer>> timers;
  TimerId next_timer = 1;
  std::vector<std::unique_ptr<asio::signal_set>> signal_sets;
};

AsioLoop::AsioLoop() : impl_(std::make_unique<Impl>()) {}
AsioLoop::~AsioLoop() = default;

void AsioLoop::Post(Task task) { asio::post(impl_->context, std::move(task)); }

Loop::TimerId AsioLoop::RunAfter(Duration delay, Task task) {
  const TimerId id = impl_->next_timer++;
  auto timer = std::make_unique<asio::steady_timer>(impl_->context);
  timer->expires_after(delay);
  timer->async_wait([this, id, task = std::move(task)](const boost::system::error_code&) {
    // A cancelled timer's handler may already be queued: being in the table is what counts.
    if (impl_->timers.erase(id) == 1) task();
  });
  impl_->timers.emplace(id, std::move(timer));
  return id;
}

void AsioLoop::Cancel(TimerId timer) { impl_->timers.erase(timer); }

MonotonicTime AsioLoop::Now() const {
  return MonotonicTime(
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

void AsioLoop::Run() { impl_->context.run(); }

void AsioLoop::Stop() { impl_->context.stop(); }

void* AsioLoop::io_context() { return &impl_->context; }

void AsioLoop::OnSignals(std::initializer_list<int> signals, std::function<void(int)> task) {
  auto set = std::make_unique<asio::signal_set>(impl_->context);
  for (const int signal : signals) set->add(signal);
  auto* raw = set.get();
  impl_->signal_sets.push_back(std::move(set));
  // Waits again after each delivery, for as long as the set lives.
  auto wait = std::make_shared<std::function<void()>>();
  *wait = [raw, task = std::move(task), weak = std::weak_ptr(wait)] {
    raw->async_wait([task, strong = weak.lock()](const boost::system::error_code& error, int signal) {
      if (error) return;
      task(signal);
      if (strong) (*strong)();
    });
  };
  (*wait)();
}

}  // namespace slicelet
