#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/base/time.h"

namespace slicelet {

/// Reads one object of a configuration file, strictly: each field is asked for once, by name and type, and
/// what was not asked for is an error. Errors are collected, so that a person sees all of them at once:
///
///   ConfigReader reader(json);
///   reader.Required("hub", &config.hub);
///   reader.Optional("heartbeat", &config.heartbeat);            // "60s", "10m", "1h30m", "500ms"
///   reader.Object("tls", [&](ConfigReader& tls) { tls.Required("ca", &config.ca); });
///   SLICELET_RETURN_IF_ERROR(reader.Finish());
class ConfigReader {
 public:
  /// `json` must outlive the reader. `path` names the object in messages ("" for the whole file).
  explicit ConfigReader(const nlohmann::json& json, std::string path = "");

  /// A missing field is an error.
  template <typename T>
  void Required(const std::string& name, T* value) {
    if (!Read(name, value)) Missing(name);
  }
  /// A missing field, or null, leaves `*value` as it is. False when it was missing.
  template <typename T>
  bool Optional(const std::string& name, T* value) {
    return Read(name, value);
  }
  /// Calls `read` with the nested object, if there is one. False when it is missing.
  bool Object(const std::string& name, const std::function<void(ConfigReader&)>& read);
  /// An error of the reader's own, for values that have the right type and are wrong all the same.
  void Error(const std::string& name, const std::string& problem);

  /// InvalidArgument with every error found, including fields nobody asked for (which lists the known ones).
  [[nodiscard]] absl::Status Finish();

 private:
  bool Read(const std::string& name, std::string* value);
  bool Read(const std::string& name, bool* value);
  bool Read(const std::string& name, int* value);
  bool Read(const std::string& name, std::int64_t* value);
  bool Read(const std::string& name, std::uint64_t* value);
  bool Read(const std::string& name, Duration* value);
  bool Read(const std::string& name, std::vector<std::string>* value);
  bool Read(const std::string& name, std::map<std::string, std::string>* value);
  template <typename T>
  bool Read(const std::string& name, std::optional<T>* value) {
    T read{};
    if (!Read(name, &read)) return false;
    *value = std::move(read);
    return true;
  }

  const nlohmann::json* Find(const std::string& name);
  bool ReadInteger(const std::string& name, std::int64_t low, std::int64_t high, std::int64_t* value);
  void Missing(const std::string& name);
  void WrongType(const std::string& name, const nlohmann::json& value, const std::string& wanted);
  [[nodiscard]] std::string PathOf(const std::string& name) const;
  void CheckUnknown();

  const nlohmann::json& json_;
  std::string path_;
  std::vector<std::string> asked_;
  std::vector<std::string> errors_;
};

/// "60s", "10m", "1h30m", "500ms", "2.5s", "7d"; InvalidArgument names the text.
absl::StatusOr<Duration> ParseDuration(const std::string& text);

/// Reads a configuration file: JSON when its name ends in .json (or .slicelet), YAML otherwise. Errors name
/// the file.
absl::StatusOr<nlohmann::json> LoadConfigFile(const std::string& path);
/// The same without YAML, for programs that must stay small.
absl::StatusOr<nlohmann::json> LoadJsonConfigFile(const std::string& path);

}  // namespace slicelet
