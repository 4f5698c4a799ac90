#include "common/log/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <cctype>
#include <memory>
#include <mutex>

#include "common/base/utf8.h"

namespace slicelet {
namespace {

using Sink = std::function<void(LogLevel, const std::string& line)>;

/// Longer values are cut: a line is a fact, not a document.
constexpr std::size_t kMaxValue = 2'048;

std::atomic<LogLevel> current_level{LogLevel::kInfo};

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

spdlog::logger& StandardError() {
  // Never destroyed: the last line may come from the destructor of another static object.
  static spdlog::logger* const logger = [] {
    auto* made = new spdlog::logger("slicelet", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %l %v", spdlog::pattern_time_type::utc);
    // Filtering happened before.
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

std::mutex& SinkMutex() {
  static std::mutex* const mutex = new std::mutex;
  return *mutex;
}

/// Guarded by SinkMutex.
std::shared_ptr<const Sink>& CustomSink() {
  static auto* const sink = new std::shared_ptr<const Sink>;
  return *sink;
}

bool IsControl(unsigned char byte) { return byte < ' ' || byte == 0x7f; }

/// The size of the character that begins at `at`. 0: there is none, or it is a control character, of which a
/// terminal obeys those beyond ASCII too.
std::size_t CharacterAt(const std::string& text, std::size_t at) {
  const std::size_t size = CharacterSize(text, at);
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const bool control = (size == 1 && IsControl(byte(0))) || (size == 2 && byte(0) == 0xc2 && byte(1) < 0xa0);
  return control ? 0 : size;
}

bool NeedsQuotes(const std::string& value) {
  if (value.empty() || value.find_first_of(" \"=\\") != std::string::npos) return true;
  for (std::size_t at = 0; at < value.size();) {
    const std::size_t size = CharacterAt(value, at);
    if (size == 0) return true;
    at += size;
  }
  return false;
}

/// Quotes where a reader of key=value could be misled; control characters never reach the terminal, and what
/// is no text does not make a line binary.
void AppendValue(std::string* line, const std::string& value) {
  const bool cut = value.size() > kMaxValue;
  const std::string shown = cut ? value.substr(0, kMaxValue) + "..." : value;
  if (!NeedsQuotes(shown)) {
    *line += shown;
    return;
  }
  static constexpr char kDigits[] = "0123456789abcdef";
  *line += '"';
  for (std::size_t at = 0; at < shown.size();) {
    const char c = shown[at];
    const std::size_t size = CharacterAt(shown, at);
    if (c == '"' || c == '\\') {
      *line += '\\';
      *line += c;
    } else if (c == '\n') {
      *line += "\\n";
    } else if (c == '\t') {
      *line += "\\t";
    } else if (size == 0) {
      const auto byte = static_cast<unsigned char>(c);
      *line += "\\x";
      *line += kDigits[byte >> 4];
      *line += kDigits[byte & 0xf];
    } else {
      line->append(shown, at, size);
    }
    at += size == 0 ? 1 : size;
  }
  *line += '"';
}

}  // namespace

void Log(LogLevel level, std::string_view what, std::initializer_list<LogField> fields) {
  if (level < current_level.load(std::memory_order_relaxed) || level == LogLevel::kOff) return;
  std::string line(what);
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    AppendValue(&line, field.value);
  }
  std::shared_ptr<const Sink> sink;
  {
    const std::lock_guard lock(SinkMutex());
    sink = CustomSink();
  }
  if (sink) {
    (*sink)(level, line);
  } else {
    StandardError().log(ToSpdlog(level), spdlog::string_view_t(line.data(), line.size()));
  }
}

void SetLogLevel(LogLevel level) { current_level.store(level, std::memory_order_relaxed); }

LogLevel GetLogLevel() { return current_level.load(std::memory_order_relaxed); }

bool SetLogLevel(std::string_view name) {
  static constexpr std::pair<std::string_view, LogLevel> kNames[] = {{"debug", LogLevel::kDebug},
                                                                     {"info", LogLevel::kInfo},
                                                                     {"warning", LogLevel::kWarning},
                                                                     {"error", LogLevel::kError},
                                                                     {"off", LogLevel::kOff}};
  for (const auto& [known, level] : kNames) {
    if (known == name) {
      SetLogLevel(level);
      return true;
    }
  }
  return false;
}

void SetLogSink(Sink sink) {
  auto replacement = sink ? std::make_shared<const Sink>(std::move(sink)) : nullptr;
  const std::lock_guard lock(SinkMutex());
  CustomSink() = std::move(replacement);
}

}  // namespace slicelet
