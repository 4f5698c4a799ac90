#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kubelet-shim/pod/event_recorder.h"

namespace slicelet::shim {

/// Which Services choose pods by labels, and who has been told of it already.
class ServiceSelectors {
 public:
  void Clear() { selectors_.clear(); }
  /// The Service as it is now; one without a selector chooses nothing.
  void Learn(const nlohmann::json& service);
  void Forget(const std::string& ns, const std::string& name) { selectors_.erase({ns, name}); }

  /// The Services that choose this pod, each once in the life of this object, whatever pods they choose.
  [[nodiscard]] std::vector<EventSubject> TakeUntold(const nlohmann::json& pod);

 private:
  struct Selector {
    std::string uid;
    std::map<std::string, std::string> labels;
  };
  /// By namespace and name.
  std::map<std::pair<std::string, std::string>, Selector> selectors_;
  std::set<std::string> told_;
};

}  // namespace slicelet::shim
