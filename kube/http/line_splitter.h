#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/status.h"

namespace slicelet::kube {

/// Cuts a byte stream that arrives in arbitrary pieces into lines. A watch sends one JSON object per line.
class LineSplitter {
 public:
  /// An object of 1.5 MiB, etcd's limit, is less than this as JSON with managed fields.
  static constexpr std::size_t kMaxLine = std::size_t{16} << 20;

  explicit LineSplitter(std::size_t max_line = kMaxLine) : max_line_(max_line) {}

  /// Calls `on_line` for every line that `bytes` completes, without its line end; empty lines are left out.
  /// ResourceExhausted when a line grows longer than the limit: nothing of the stream can be used after that.
  absl::Status Feed(std::string_view bytes, const std::function<void(std::string_view)>& on_line);

 private:
  const std::size_t max_line_;
  std::string partial_;
};

}  // namespace slicelet::kube
