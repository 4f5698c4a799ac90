#include "edge-agent/logs/log_tail.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "common/base/time.h"
#include "common/logs/log_line.h"

namespace slicelet::agent {
namespace {

/// The last `limit` bytes of a file. "" when it is gone, which happens when logs are rotated.
std::string ReadEnd(const std::string& path, std::uint64_t limit) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return "";
  const off_t end = lseek(fd, 0, SEEK_END);
  const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(limit));
  std::string text(static_cast<std::size_t>(std::max<off_t>(0, end - begin)), '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t n =
        pread(fd, text.data() + filled, text.size() - filled, begin + static_cast<off_t>(filled));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    filled += static_cast<std::size_t>(n);
  }
  close(fd);
  text.resize(filled);
  // What was cut into: the beginning by the limit, the end by being written now.
  if (begin > 0) {
    const auto newline = text.find('\n');
    text.erase(0, newline == std::string::npos ? text.size() : newline + 1);
  }
  text.resize(text.rfind('\n') + 1);
  return text;
}

struct Line {
  std::string_view text;  // with its line feed
  std::int64_t time = 0;
};

std::vector<Line> LinesOf(std::string_view text) {
  std::vector<Line> lines;
  while (!text.empty()) {
    const auto end = text.find('\n') + 1;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    const auto parsed = ParseLogLine(line.substr(0, end - 1));
    if (!parsed) continue;
    const auto time = ParseTime(std::string(parsed->timestamp));
    if (time.ok()) lines.push_back({line, ToUnixNanos(*time)});
  }
  return lines;
}

std::size_t SizeOf(const Line& line) { return std::min(line.text.size(), kMaxLogTailLine); }

}  // namespace

v1::LogTail ReadLogTail(const std::vector<std::string>& files, std::int64_t after, std::uint64_t limit) {
  limit = std::min(limit, kMaxLogTailBytes);
  std::string text;
  for (std::size_t i = files.size(); i-- > 0 && text.size() < limit;)
    text.insert(0, ReadEnd(files[i], limit - text.size()));
  const std::vector<Line> lines = LinesOf(text);

  v1::LogTail tail;
  std::size_t begin = 0;
  for (std::size_t i = lines.size(); after != 0 && begin == 0 && i-- > 0;)
    if (lines[i].time == after) begin = i + 1;
  tail.set_continues(begin > 0);

  std::size_t end = begin;
  std::size_t bytes = 0;
  while (end < lines.size() && bytes + SizeOf(lines[end]) <= kLogTailPiece) bytes += SizeOf(lines[end++]);
  tail.set_more(end < lines.size());
  if (tail.more()) {
    // The next piece is found by the time of the last line: lines of one time stay together.
    std::size_t whole = end;
    while (whole > begin && lines[whole - 1].time == lines[end].time) --whole;
    if (whole > begin) end = whole;
  }
  for (std::size_t i = begin; i < end; ++i) {
    tail.mutable_lines()->append(lines[i].text.substr(0, SizeOf(lines[i])));
    if (lines[i].text.size() > kMaxLogTailLine) tail.mutable_lines()->back() = '\n';
  }
  return tail;
}

const std::vector<std::string>* FilesOfInstance(const v1::ContainerStatus& status,
                                                const std::string& container_id,
                                                const std::vector<std::string>& logs,
                                                const std::vector<std::string>& previous_logs) {
  if (container_id.empty()) return nullptr;
  const bool shown = status.container_id() == container_id;
  const bool last = status.last_state().terminated().container_id() == container_id;
  // While another attempt is about to be made, the status still shows the one before it.
  const bool newest = shown && (!status.state().has_waiting() || !logs.empty());
  if (!shown && !last) return nullptr;
  const std::vector<std::string>& files = newest ? logs : previous_logs;
  return files.empty() ? nullptr : &files;
}

}  // namespace slicelet::agent
