#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "slicelet/v1/workload.pb.h"

namespace slicelet::provider {

inline constexpr char kUnsupported[] = "PodFeatureUnsupported";
inline constexpr char kInvalidPod[] = "InvalidPod";
inline constexpr char kInvalidAnnotation[] = "InvalidAnnotation";
inline constexpr char kInvalidLabel[] = "InvalidLabel";

/// What a translation found wrong. The first refusal counts, so that the message is about one field.
class Diagnosis {
 public:
  /// `message` says what to do; the field's name is put before it.
  void Refuse(const std::string& path, const std::string& reason, const std::string& message);
  void Ignore(const std::string& path) { ignored_.insert(path); }

  [[nodiscard]] const std::optional<v1::Refusal>& refusal() const { return refusal_; }
  [[nodiscard]] std::vector<std::string> ignored() const { return {ignored_.begin(), ignored_.end()}; }

 private:
  std::optional<v1::Refusal> refusal_;
  std::set<std::string> ignored_;
};

/// Reads one JSON object field by field. A field of the wrong type is refused with its path and value and
/// reads as its default; a field that nobody read by the time the reader goes out of scope is listed as
/// ignored. So nothing in a pod is dropped silently. null counts as absent everywhere.
class FieldReader {
 public:
  using Json = nlohmann::json;

  /// `value` may be null: everything is absent then. `value` and `diagnosis` must outlive this object.
  FieldReader(const Json* value, std::string path, Diagnosis& diagnosis);
  ~FieldReader();
  FieldReader(const FieldReader&) = delete;
  FieldReader& operator=(const FieldReader&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string PathOf(const std::string& key) const;
  /// Present and not null. Does not count as reading.
  [[nodiscard]] bool Has(const std::string& key) const;
  [[nodiscard]] bool present() const { return value_ != nullptr; }

  std::string String(const std::string& key, const std::string& otherwise = "");
  /// As `String`, but absent or empty is refused.
  std::string RequiredString(const std::string& key);
  std::optional<std::int64_t> OptionalInt(const std::string& key,
                                          std::int64_t lowest = std::numeric_limits<std::int64_t>::min(),
                                          std::int64_t highest = std::numeric_limits<std::int64_t>::max());
  std::int64_t Int(const std::string& key, std::int64_t otherwise, std::int64_t lowest, std::int64_t highest);
  std::optional<bool> OptionalBool(const std::string& key);
  bool Bool(const std::string& key, bool otherwise = false) { return OptionalBool(key).value_or(otherwise); }
  std::vector<std::string> Strings(const std::string& key);
  std::vector<std::int64_t> Ints(const std::string& key);
  std::map<std::string, std::string> StringMap(const std::string& key);
  /// The raw value, or null when absent. Counts as read.
  const Json* Raw(const std::string& key);

  /// The object under `key`; absent reads as an empty one.
  [[nodiscard]] FieldReader Object(const std::string& key);
  /// Calls `element` for every object of the list under `key`.
  void Each(const std::string& key, const std::function<void(FieldReader&)>& element);

  /// Marks a field as honoured somewhere else (by the scheduler, the API server or the shim).
  void Accept(const std::string& key) { read_.insert(key); }
  void AcceptAll();
  /// Refuses the pod if the field says anything. Empty lists and objects say nothing.
  void Unsupported(const std::string& key, const std::string& remedy,
                   const std::string& reason = kUnsupported);
  /// Refuses the pod if the field is not `allowed`.
  void UnsupportedUnless(const std::string& key, const std::string& allowed, const std::string& remedy,
                         const std::string& reason = kUnsupported);
  /// Refuses the pod for any field that nobody read so far: where an unknown one can not be left out.
  void RefuseUnread(const std::string& remedy);
  void Refuse(const std::string& key, const std::string& message, const std::string& reason = kInvalidPod) {
    diagnosis_.Refuse(PathOf(key), reason, message);
  }
  [[nodiscard]] Diagnosis& diagnosis() { return diagnosis_; }

 private:
  const Json* Find(const std::string& key);
  void WrongType(const std::string& key, const Json& value, const std::string& expected);

  const Json* value_;
  const std::string path_;
  Diagnosis& diagnosis_;
  std::set<std::string> read_;
};

/// A value as text for messages, cut to a readable length.
std::string Shown(const nlohmann::json& value);

}  // namespace slicelet::provider
