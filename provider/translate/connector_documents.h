#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>

#include "slicelet/v1/workload.pb.h"

namespace slicelet::provider {

/// Reads the values of the connector's ConfigMaps, and keeps what is wrong with them and what is ignored.
/// Fields are "configmap/NAME.KEY" or deeper.
class ConnectorDocuments {
 public:
  /// The first refusal counts, so that the message is about one value.
  void Refuse(const std::string& field, const std::string& message);
  void WrongType(const std::string& field, const nlohmann::json& value, const std::string& wanted);
  void Ignore(const std::string& field) { ignored_.insert(field); }

  /// An object, or an empty one after a refusal.
  nlohmann::json Document(const std::string& field, const std::string& text);

  [[nodiscard]] const std::optional<v1::Refusal>& refusal() const { return refusal_; }
  [[nodiscard]] const std::set<std::string>& ignored() const { return ignored_; }

 private:
  std::optional<v1::Refusal> refusal_;
  std::set<std::string> ignored_;
};

}  // namespace slicelet::provider
