#include "cli/import/toml_file.h"

#include <toml++/toml.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace slicelet::cli {
namespace {

using Json = nlohmann::json;

Json ToJson(const toml::node& node) {
  return node.visit([](const auto& value) -> Json {
    if constexpr (toml::is_table<decltype(value)>) {
      Json object = Json::object();
      for (const auto& [key, member] : value) object[std::string(key.str())] = ToJson(member);
      return object;
    } else if constexpr (toml::is_array<decltype(value)>) {
      Json array = Json::array();
      for (const auto& member : value) array.push_back(ToJson(member));
      return array;
    } else if constexpr (toml::is_date<decltype(value)> || toml::is_time<decltype(value)> ||
                         toml::is_date_time<decltype(value)>) {
      std::ostringstream text;
      text << value.get();
      return text.str();
    } else {
      return value.get();
    }
  });
}

}  // namespace

absl::StatusOr<Json> ParseToml(std::string_view text) {
  try {
    return ToJson(toml::parse(text));
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    return absl::InvalidArgumentError("not acceptable TOML at line " + std::to_string(at.line) + ", column " +
                                      std::to_string(at.column) + ": " + std::string(error.description()));
  }
}

}  // namespace slicelet::cli
