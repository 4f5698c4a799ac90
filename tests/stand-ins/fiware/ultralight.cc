#include "tests/stand-ins/fiware/ultralight.h"

namespace slicelet::fiware {
namespace {

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find(separator, begin)) != std::string::npos; begin = end + 1) {
    parts.push_back(text.substr(begin, end - begin));
  }
  parts.push_back(text.substr(begin));
  return parts;
}

/// "2026-01-31T10:00:00Z", with or without parts of a second.
bool IsTime(const std::string& text) {
  static constexpr char kForm[] = "0000-00-00T00:00:00";
  constexpr std::size_t kLength = sizeof kForm - 1;
  if (text.size() <= kLength || text.back() != 'Z') return false;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  for (std::size_t i = 0; i < kLength; ++i) {
    if (kForm[i] == '0' ? !digit(text[i]) : text[i] != kForm[i]) return false;
  }
  const std::string rest = text.substr(kLength, text.size() - kLength - 1);
  if (rest.empty()) return true;
  return rest.size() > 1 && rest[0] == '.' && rest.find_first_not_of("0123456789", 1) == std::string::npos;
}

}  // namespace

UltraLightMessage ParseUltraLight(const std::string& text) {
  UltraLightMessage message;
  const auto refuse = [](const std::string& why) { return UltraLightMessage{{}, why}; };
  if (text.find('@') != std::string::npos) return refuse("commands are not known here: '" + text + "'");
  for (const std::string& group : Split(text, '#')) {
    std::vector<std::string> fields = Split(group, '|');
    Measure measure;
    if (fields.size() % 2 == 1) {
      if (fields.size() == 1 || !IsTime(fields.front())) {
        return refuse("odd number of fields in '" + group + "'");
      }
      measure.time = fields.front();
      fields.erase(fields.begin());
    }
    for (std::size_t i = 0; i < fields.size(); i += 2) {
      if (fields[i].empty()) return refuse("a value without a name in '" + group + "'");
      measure.values.emplace_back(fields[i], fields[i + 1]);
    }
    message.measures.push_back(std::move(measure));
  }
  return message;
}

}  // namespace slicelet::fiware
