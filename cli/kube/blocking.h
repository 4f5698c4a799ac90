#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "common/base/status.h"
#include "common/loop/asio_loop.h"

namespace slicelet::cli {

/// Runs the loop until `done` holds; a command waits for one thing at a time.
void RunUntil(AsioLoop& loop, const std::function<bool()>& done);

/// Starts something and runs the loop until its answer is there.
template <typename T>
absl::StatusOr<T> Await(AsioLoop& loop, const std::function<void(Callback<T>)>& start) {
  std::optional<absl::StatusOr<T>> answer;
  start([&](absl::StatusOr<T> result) { answer = std::move(result); });
  RunUntil(loop, [&] { return answer.has_value(); });
  return *std::move(answer);
}

}  // namespace slicelet::cli
