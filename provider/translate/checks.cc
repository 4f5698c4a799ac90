#include <algorithm>
#include <cctype>
#include <cmath>

#include "provider/translate/parts.h"

namespace slicelet::provider {

std::string TrimBlanks(const std::string& text) {
  const auto begin = text.find_first_not_of(" \t\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\n") - begin + 1);
}

std::vector<std::string> SplitList(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(TrimBlanks(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  if (parts.back().empty()) parts.pop_back();
  return parts;
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
