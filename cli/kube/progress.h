#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

namespace slicelet::cli {

/// What is worth a line while somebody waits for an object: each step of its status that has begun, ended or
/// got something new to say, and why a condition does not hold. Nothing is said twice.
class Progress {
 public:
  /// `condition` is what is waited for: "Ready".
  explicit Progress(std::string condition) : condition_(std::move(condition)) {}

  std::vector<std::string> Look(const nlohmann::json& object);
  /// Why the condition did not hold at last, as "Reason: message"; empty when nothing is known.
  [[nodiscard]] const std::string& state() const { return state_; }

 private:
  const std::string condition_;
  std::map<std::string, std::string> said_;
  std::string state_;
};

/// The condition of that type holds, and is about the object as it is now.
bool ConditionHolds(const nlohmann::json& object, const std::string& type);

}  // namespace slicelet::cli
