#include "common/log/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <cctype>
#include <memory>
#include <mutex>

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

/// The size of the character that begins at `at`, in UTF-8 as RFC 3629 has it. 0: there is none, or it is one
/// of the control characters beyond ASCII, which a terminal obeys too.
std::size_t CharacterAt(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  const auto follows = [&](std::size_t i) { return byte(i) >= 0x80 && byte(i) <= 0xbf; };
  const unsigned first = byte(0);
  if (first < 0x80) return IsControl(static_cast<unsigned char>(first)) ? 0 : 1;
  if (first < 0xc2 || first > 0xf4 || !follows(1)) return 0;
  if (first < 0xe0) return first == 0xc2 && byte(1) < 0xa0 ? 0 : 2;
  if (first < 0xf0) {
    // Neither what two bytes can say, nor half of a UTF-16 pair.
    if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return 0;
    return follows(2) ? 3 : 0;
  }
  if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return 0;
  return follows(2) && follows(3) ? 4 : 0;
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
