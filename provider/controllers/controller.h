#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "provider/controllers/plan.h"
#include "provider/controllers/world.h"

namespace slicelet::provider {

/// What is known besides the world when an object is looked at.
struct Look {
  WallTime now;
  /// Null: the last write was carried out.
  const Failure* failure = nullptr;
  /// The steps whose last write was carried out: for what is removed and not watched.
  const std::set<std::string>* carried = nullptr;
  /// What was read for a step, since it was last written: its metadata, or null when it is not there.
  const std::map<std::string, Json>* read = nullptr;

  [[nodiscard]] bool Carried(const std::string& step) const {
    return carried != nullptr && carried->count(step) != 0;
  }
  /// Null: not read.
  [[nodiscard]] const Json* Read(const std::string& step) const {
    if (read == nullptr) return nullptr;
    const auto it = read->find(step);
    return it == read->end() ? nullptr : &it->second;
  }
};

/// The rules of one kind. Pure: told the world, it says what to do next and what the status is.
class Controller {
 public:
  virtual ~Controller() = default;
  [[nodiscard]] virtual const kube::Resource& kind() const = 0;
  [[nodiscard]] virtual Outcome At(const World& world, const Json& object, const Look& look) const = 0;
  /// Which other objects of this kind to look at because `changed`, of any kind, did. It may be gone.
  [[nodiscard]] virtual std::vector<ObjectName> Concerned(const World& world, const kube::Resource& of,
                                                          const Json& changed) const = 0;
};

}  // namespace slicelet::provider
