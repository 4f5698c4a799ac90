#include "provider/translate/field_reader.h"

#include <utility>

#include "common/base/shown_text.h"

namespace slicelet::provider {

std::string Shown(const nlohmann::json& value) {
  return ShownText(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void Diagnosis::Refuse(const std::string& path, const std::string& reason, const std::string& message) {
  if (refusal_) return;
  refusal_.emplace();
  refusal_->set_reason(reason);
  refusal_->set_field(path);
  refusal_->set_message(path + ": " + message);
}

FieldReader::FieldReader(const Json* value, std::string path, Diagnosis& diagnosis)
    : value_(value), path_(std::move(path)), diagnosis_(diagnosis) {
  if (value_ != nullptr && value_->is_null()) value_ = nullptr;
  if (value_ != nullptr && !value_->is_object()) {
    diagnosis_.Refuse(path_, kInvalidPod, "is " + Shown(*value_) + ", should be an object");
    value_ = nullptr;
  }
}

FieldReader::~FieldReader() {
  if (value_ == nullptr) return;
  for (const auto& [key, value] : value_->items()) {
    if (!value.is_null() && !read_.contains(key)) diagnosis_.Ignore(PathOf(key));
  }
}

std::string FieldReader::PathOf(const std::string& key) const {
  if (path_.empty()) return key;
  // Label and annotation keys hold dots and slashes.
  if (key.find_first_of("./") != std::string::npos) return path_ + "[" + key + "]";
  return path_ + "." + key;
}

bool FieldReader::Has(const std::string& key) const {
  if (value_ == nullptr) return false;
  const auto it = value_->find(key);
  return it != value_->end() && !it->is_null();
}

const FieldReader::Json* FieldReader::Find(const std::string& key) {
  read_.insert(key);
  if (value_ == nullptr) return nullptr;
  const auto it = value_->find(key);
  return it == value_->end() || it->is_null() ? nullptr : &*it;
}

void FieldReader::WrongType(const std::string& key, const Json& value, const std::string& expected) {
  Refuse(key, "is " + Shown(value) + ", should be " + expected);
}

std::string FieldReader::String(const std::string& key, const std::string& otherwise) {
  const Json* value = Find(key);
  if (value == nullptr) return otherwise;
  if (value->is_string()) return value->get<std::string>();
  WrongType(key, *value, "a string");
  return otherwise;
}

std::string FieldReader::RequiredString(const std::string& key) {
  std::string value = String(key);
  if (value.empty()) Refuse(key, "is required");
  return value;
}

std::optional<std::int64_t> FieldReader::OptionalInt(const std::string& key, std::int64_t lowest,
                                                     std::int64_t highest) {
  const Json* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_integer() ||
      (value->is_number_unsigned() &&
       value->get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))) {
    WrongType(key, *value, "a whole number");
    return std::nullopt;
  }
  const auto number = value->get<std::int64_t>();
  if (number < lowest || number > highest) {
    Refuse(key, "is " + std::to_string(number) + ", should be from " + std::to_string(lowest) + " to " +
                    std::to_string(highest));
    return std::nullopt;
  }
  return number;
}

std::int64_t FieldReader::Int(const std::string& key, std::int64_t otherwise, std::int64_t lowest,
                              std::int64_t highest) {
  return OptionalInt(key, lowest, highest).value_or(otherwise);
}

std::optional<bool> FieldReader::OptionalBool(const std::string& key) {
  const Json* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  WrongType(key, *value, "true or false");
  return std::nullopt;
}

std::vector<std::string> FieldReader::Strings(const std::string& key) {
  std::vector<std::string> out;
  const Json* list = Find(key);
  if (list == nullptr) return out;
  if (!list->is_array()) {
    WrongType(key, *list, "a list of strings");
    return out;
  }
  for (const Json& item : *list) {
    if (!item.is_string()) {
      WrongType(key, item, "a list of strings");
      return out;
    }
    out.push_back(item.get<std::string>());
  }
  return out;
}

std::vector<std::int64_t> FieldReader::Ints(const std::string& key) {
  std::vector<std::int64_t> out;
  const Json* list = Find(key);
  if (list == nullptr) return out;
  if (!list->is_array()) {
    WrongType(key, *list, "a list of whole numbers");
    return out;
  }
  for (const Json& item : *list) {
    if (!item.is_number_integer()) {
      WrongType(key, item, "a list of whole numbers");
      return out;
    }
    out.push_back(item.get<std::int64_t>());
  }
  return out;
}

std::map<std::string, std::string> FieldReader::StringMap(const std::string& key) {
  std::map<std::string, std::string> out;
  const Json* map = Find(key);
  if (map == nullptr) return out;
  if (!map->is_object()) {
    WrongType(key, *map, "a map of strings");
    return out;
  }
  for (const auto& [name, value] : map->items()) {
    if (value.is_string())
      out[name] = value.get<std::string>();
    else
      Refuse(key, "the value of \"" + name + "\" is " + Shown(value) + ", should be a string");
  }
  return out;
}

const FieldReader::Json* FieldReader::Raw(const std::string& key) { return Find(key); }

FieldReader FieldReader::Object(const std::string& key) {
  return FieldReader(Find(key), PathOf(key), diagnosis_);
}

void FieldReader::Each(const std::string& key, const std::function<void(FieldReader&)>& element) {
  const Json* list = Find(key);
  if (list == nullptr) return;
  if (!list->is_array()) {
    WrongType(key, *list, "a list");
    return;
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    FieldReader reader(&(*list)[i], PathOf(key) + "[" + std::to_string(i) + "]", diagnosis_);
    element(reader);
  }
}

void FieldReader::AcceptAll() {
  if (value_ == nullptr) return;
  for (const auto& [key, value] : value_->items()) read_.insert(key);
}

void FieldReader::Unsupported(const std::string& key, const std::string& remedy, const std::string& reason) {
  const Json* value = Find(key);
  if (value == nullptr || ((value->is_array() || value->is_object()) && value->empty())) return;
  Refuse(key, "not supported on edge hosts; " + remedy, reason);
}

void FieldReader::RefuseUnread(const std::string& remedy) {
  if (value_ == nullptr) return;
  for (const auto& [key, value] : value_->items()) {
    if (value.is_null() || read_.contains(key)) continue;
    Refuse(key, "not supported on edge hosts; " + remedy, kUnsupported);
    read_.insert(key);
  }
}

void FieldReader::UnsupportedUnless(const std::string& key, const std::string& allowed,
                                    const std::string& remedy, const std::string& reason) {
  const std::string value = String(key, allowed);
  if (value != allowed) Refuse(key, "\"" + value + "\" is not supported on edge hosts; " + remedy, reason);
}

}  // namespace slicelet::provider
