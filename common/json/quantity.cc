#include "common/json/quantity.h"

#include <cctype>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

namespace slicelet {
namespace {

__extension__ using Wide = unsigned __int128;

/// 10^36 still fits into 128 bits.
constexpr int kMaxDigits = 36;
constexpr int kMaxExponent = 60;
constexpr Wide kCap = static_cast<Wide>(std::numeric_limits<std::int64_t>::max());

struct Scale {
  int power_of_ten = 0;
  int power_of_two = 0;
};

bool FindSuffix(const std::string& suffix, Scale* scale) {
  static const std::map<std::string, Scale> kSuffixes = {
      {"n", {-9, 0}},  {"u", {-6, 0}},  {"m", {-3, 0}},  {"", {0, 0}},   {"k", {3, 0}},   {"M", {6, 0}},
      {"G", {9, 0}},   {"T", {12, 0}},  {"P", {15, 0}},  {"E", {18, 0}}, {"Ki", {0, 10}}, {"Mi", {0, 20}},
      {"Gi", {0, 30}}, {"Ti", {0, 40}}, {"Pi", {0, 50}}, {"Ei", {0, 60}}};
  const auto it = kSuffixes.find(suffix);
  if (it != kSuffixes.end()) {
    *scale = it->second;
    return true;
  }
  // Decimal exponent: e or E and a signed number.
  if (suffix.size() < 2 || (suffix[0] != 'e' && suffix[0] != 'E')) return false;
  std::size_t at = 1;
  const bool negative = suffix[at] == '-';
  if (suffix[at] == '-' || suffix[at] == '+') ++at;
  if (at == suffix.size() || suffix.size() - at > 4) return false;
  int exponent = 0;
  for (; at < suffix.size(); ++at) {
    if (std::isdigit(static_cast<unsigned char>(suffix[at])) == 0) return false;
    exponent = exponent * 10 + (suffix[at] - '0');
  }
  if (exponent > kMaxExponent) return false;
  scale->power_of_ten = negative ? -exponent : exponent;
  return true;
}

/// value * factor, or the cap when it is larger.
Wide MultiplyCapped(Wide value, Wide factor) { return value > kCap / factor ? kCap : value * factor; }

absl::StatusOr<std::int64_t> Parse(const std::string& text, int extra_power_of_ten) {
  const auto error = [&] {
    return absl::InvalidArgumentError("\"" + text +
                                      "\" is not a quantity such as \"500m\", \"2\" or \"64Mi\"");
  };
  std::size_t at = 0;
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) ++at;
  Wide mantissa = 0;
  int digits = 0;
  int significant = 0;
  int fraction = 0;
  bool after_point = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.' && !after_point) {
      after_point = true;
      continue;
    }
    if (std::isdigit(static_cast<unsigned char>(c)) == 0) break;
    ++digits;
    if (significant > 0 || c != '0') ++significant;
    if (significant > kMaxDigits || digits > 1'000) return error();
    mantissa = mantissa * 10 + static_cast<unsigned>(c - '0');
    if (after_point) ++fraction;
  }
  Scale scale;
  if (digits == 0 || !FindSuffix(text.substr(at), &scale)) return error();

  int power = scale.power_of_ten - fraction + extra_power_of_ten;
  // Dividing with rounding up at each step equals rounding up once, and keeps the number small enough to
  // multiply.
  Wide value = mantissa;
  if (scale.power_of_two == 0) {
    for (; power < 0 && value > 0; ++power) value = (value + 9) / 10;
    for (; power > 0 && value > 0; --power) value = MultiplyCapped(value, 10);
  } else {
    // 2^60 times more than 2^67 cannot be the intention of anything that is divided by less than 10^20.
    if (value > (static_cast<Wide>(1) << 67)) return error();
    value <<= scale.power_of_two;
    for (; power > 0 && value > 0; --power) value = MultiplyCapped(value, 10);
    for (; power < 0 && value > 0; ++power) value = (value + 9) / 10;
  }
  if (value > kCap) value = kCap;
  const auto result = static_cast<std::int64_t>(value);
  return negative ? -result : result;
}

absl::StatusOr<std::int64_t> ParseValue(const Json& value, int extra_power_of_ten) {
  if (value.is_string()) return Parse(value.get<std::string>(), extra_power_of_ten);
  if (value.is_number()) return Parse(value.dump(), extra_power_of_ten);
  return absl::InvalidArgumentError(DumpJson(value) + " is not a quantity: neither text nor a number");
}

}  // namespace

absl::StatusOr<std::int64_t> ParseQuantityMilli(const std::string& text) { return Parse(text, 3); }
absl::StatusOr<std::int64_t> ParseQuantityBytes(const std::string& text) { return Parse(text, 0); }
absl::StatusOr<std::int64_t> ParseQuantityMilli(const Json& value) { return ParseValue(value, 3); }
absl::StatusOr<std::int64_t> ParseQuantityBytes(const Json& value) { return ParseValue(value, 0); }

}  // namespace slicelet
