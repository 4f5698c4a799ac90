#include "edge-agent/senml-export/senml.h"

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <variant>

#include "common/base/encoding.h"
#include "common/json/json.h"
#include "edge-agent/senml-export/envelope.h"

namespace slicelet::senml {
namespace {

/// Doubles hold every integer up to here.
constexpr std::int64_t kMaxExactInteger = std::int64_t{1} << 53;
constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
/// Below, a SenML time is relative to now.
constexpr std::int64_t kFirstAbsoluteSecond = std::int64_t{1} << 28;
constexpr int kNanoDigits = 9;

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

std::string Quoted(const std::string& text) { return DumpJson(Json(text)); }

/// RFC 8428, 4.5.1.
std::string MappedName(const std::string& name) {
  const auto is_alphanumeric = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  const auto continues_character = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; };
  std::string mapped;
  for (const char c : name) {
    if (is_alphanumeric(c) || std::string_view("-:./_").find(c) != std::string_view::npos) {
      mapped += c;
    } else if (!continues_character(c)) {
      mapped += '_';
    }
  }
  // A name begins with a letter or a digit.
  if (!mapped.empty() && !is_alphanumeric(mapped.front())) mapped.insert(0, "x");
  return mapped;
}

/// Nanoseconds as decimal seconds, exactly: a double would round to 240 ns. Not for the lowest number there
/// is.
std::string Seconds(std::int64_t nanos) {
  const std::int64_t size = nanos < 0 ? -nanos : nanos;
  std::string text = (nanos < 0 ? "-" : "") + std::to_string(size / kNanosPerSecond);
  std::string fraction = std::to_string(size % kNanosPerSecond);
  if (fraction == "0") return text;
  fraction.insert(0, kNanoDigits - fraction.size(), '0');
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return text + "." + fraction;
}

std::optional<std::int64_t> Origin(const Json& object) {
  const auto it = object.find("origin");
  if (it == object.end() || !it->is_number_integer()) return std::nullopt;
  const auto origin = it->get<std::int64_t>();
  return origin == 0 ? std::nullopt : std::optional(origin);
}

/// Why a reading has no record.
enum class Dropped { kNotFinite, kNull, kUnreadable };
/// A record's value with its label: `"v":2.5`.
using Value = std::variant<std::string, Dropped>;

Value IntegerValue(const std::string& text) {
  const char* begin = text.data() + (text.rfind('+', 0) == 0 ? 1 : 0);
  const char* end = text.data() + text.size();
  std::int64_t number = 0;
  const auto [stopped, error] = std::from_chars(begin, end, number);
  if (error == std::errc::result_out_of_range) {
    // Uint64 above the largest Int64.
    std::uint64_t large = 0;
    const auto [at, failed] = std::from_chars(begin, end, large);
    if (failed != std::errc() || at != end) return Dropped::kUnreadable;
    return "\"vs\":" + Quoted(std::to_string(large));
  }
  if (error != std::errc() || stopped != end || begin == end) return Dropped::kUnreadable;
  if (number > kMaxExactInteger || number < -kMaxExactInteger)
    return "\"vs\":" + Quoted(std::to_string(number));
  return "\"v\":" + std::to_string(number);
}

Value FloatValue(const std::string& text) {
  if (text.empty() || std::isspace(static_cast<unsigned char>(text.front())) != 0)
    return Dropped::kUnreadable;
  // Not from_chars: it does not say which way a number is out of range.
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size()) return Dropped::kUnreadable;
  if (!std::isfinite(number)) return Dropped::kNotFinite;
  std::array<char, 32> buffer{};
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
  return "\"v\":" + std::string(buffer.data(), written.ptr);
}

Value BoolValue(const std::string& text) {
  if (text == "true" || text == "false") return "\"vb\":" + text;
  return Dropped::kUnreadable;
}

Value ArrayValue(const std::string& text) {
  const auto parsed = ParseJson(text);
  return "\"vs\":" + Quoted(parsed.ok() ? DumpJson(*parsed) : text);
}

