#include "kube/http/line_splitter.h"

namespace slicelet::kube {
namespace {

std::string_view WithoutReturn(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

}  // namespace

absl::Status LineSplitter::Feed(std::string_view bytes,
                                const std::function<void(std::string_view)>& on_line) {
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (partial_.size() + piece.size() > max_line_) {
      return absl::ResourceExhaustedError("a line of the watch is longer than " + std::to_string(max_line_) +
                                          " bytes");
    }
    if (end == std::string_view::npos) {
      partial_.append(piece);
      return absl::OkStatus();
    }
    bytes.remove_prefix(end + 1);
    if (partial_.empty()) {
      // The usual case: the whole line arrived at once and need not be copied.
      if (!WithoutReturn(piece).empty()) on_line(WithoutReturn(piece));
      continue;
    }
    partial_.append(piece);
    std::string line;
    line.swap(partial_);
    if (!WithoutReturn(line).empty()) on_line(WithoutReturn(line));
  }
  return absl::OkStatus();
}

}  // namespace slicelet::kube
