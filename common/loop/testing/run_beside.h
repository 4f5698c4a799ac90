#pragma once

#include <boost/asio/io_context.hpp>
#include <future>

#include "common/loop/asio_loop.h"

namespace slicelet {

/// Runs a conversation that blocks on a thread of its own, while `loop` serves it, and returns its result.
template <typename Talk>
auto RunBeside(AsioLoop& loop, const Talk& talk) {
  auto result = std::async(std::launch::async, [&] {
    auto value = talk();
    loop.Stop();
    return value;
  });
  loop.Run();
  static_cast<boost::asio::io_context*>(loop.io_context())->restart();
  return result.get();
}

}  // namespace slicelet