Value BinaryValue(const Json& reading) {
  const auto it = reading.find("binaryValue");
  if (it == reading.end() || it->is_null()) return Dropped::kNull;
  std::string encoded;
  if (it->is_binary()) {
    const auto& bytes = it->get_binary();
    encoded = Base64Encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  } else if (it->is_string()) {
    encoded = it->get<std::string>();
    if (!Base64Decode(encoded).ok()) return Dropped::kUnreadable;
  } else {
    return Dropped::kUnreadable;
  }
  for (char& c : encoded) c = c == '+' ? '-' : c == '/' ? '_' : c;
  encoded.erase(encoded.find_last_not_of('=') + 1);
  return "\"vd\":" + Quoted(encoded);
}

Value ValueOf(const Json& reading) {
  const std::string type = GetString(reading, "/valueType");
  if (type == "Binary") return BinaryValue(reading);
  if (type == "Object" || type == "ObjectArray") {
    const auto it = reading.find("objectValue");
    if (it == reading.end() || it->is_null()) return Dropped::kNull;
    return "\"vs\":" + Quoted(DumpJson(*it));
  }
  const auto it = reading.find("value");
  if (it == reading.end() || it->is_null()) return Dropped::kNull;
  // EdgeX writes every value as a text.
  const std::string text = it->is_string() ? it->get<std::string>() : DumpJson(*it);
  if (EndsWith(type, "Array")) return ArrayValue(text);
  if (type == "Bool") return BoolValue(text);
  if (type.rfind("Int", 0) == 0 || type.rfind("Uint", 0) == 0) return IntegerValue(text);
  if (type.rfind("Float", 0) == 0) return FloatValue(text);
  if (type == "String") return "\"vs\":" + Quoted(text);
  return Dropped::kUnreadable;
}

void Count(Dropped why, Pack& pack) {
  switch (why) {
    case Dropped::kNotFinite:
      ++pack.not_finite;
      return;
    case Dropped::kNull:
      ++pack.null;
      return;
    case Dropped::kUnreadable:
      ++pack.unreadable;
      return;
  }
}

/// What the records of one event share.
struct Base {
  std::string device;
  std::string resource;
  /// None when the clock of the event means nothing.
  std::optional<std::int64_t> origin;
};

absl::StatusOr<Base> BaseOf(const Json& event) {
  const Json& readings = GetArray(event, "/readings");
  if (readings.empty()) return absl::InvalidArgumentError("an event without readings");
  Base base;
  base.device = GetString(event, "/deviceName", GetString(readings.front(), "/deviceName"));
  if (base.device.empty()) return absl::InvalidArgumentError("an event without deviceName");
  base.resource = GetString(event, "/sourceName");
  base.origin = Origin(event);
  if (!base.origin && readings.front().is_object()) base.origin = Origin(readings.front());
  if (base.origin && *base.origin / kNanosPerSecond < kFirstAbsoluteSecond) base.origin.reset();
  return base;
}

}  // namespace

absl::StatusOr<Pack> PackOfBusMessage(std::string_view message) {
  if (message.size() > kMaxMessageBytes) {
    return absl::InvalidArgumentError("a message of " + std::to_string(message.size()) + " bytes; at most " +
                                      std::to_string(kMaxMessageBytes) + " are read");
  }
  SLICELET_ASSIGN_OR_RETURN(const Json event, EventOfEnvelope(message));
  SLICELET_ASSIGN_OR_RETURN(const Base base, BaseOf(event));
  Pack pack;
  for (const Json& reading : GetArray(event, "/readings")) {
    const std::string resource = GetString(reading, "/resourceName", base.resource);
    const Value value = reading.is_object() && !resource.empty() ? ValueOf(reading) : Dropped::kUnreadable;
    if (const auto* why = std::get_if<Dropped>(&value)) {
      Count(*why, pack);
      continue;
    }
    std::string record;
    if (pack.records == 0) {
      record += "\"bn\":" + Quoted(MappedName(base.device) + ":") + ",";
      if (base.origin) record += "\"bt\":" + Seconds(*base.origin) + ",";
    }
    record += "\"n\":" + Quoted(MappedName(resource)) + ",";
    const std::string units = GetString(reading, "/units");
    if (!units.empty()) record += "\"u\":" + Quoted(units) + ",";
    const auto origin = Origin(reading);
    if (base.origin && origin && *origin != *base.origin && *origin > 0)
      record += "\"t\":" + Seconds(*origin - *base.origin) + ",";
    pack.json += (pack.records == 0 ? "[{" : ",{") + record + std::get<std::string>(value) + "}";
    ++pack.records;
  }
  if (pack.records > 0) pack.json += "]";
  return pack;
}

}  // namespace slicelet::senml
