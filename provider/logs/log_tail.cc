#include "provider/logs/log_tail.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>
#include <vector>

#include "common/logs/log_line.h"

namespace slicelet::provider {
namespace {

constexpr int kMaxInstances = 2;

/// Calls `visit` for each line, without its line feed.
template <typename Visit>
void ForEachLine(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    visit(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

/// Whole lines from the end, of at most `limit` bytes.
std::string EndOf(const std::string& lines, std::size_t limit) {
  if (lines.size() <= limit) return lines;
  // A line that begins exactly there is whole.
  const auto newline = lines.find('\n', lines.size() - limit - 1);
  return newline == std::string::npos ? "" : lines.substr(newline + 1);
}

std::string LastLines(const std::string& lines, std::int64_t count) {
  std::size_t begin = lines.size();
  for (; count > 0 && begin > 0; --count) {
    const auto newline = begin < 2 ? std::string::npos : lines.rfind('\n', begin - 2);
    begin = newline == std::string::npos ? 0 : newline + 1;
  }
  return lines.substr(begin);
}

std::string Ago(Duration age) {
  using std::chrono::duration_cast;
  const auto seconds = std::max<std::int64_t>(0, duration_cast<std::chrono::seconds>(age).count());
  const auto of = [](std::int64_t value, const char* unit) { return std::to_string(value) + unit; };
  if (seconds < 60) return of(seconds, "s");
  if (seconds < 3'600) return of(seconds / 60, "m");
  if (seconds < 86'400) return of(seconds / 3'600, "h") + of(seconds % 3'600 / 60, "m");
  return of(seconds / 86'400, "d") + of(seconds % 86'400 / 3'600, "h");
}

}  // namespace

std::string LogLinesOf(const std::string& text, std::int64_t& through) {
  std::string lines;
  ForEachLine(std::string_view(text).substr(0, text.rfind('\n') + 1), [&](std::string_view line) {
    const auto parsed = ParseLogLine(line);
    if (!parsed) return;
    const auto time = ParseTime(std::string(parsed->timestamp));
    if (!time.ok()) return;
    through = ToUnixNanos(*time);
    lines.append(line).append("\n");
  });
  return lines;
}

const v1::LogTailRecord::Instance* FindInstance(const v1::LogTailRecord& record,
                                                const std::string& container_id) {
  for (const auto& instance : record.instances()) {
    if (instance.container_id() == container_id) return &instance;
  }
  return nullptr;
}

void AddToLogTail(HubStore::LogTail& kept, LogTailRead read) {
  std::vector<std::pair<v1::LogTailRecord::Instance, std::string>> instances;
  std::size_t at = 0;
  for (const auto& instance : kept.record.instances()) {
    instances.emplace_back(instance, at < kept.lines.size() ? kept.lines.substr(at, instance.bytes()) : "");
    at += instance.bytes();
  }
  auto it = std::find_if(instances.begin(), instances.end(),
                         [&](const auto& entry) { return entry.first.container_id() == read.container_id; });
  if (it == instances.end()) {
    it = instances.emplace(instances.end());
    it->first.set_container_id(read.container_id);
  }
  auto& [instance, lines] = *it;
  lines = read.continues ? lines + read.lines : std::move(read.lines);
  if (read.through != 0 || !read.continues) instance.set_through(read.through);
  instance.set_taken(read.taken);
  instance.set_ended(read.ended);

  if (instances.size() > kMaxInstances) instances.erase(instances.begin(), instances.end() - kMaxInstances);
  std::size_t left = kMaxLogTail;
  for (std::size_t i = instances.size(); i-- > 0;) {
    instances[i].second = EndOf(instances[i].second, left);
    left -= instances[i].second.size();
  }
  kept = {};
  for (auto& [record, text] : instances) {
    record.set_bytes(static_cast<std::uint32_t>(text.size()));
    *kept.record.add_instances() = record;
    kept.lines += text;
  }
}

absl::StatusOr<std::string> ShowLogTail(const HubStore::LogTail& kept, const HostId& host,
                                        const std::string& current, const v1::LogOptions& options,
                                        WallTime now) {
  const auto& instances = kept.record.instances();
  int shown = instances.size() - 1;
  // The newest that is kept is the previous one while nothing is kept of the present one.
  const bool newest_is_current =
      shown >= 0 && (current.empty() || instances[shown].container_id() == current);
  if (options.previous() && newest_is_current) --shown;
  if (shown < 0) {
    return absl::NotFoundError("host " + host.value() + " is not reachable, and of a previous instance of " +
                               "the container nothing is kept");
  }
  std::size_t begin = 0;
  for (int i = 0; i < shown; ++i) begin += instances[i].bytes();
  const auto& instance = instances[shown];
  const WallTime taken = FromUnixNanos(instance.taken());
  std::string out = "slicelet: host " + host.value() + " is not reachable; this end of the log was read at " +
                    FormatTime(taken) + ", " + Ago(now - taken) + " ago";
  if (!options.previous() && !newest_is_current) out += ", and another instance has begun since";
  out += '\n';

  std::string lines = begin < kept.lines.size() ? kept.lines.substr(begin, instance.bytes()) : "";
  if (options.has_tail_lines() && options.tail_lines() >= 0) lines = LastLines(lines, options.tail_lines());
  LogFormatter formatter(options, now);
  ForEachLine(lines, [&](std::string_view line) { formatter.Add(line, out); });
  return out;
}

}  // namespace slicelet::provider
