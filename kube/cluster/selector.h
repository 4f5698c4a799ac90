#pragma once

#include <string>
#include <vector>

#include "common/base/status.h"
#include "kube/kube_api.h"

namespace slicelet::kube {

/// Which objects a list or a watch asks for.
class Selector {
 public:
  /// InvalidArgument for a selector that can not be read.
  static absl::StatusOr<Selector> Parse(const ListOptions& options);

  [[nodiscard]] bool Matches(const Json& object) const;
  /// The value that the field selector demands of `path`, empty when it leaves it open.
  [[nodiscard]] std::string RequiredField(const std::string& path) const;

 private:
  struct Requirement {
    enum class Kind { kIn, kNotIn, kExists, kAbsent };
    Kind kind = Kind::kIn;
    std::string key;
    std::vector<std::string> values;
  };
  static absl::StatusOr<std::vector<Requirement>> ParseRequirements(const std::string& text);

  std::vector<Requirement> fields_;
  std::vector<Requirement> labels_;
};

}  // namespace slicelet::kube
