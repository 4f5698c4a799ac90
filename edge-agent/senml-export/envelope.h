#pragma once

#include <string_view>

#include "common/base/status.h"
#include "common/json/json.h"

namespace slicelet::senml {

/// The event in a message of EdgeX's bus. `payload` is a JSON object (EdgeX 4), or base64 (EdgeX 3, and
/// always where `contentType` is application/cbor). InvalidArgument says what is not as it should be.
absl::StatusOr<Json> EventOfEnvelope(std::string_view message);

}  // namespace slicelet::senml
