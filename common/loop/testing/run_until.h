#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>

#include "common/loop/asio_loop.h"

namespace slicelet {

/// How long a test on real time waits for what must happen: enough for a machine that compiles meanwhile.
/// Only a failing test waits that long.
inline constexpr Duration kPatience = std::chrono::seconds(120);

/// Runs `loop` until `done` holds. False when patience ended first. Looks again without an event too, because
/// a file or another thread may be what is waited for.
template <typename Predicate>
[[nodiscard]] bool RunLoopUntil(AsioLoop& loop, const Predicate& done) {
  auto* context = static_cast<boost::asio::io_context*>(loop.io_context());
  const MonotonicTime limit = loop.Now() + kPatience;
  while (!done()) {
    if (loop.Now() > limit) return false;
    context->run_one_for(std::chrono::milliseconds(20));
  }
  return true;
}

}  // namespace slicelet
