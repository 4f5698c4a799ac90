#include "common/config/config_reader.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <nlohmann/json.hpp>

#include "common/base/shown_text.h"

namespace slicelet {
namespace {

using Json = nlohmann::json;

std::string Join(const std::vector<std::string>& parts, const std::string& separator) {
  std::string all;
  for (const std::string& part : parts) all += (all.empty() ? "" : separator) + part;
  return all;
}

/// Values are shown, but a whole pasted key or object would drown the message.
std::string Shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  constexpr std::size_t kLongest = 60;
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

}  // namespace

ConfigReader::ConfigReader(const Json& json, std::string path) : json_(json), path_(std::move(path)) {
  if (!json_.is_object()) {
    errors_.push_back((path_.empty() ? std::string("the file") : path_) +
                      " must be an object with named fields, not " + Shown(json_));
  }
}

bool ConfigReader::Object(const std::string& name, const std::function<void(ConfigReader&)>& read) {
  const Json* found = Find(name);
  if (found == nullptr) return false;
  ConfigReader nested(*found, PathOf(name));
  if (found->is_object()) {
    read(nested);
    nested.CheckUnknown();
  }
  errors_.insert(errors_.end(), nested.errors_.begin(), nested.errors_.end());
  return true;
}

void ConfigReader::Error(const std::string& name, const std::string& problem) {
  errors_.push_back(PathOf(name) + ": " + problem);
}

absl::Status ConfigReader::Finish() {
  CheckUnknown();
  if (errors_.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(Join(errors_, "; "));
}

void ConfigReader::CheckUnknown() {
  if (!json_.is_object()) return;
  for (const auto& [name, value] : json_.items()) {
    if (std::find(asked_.begin(), asked_.end(), name) == asked_.end()) {
      errors_.push_back("unknown field " + PathOf(name) + " (known here: " + Join(asked_, ", ") + ")");
    }
  }
}

bool ConfigReader::Read(const std::string& name, std::string* value) {
  const Json* found = Find(name);
  if (found == nullptr) return false;
  if (found->is_string()) {
    *value = found->get<std::string>();
  } else {
    WrongType(name, *found, "a text");
  }
  return true;
}

bool ConfigReader::Read(const std::string& name, bool* value) {
  const Json* found = Find(name);
  if (found == nullptr) return false;
  if (found->is_boolean()) {
    *value = found->get<bool>();
  } else {
    WrongType(name, *found, "true or false");
  }
  return true;
}

bool ConfigReader::ReadInteger(const std::string& name, std::int64_t low, std::int64_t high,
                               std::int64_t* value) {
  const Json* found = Find(name);
  if (found == nullptr) return false;
  const bool fits =
      found->is_number_integer() &&
      (!found->is_number_unsigned() ||
       found->get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
  if (fits && found->get<std::int64_t>() >= low && found->get<std::int64_t>() <= high) {
    *value = found->get<std::int64_t>();
  } else {
    WrongType(name, *found, "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return true;
}

bool ConfigReader::Read(const std::string& name, int* value) {
  std::int64_t wide = *value;
  if (!ReadInteger(name, std::numeric_limits<int>::min(), std::numeric_limits<int>::max(), &wide))
    return false;
  *value = static_cast<int>(wide);
  return true;
}

bool ConfigReader::Read(const std::string& name, std::int64_t* value) {
  return ReadInteger(name, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max(),
                     value);
}

bool ConfigReader::Read(const std::string& name, std::uint64_t* value) {
  auto wide = static_cast<std::int64_t>(*value);
  if (!ReadInteger(name, 0, std::numeric_limits<std::int64_t>::max(), &wide)) return false;
  *value = static_cast<std::uint64_t>(wide);
  return true;
}

bool ConfigReader::Read(const std::string& name, Duration* value) {
  const Json* found = Find(name);
  if (found == nullptr) return false;
  if (found->is_string()) {
    const auto parsed = ParseDuration(found->get<std::string>());
    if (parsed.ok()) {
      *value = *parsed;
      return true;
    }
  }
  WrongType(name, *found, "a duration such as \"60s\", \"10m\" or \"500ms\"");
  return true;
}

bool ConfigReader::Read(const std::string& name, std::vector<std::string>* value) {
  const Json* found = Find(name);
  if (found == nullptr) return false;
  if (!found->is_array() ||
      !std::all_of(found->begin(), found->end(), [](const Json& v) { return v.is_string(); })) {
    WrongType(name, *found, "a list of texts");
    return true;
  }
  *value = found->get<std::vector<std::string>>();
  return true;
}

bool ConfigReader::Read(const std::string& name, std::map<std::string, std::string>* value) {
  const Json* found = Find(name);
  if (found == nullptr) return false;
  if (!found->is_object() ||
      !std::all_of(found->begin(), found->end(), [](const Json& v) { return v.is_string(); })) {
    WrongType(name, *found, "an object whose values are texts");
    return true;
  }
  *value = found->get<std::map<std::string, std::string>>();
  return true;
}

const Json* ConfigReader::Find(const std::string& name) {
  asked_.push_back(name);
  if (!json_.is_object()) return nullptr;
  const auto it = json_.find(name);
  return it == json_.end() || it->is_null() ? nullptr : &*it;
}

void ConfigReader::Missing(const std::string& name) { errors_.push_back("missing field " + PathOf(name)); }

void ConfigReader::WrongType(const std::string& name, const Json& value, const std::string& wanted) {
  errors_.push_back(PathOf(name) + " must be " + wanted + ", not " + Shown(value));
}

std::string ConfigReader::PathOf(const std::string& name) const {
  return path_.empty() ? name : path_ + "." + name;
}

absl::StatusOr<Duration> ParseDuration(const std::string& text) {
  const auto error = [&] {
    return absl::InvalidArgumentError("\"" + ShownText(text) +
                                      "\" is not a duration such as 60s, 10m or 500ms");
  };
  static constexpr std::pair<const char*, double> kUnits[] = {
      {"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
  double total = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t first = at;
    while (at < text.size() && (std::isdigit(static_cast<unsigned char>(text[at])) != 0 || text[at] == '.'))
      ++at;
    const std::string number = text.substr(first, at - first);
    if (number.empty() || std::count(number.begin(), number.end(), '.') > 1 || number == "." ||
        number.size() > 18)
      return error();
    const std::size_t unit_first = at;
    while (at < text.size() && std::isalpha(static_cast<unsigned char>(text[at])) != 0) ++at;
    const std::string unit = text.substr(unit_first, at - unit_first);
    const auto* known =
        std::find_if(std::begin(kUnits), std::end(kUnits), [&](const auto& u) { return unit == u.first; });
    if (known == std::end(kUnits)) return error();
    total += std::stod(number) * known->second;
  }
  constexpr double kLongest = 100.0 * 366 * 86400e9;
  if (text.empty() || total > kLongest) return error();
  return Duration(static_cast<Duration::rep>(total));
}

}  // namespace slicelet
