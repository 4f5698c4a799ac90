#include "common/base/time.h"

#include <cctype>
#include <cstdio>
#include <ctime>

namespace slicelet {
namespace {

std::tm BrokenDown(std::int64_t seconds) {
  std::time_t time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  return parts;
}

std::int64_t FloorSeconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

/// Reads exactly `digits` decimal digits at `*at`.
bool ReadNumber(const std::string& text, std::size_t* at, int digits, int* value) {
  *value = 0;
  for (int i = 0; i < digits; ++i, ++*at) {
    if (*at >= text.size() || std::isdigit(static_cast<unsigned char>(text[*at])) == 0) return false;
    *value = *value * 10 + (text[*at] - '0');
  }
  return true;
}

bool ReadChar(const std::string& text, std::size_t* at, char wanted) {
  if (*at >= text.size() || std::toupper(static_cast<unsigned char>(text[*at])) != wanted) return false;
  ++*at;
  return true;
}

}  // namespace

std::string FormatTime(WallTime time) {
  const std::tm parts = BrokenDown(FloorSeconds(time));
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string FormatMicroTime(WallTime time) {
  const std::int64_t seconds = FloorSeconds(time);
  const std::tm parts = BrokenDown(seconds);
  char date[32];
  std::strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts);
  const auto micros = (ToUnixNanos(time) - seconds * 1'000'000'000) / 1'000;
  char text[64];
  std::snprintf(text, sizeof(text), "%s.%06dZ", date, static_cast<int>(micros));
  return text;
}

absl::StatusOr<WallTime> ParseTime(const std::string& text) {
  const auto error = [&] { return absl::InvalidArgumentError("\"" + text + "\" is not an RFC 3339 time"); };
  std::size_t at = 0;
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (!ReadNumber(text, &at, 4, &year) || !ReadChar(text, &at, '-') || !ReadNumber(text, &at, 2, &month) ||
      !ReadChar(text, &at, '-') || !ReadNumber(text, &at, 2, &day) || !ReadChar(text, &at, 'T') ||
      !ReadNumber(text, &at, 2, &hour) || !ReadChar(text, &at, ':') || !ReadNumber(text, &at, 2, &minute) ||
      !ReadChar(text, &at, ':') || !ReadNumber(text, &at, 2, &second)) {
    return error();
  }
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
    return error();
  std::int64_t nanos = 0;
  if (at < text.size() && text[at] == '.') {
    ++at;
    std::int64_t scale = 100'000'000;
    const std::size_t first = at;
    for (; at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) != 0; ++at, scale /= 10) {
      nanos += (text[at] - '0') * scale;
    }
    if (at == first) return error();
  }
  std::int64_t offset = 0;
  if (!ReadChar(text, &at, 'Z')) {
    if (at >= text.size() || (text[at] != '+' && text[at] != '-')) return error();
    const int sign = text[at++] == '+' ? 1 : -1;
    int offset_hours = 0, offset_minutes = 0;
    if (!ReadNumber(text, &at, 2, &offset_hours) || !ReadChar(text, &at, ':') ||
        !ReadNumber(text, &at, 2, &offset_minutes)) {
      return error();
    }
    offset = std::int64_t{sign} * (offset_hours * 3600 + offset_minutes * 60);
  }
  if (at != text.size()) return error();
  std::tm parts{};
  parts.tm_year = year - 1900;
  parts.tm_mon = month - 1;
  parts.tm_mday = day;
  parts.tm_hour = hour;
  parts.tm_min = minute;
  parts.tm_sec = second;
  const std::int64_t seconds = static_cast<std::int64_t>(timegm(&parts)) - offset;
  return FromUnixNanos(seconds * 1'000'000'000 + nanos);
}

WallTime SystemClock::Now() const {
  return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
}

}  // namespace slicelet
