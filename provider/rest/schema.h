#pragma once

#include <string>
#include <vector>

#include "provider/rest/answer.h"

namespace slicelet::provider {

/// Every way in which `value` does not fit `schema`, an OpenAPI 3.0 schema object. Knows what
/// CustomResourceDefinitions and our own documents use: type, nullable, enum, anyOf, properties, required,
/// additionalProperties, items, the limits of each and $ref into `components` ({"schemas": ...}). Patterns
/// are tried on short texts only. At most kMaxViolations are told.
std::vector<Violation> CheckValue(const Json& schema, const Json& value, const std::string& field,
                                  const Json& components);
inline constexpr std::size_t kMaxViolations = 20;

/// The same schema for what users send: members that it does not name are refused, unless it keeps all of
/// them.
Json Closed(Json schema);

/// The same schema for an RFC 7396 merge patch: nothing is required, and null removes a member. Arrays are
/// replaced as a whole and keep theirs.
Json ForPatch(Json schema);

}  // namespace slicelet::provider
