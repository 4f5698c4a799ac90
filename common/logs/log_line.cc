#include "common/logs/log_line.h"

#include <algorithm>
#include <chrono>

namespace slicelet {

std::optional<LogLine> ParseLogLine(std::string_view line) {
  LogLine parsed;
  const auto take = [&line]() -> std::string_view {
    const auto space = line.find(' ');
    const auto word = line.substr(0, space);
    line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
    return word;
  };
  parsed.timestamp = take();
  parsed.stream = take();
  const auto tags = take();
  if (parsed.timestamp.empty() || (parsed.stream != "stdout" && parsed.stream != "stderr") || tags.empty()) {
    return std::nullopt;
  }
  // Tags are separated by colons; the first one says whether the line is whole.
  const auto first = tags.substr(0, tags.find(':'));
  if (first != "P" && first != "F") return std::nullopt;
  parsed.partial = first == "P";
  parsed.text = line;
  return parsed;
}

LogFormatter::LogFormatter(const v1::LogOptions& options, WallTime now) : timestamps_(options.timestamps()) {
  if (options.has_since_time()) since_ = FromUnixNanos(options.since_time());
  if (options.has_since_seconds()) since_ = now - std::chrono::seconds(options.since_seconds());
  if (options.has_limit_bytes() && options.limit_bytes() >= 0) {
    left_ = static_cast<std::uint64_t>(options.limit_bytes());
  }
}

void LogFormatter::Append(std::string_view text, std::string& out) {
  const auto size = left_ ? std::min<std::uint64_t>(*left_, text.size()) : text.size();
  out.append(text.substr(0, size));
  if (left_) *left_ -= size;
}

void LogFormatter::Add(std::string_view line, std::string& out) {
  const auto parsed = ParseLogLine(line);
  if (!parsed) return;
  if (since_) {
    const auto time = ParseTime(std::string(parsed->timestamp));
    if (!time.ok() || *time < *since_) return;
    // Lines are in order of time: the rest needs no check.
    since_.reset();
  }
  if (timestamps_ && !in_line_) {
    Append(parsed->timestamp, out);
    Append(" ", out);
  }
  Append(parsed->text, out);
  if (!parsed->partial) Append("\n", out);
  in_line_ = parsed->partial;
}

}  // namespace slicelet
