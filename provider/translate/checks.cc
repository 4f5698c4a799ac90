#include <algorithm>
#include <cctype>
#include <cmath>

#include "provider/translate/parts.h"

namespace slicelet::provider {
namespace {

constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxSubdomain = 253;

bool IsLowerAlnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

bool IsDnsLabel(const std::string& text) {
  return !text.empty() && text.size() <= kMaxLabel && IsLowerAlnum(text.front()) &&
         IsLowerAlnum(text.back()) &&
         std::ranges::all_of(text, [](char c) { return IsLowerAlnum(c) || c == '-'; });
}

bool IsDnsSubdomain(const std::string& text) {
  if (text.empty() || text.size() > kMaxSubdomain) return false;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    // Parts of a subdomain may be longer than a label.
    if (part.empty() || !IsLowerAlnum(part.front()) || !IsLowerAlnum(part.back())) return false;
    if (!std::ranges::all_of(part, [](char c) { return IsLowerAlnum(c) || c == '-'; })) return false;
    begin = end + 1;
  }
  return true;
}

bool IsInnerPath(const std::string& path) {
  if (path.empty() || path.front() == '/' || path.find('\0') != std::string::npos) return false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    if (path.substr(begin, end - begin) == "..") return false;
    begin = end + 1;
  }
  return true;
}

std::optional<Duration> ParseDuration(const std::string& text) {
  static const std::map<std::string, double> kUnits = {{"ns", 1},   {"us", 1e3},   {"ms", 1e6},   {"s", 1e9},
                                                       {"m", 6e10}, {"h", 3.6e12}, {"d", 8.64e13}};
  double total = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t number = at;
    while (at < text.size() && (std::isdigit(static_cast<unsigned char>(text[at])) != 0 || text[at] == '.'))
      ++at;
    const std::size_t unit = at;
    while (at < text.size() && std::isalpha(static_cast<unsigned char>(text[at])) != 0) ++at;
    const auto factor = kUnits.find(text.substr(unit, at - unit));
    const std::string digits = text.substr(number, unit - number);
    if (factor == kUnits.end() || digits.empty() || digits.size() > 18 ||
        std::ranges::count(digits, '.') > 1 || digits == ".") {
      return std::nullopt;
    }
    total += std::stod(digits) * factor->second;
  }
  // Longer than 100 years is a mistake, and would overflow.
  if (total < 1 || total > 3.2e18) return std::nullopt;
  return Duration(static_cast<Duration::rep>(std::llround(total)));
}

}  // namespace slicelet::provider
