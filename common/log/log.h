#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "common/base/ids.h"

namespace slicelet {

/// key=value, ids first. Secrets and tokens never.
struct LogField {
  LogField(std::string_view key, std::string_view value) : key(key), value(value) {}
  LogField(std::string_view key, const char* value) : key(key), value(value) {}
  LogField(std::string_view key, const std::string& value) : key(key), value(value) {}
  LogField(std::string_view key, std::int64_t value) : key(key), value(std::to_string(value)) {}
  LogField(std::string_view key, std::uint64_t value) : key(key), value(std::to_string(value)) {}
  LogField(std::string_view key, int value) : key(key), value(std::to_string(value)) {}
  LogField(std::string_view key, bool value) : key(key), value(value ? "true" : "false") {}
  template <typename Tag>
  LogField(std::string_view key, const StrongString<Tag>& id) : key(key), value(id.value()) {}
  LogField(std::string_view key, const Generation& g)
      : key(key), value(std::to_string(g.epoch) + "." + std::to_string(g.number)) {}

  std::string_view key;
  std::string value;
};

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

/// One line: time, level, `what` (a fact, lower case, no full stop), then the fields. The only global of
/// slicelet. May be called from any thread.
void Log(LogLevel level, std::string_view what, std::initializer_list<LogField> fields = {});

void SetLogLevel(LogLevel level);
[[nodiscard]] LogLevel GetLogLevel();
/// "debug", "info", "warning", "error", "off"; anything else keeps the level and returns false.
bool SetLogLevel(std::string_view name);
/// Replaces the sink (standard error) by `sink`; empty restores it. For tests and for the simulation's story.
void SetLogSink(std::function<void(LogLevel, const std::string& line)> sink);

inline void LogDebug(std::string_view what, std::initializer_list<LogField> fields = {}) {
  if (GetLogLevel() <= LogLevel::kDebug) Log(LogLevel::kDebug, what, fields);
}
inline void LogInfo(std::string_view what, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kInfo, what, fields);
}
inline void LogWarning(std::string_view what, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kWarning, what, fields);
}
inline void LogError(std::string_view what, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kError, what, fields);
}

}  // namespace slicelet
