#include "edge-agent/pod/log_files.h"

#include <algorithm>
#include <cstdlib>

namespace slicelet::agent {
namespace {

constexpr std::size_t kTailBytes = 2048;
constexpr int kTailLines = 80;
/// Of nanoseconds since 1970, until the year 2286.
constexpr std::size_t kDigits = 19;

/// Sorts after the rotated files in `all`, also where the clock went back, as at the start of a machine
/// without a battery.
std::string RotatedName(const std::vector<std::string>& all, const std::string& path, std::int64_t now) {
  if (all.size() > 1) {
    const std::string newest = all[all.size() - 2].substr(path.size() + 1);
    now = std::max<std::int64_t>(now, std::strtoll(newest.c_str(), nullptr, 10) + 1);
  }
  const std::string digits = std::to_string(now);
  return path + "." + std::string(kDigits - std::min(kDigits, digits.size()), '0') + digits;
}

}  // namespace

std::vector<std::string> LogFiles(FileSystem& files, const std::string& directory, std::int32_t attempt) {
  const std::string current = std::to_string(attempt) + ".log";
  std::vector<std::string> found;
  const auto names = files.List(directory);
  if (!names.ok()) return found;
  bool has_current = false;
  for (const auto& name : *names) {
    if (name == current) has_current = true;
    if (name.rfind(current + ".", 0) == 0) found.push_back(directory + "/" + name);
  }
  std::sort(found.begin(), found.end());
  // Where some were moved aside the runtime is about to make it.
  if (has_current || !found.empty()) found.push_back(directory + "/" + current);
  return found;
}

bool RotateLog(FileSystem& files, const std::string& directory, std::int32_t attempt, std::uint64_t max_bytes,
               int max_files, std::int64_t now) {
  const auto names = files.List(directory);
  if (!names.ok()) return false;
  for (const auto& name : *names) {
    const long number = std::strtol(name.c_str(), nullptr, 10);
    // Nobody can ask for more than the current and the previous attempt.
    if (number < attempt - 1 && name.find(".log") != std::string::npos) {
      files.RemoveAll(directory + "/" + name).IgnoreError();
    }
  }
  const std::string path = directory + "/" + std::to_string(attempt) + ".log";
  const auto info = files.Stat(path);
  // It was moved aside and never opened anew, because the agent or the runtime ended in between: the runtime
  // still writes into the newest of those.
  if (absl::IsNotFound(info.status())) return !LogFiles(files, directory, attempt).empty();
  if (!info.ok() || info->size <= max_bytes) return false;
  const std::string aside = RotatedName(LogFiles(files, directory, attempt), path, now);
  if (!files.Rename(path, aside).ok()) return false;
  // With the one that the runtime makes now.
  const std::vector<std::string> all = LogFiles(files, directory, attempt);
  const int excess = static_cast<int>(all.size()) - std::max(2, max_files);
  for (int i = 0; i < excess; ++i) files.RemoveAll(all[static_cast<std::size_t>(i)]).IgnoreError();
  return true;
}

std::string LogTail(FileSystem& files, const std::string& path, std::uint64_t limit) {
  const auto text = files.Read(path, limit);
  if (!text.ok()) return "";
  std::string tail;
  std::size_t end = text->size();
  int lines = 0;
  while (end > 0 && tail.size() < kTailBytes && lines < kTailLines) {
    const std::size_t newline = end >= 2 ? text->rfind('\n', end - 2) : std::string::npos;
    const std::size_t begin = newline == std::string::npos ? 0 : newline + 1;
    const std::string line = text->substr(begin, end - begin);
    end = begin;
    // TIME STREAM TAG CONTENT; a partial line ("P") goes on in the next entry.
    const auto stream = line.find(' ');
    const auto tag = stream == std::string::npos ? stream : line.find(' ', stream + 1);
    const auto content = tag == std::string::npos ? tag : line.find(' ', tag + 1);
    if (content == std::string::npos) continue;
    std::string body = line.substr(content + 1);
    if (line[tag + 1] == 'P' && !body.empty() && body.back() == '\n') body.pop_back();
    tail.insert(0, body);
    ++lines;
  }
  if (tail.size() > kTailBytes) tail.erase(0, tail.size() - kTailBytes);
  return tail;
}

}  // namespace slicelet::agent
