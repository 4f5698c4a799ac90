#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "common/base/status.h"

namespace slicelet::provider {

using Json = nlohmann::json;

/// What a request is answered with, before it becomes bytes.
struct RestAnswer {
  int status = 200;
  /// Null: an empty body.
  Json body{};
  std::vector<std::pair<std::string, std::string>> headers{};
};

/// Called once, on the loop.
using RestReply = std::function<void(RestAnswer)>;

/// One wrong value of a request.
struct Violation {
  /// Such as "spec.target.host" or "query.limit".
  std::string field;
  std::string problem;
};

/// Why a request is not carried out: the one shape that every error has.
struct Refusal {
  int status = 400;
  /// In CamelCase, for programs.
  std::string reason;
  /// For people.
  std::string error;
  std::string field{};
  /// What to do about it.
  std::string remedy{};
  std::vector<Violation> violations{};
};

/// {error, reason, field?, remedy?, violations?}
RestAnswer Refuse(const Refusal& refusal);

/// 400 with the first of `violations` as its field and all of them in a list; there is at least one.
RestAnswer RefuseInput(const std::vector<Violation>& violations);

/// What the API server, or the hub, answered instead of doing what `what` says ("IotSlice north").
RestAnswer RefuseFor(const absl::Status& status, const std::string& what);

}  // namespace slicelet::provider
