#include "edge-agent/senml-export/envelope.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "common/base/encoding.h"

namespace slicelet::senml {
namespace {

/// Ends parsing where it nests too deep: the library's parser calls itself for every level.
class DepthGuard : public Json::json_sax_t {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return ++depth_ <= kMaxJsonDepth; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return Leave(); }
  bool start_array(std::size_t) override { return ++depth_ <= kMaxJsonDepth; }
  bool end_array() override { return Leave(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool Leave() {
    --depth_;
    return true;
  }

  int depth_ = 0;
};

absl::StatusOr<Json> ParseCbor(const std::string& bytes) {
  DepthGuard guard;
  if (!Json::sax_parse(bytes, &guard, Json::input_format_t::cbor))
    return absl::InvalidArgumentError("a payload that is not CBOR, or nests too deep");
  Json parsed = Json::from_cbor(bytes, true, false);
  if (parsed.is_discarded()) return absl::InvalidArgumentError("a payload that is not CBOR");
  return parsed;
}

absl::StatusOr<Json> PayloadOf(Json envelope) {
  const auto it = envelope.find("payload");
  if (it == envelope.end()) return absl::InvalidArgumentError("an envelope without payload");
  if (it->is_object()) return std::move(*it);
  if (!it->is_string()) return absl::InvalidArgumentError("a payload that is neither an object nor base64");
  SLICELET_ASSIGN_OR_RETURN(const std::string bytes, Base64Decode(it->get<std::string>()));
  if (GetString(envelope, "/contentType").rfind("application/cbor", 0) == 0) return ParseCbor(bytes);
  return ParseJson(bytes);
}

}  // namespace

absl::StatusOr<Json> EventOfEnvelope(std::string_view message) {
  SLICELET_ASSIGN_OR_RETURN(Json envelope, ParseJson(message));
  if (!envelope.is_object()) return absl::InvalidArgumentError("a message that is no envelope");
  SLICELET_ASSIGN_OR_RETURN(Json payload, PayloadOf(std::move(envelope)));
  if (!payload.is_object()) return absl::InvalidArgumentError("a payload that is no object");
  const auto event = payload.find("event");
  if (event != payload.end() && event->is_object()) return std::move(*event);
  if (payload.contains("readings")) return payload;
  return absl::InvalidArgumentError("a payload without event");
}

}  // namespace slicelet::senml
