#include "provider/translate/connector_documents.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/shown_text.h"
#include "common/json/json.h"

namespace slicelet::provider {
namespace {

using Json = nlohmann::json;

constexpr char kInvalidConfigMap[] = "InvalidConfigMap";
constexpr std::size_t kMaxDocument = std::size_t{128} * 1'024;
/// Deeper than anything docker or IoT Edge knows.
constexpr int kMaxDepth = 32;

}  // namespace

void ConnectorDocuments::Refuse(const std::string& field, const std::string& message) {
  if (refusal_) return;
  refusal_.emplace();
  refusal_->set_reason(kInvalidConfigMap);
  refusal_->set_field(field);
  refusal_->set_message(field + " " + message);
}

void ConnectorDocuments::WrongType(const std::string& field, const Json& value, const std::string& wanted) {
  Refuse(field, "is " + ShownText(value.dump(-1, ' ', false, Json::error_handler_t::replace)) +
                    ", should be " + wanted);
}

Json ConnectorDocuments::Document(const std::string& field, const std::string& text) {
  if (text.size() > kMaxDocument) {
    Refuse(field, "is longer than " + std::to_string(kMaxDocument) + " bytes");
    return Json::object();
  }
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return Json::object();
  auto json = ParseJson(text, kMaxDepth);
  if (!json.ok() || !json->is_object()) {
    Refuse(field, "is \"" + ShownText(text) + "\", should be a JSON object" +
                      (json.ok() ? "" : ": " + Message(json.status())));
    return Json::object();
  }
  return *std::move(json);
}

}  // namespace slicelet::provider
