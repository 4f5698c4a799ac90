#include "common/base/downward.h"

#include <string_view>

namespace slicelet {
namespace {

/// For the characters that labels and annotations can hold.
std::string Quote(const std::string& text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        quoted += "\\\"";
        break;
      case '\\':
        quoted += "\\\\";
        break;
      case '\n':
        quoted += "\\n";
        break;
      case '\r':
        quoted += "\\r";
        break;
      case '\t':
        quoted += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          quoted += "\\x";
          quoted += kHex[(c >> 4) & 0xf];
          quoted += kHex[c & 0xf];
        } else {
          quoted += c;
        }
    }
  }
  return quoted + "\"";
}

}  // namespace

std::string FormatDownwardMap(const std::map<std::string, std::string>& map) {
  std::string text;
  for (const auto& [key, value] : map) {
    if (!text.empty()) text += '\n';
    text.append(key).append("=").append(Quote(value));
  }
  return text;
}

std::optional<std::string> DownwardKey(const std::string& path, const std::string& map) {
  constexpr std::string_view kEnd = "']";
  const std::string begin = map + "['";
  if (path.size() < begin.size() + kEnd.size() || !path.starts_with(begin) || !path.ends_with(kEnd)) {
    return std::nullopt;
  }
  return path.substr(begin.size(), path.size() - begin.size() - kEnd.size());
}

}  // namespace slicelet
