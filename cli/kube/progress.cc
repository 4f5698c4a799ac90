#include "cli/kube/progress.h"

#include <nlohmann/json.hpp>

#include "cli/table.h"
#include "common/json/json.h"
#include "kube/object.h"

namespace slicelet::cli {

std::vector<std::string> Progress::Look(const Json& object) {
  std::vector<std::string> lines;
  const auto tell = [&](const std::string& about, const std::string& text) {
    std::string& said = said_[about];
    if (said == text) return;
    said = text;
    lines.push_back(Printable("  " + about + ": " + text));
  };
  for (const Json& step : GetArray(object, "/status/steps")) {
    const std::string state = GetString(step, "/state"), message = GetString(step, "/message");
    if (state == "Pending") continue;
    std::string text = state;
    if (!message.empty()) text.append(", ").append(message);
    tell(GetString(step, "/name"), text);
  }
  state_.clear();
  const Json* awaited = kube::ConditionOf(object, condition_);
  if (awaited != nullptr && GetString(*awaited, "/status") != "True") {
    state_ = GetString(*awaited, "/reason");
    if (const std::string message = GetString(*awaited, "/message"); !message.empty())
      state_ += ": " + message;
    tell("not " + condition_, state_);
  }
  return lines;
}

bool ConditionHolds(const Json& object, const std::string& type) {
  const Json* condition = kube::ConditionOf(object, type);
  if (condition == nullptr || GetString(*condition, "/status") != "True") return false;
  const auto generation = GetInt(object, "/metadata/generation");
  return GetInt(*condition, "/observedGeneration", generation) >= generation;
}

}  // namespace slicelet::cli
