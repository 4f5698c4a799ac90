#include "provider/controllers/world.h"

#include <utility>

#include "kube/object.h"

namespace slicelet::provider {

ObjectName NameIn(const kube::Resource& kind, const Json& object) {
  return {kind.namespaced ? kube::NamespaceOf(object) : "", kube::NameOf(object)};
}

const std::map<ObjectName, Json>& World::All(const kube::Resource& kind) const {
  static const std::map<ObjectName, Json> none;
  const auto it = kinds_.find(kind.plural);
  return it == kinds_.end() ? none : it->second;
}

const Json* World::Find(const kube::Resource& kind, const std::string& ns, const std::string& name) const {
  const auto& objects = All(kind);
  const auto it = objects.find({kind.namespaced ? ns : "", name});
  return it == objects.end() ? nullptr : &it->second;
}

std::vector<const Json*> World::In(const kube::Resource& kind, const std::string& ns) const {
  std::vector<const Json*> found;
  const auto& objects = All(kind);
  for (auto it = objects.lower_bound({ns, ""}); it != objects.end() && it->first.ns == ns; ++it) {
    found.push_back(&it->second);
  }
  return found;
}

bool World::Put(const kube::Resource& kind, Json object) {
  Json& slot = kinds_[kind.plural][NameIn(kind, object)];
  // A watch may tell of a state that is older than the answer to our own write.
  if (!slot.is_null() && kube::UidOf(slot) == kube::UidOf(object) &&
      kube::VersionNumber(kube::ResourceVersionOf(object)) <=
          kube::VersionNumber(kube::ResourceVersionOf(slot))) {
    return false;
  }
  slot = std::move(object);
  return true;
}

bool World::Remove(const kube::Resource& kind, const ObjectName& name) {
  return kinds_[kind.plural].erase(name) != 0;
}

std::vector<Json> World::Replace(const kube::Resource& kind, std::vector<Json> objects) {
  std::map<ObjectName, Json> next;
  for (Json& object : objects) next.emplace(NameIn(kind, object), std::move(object));
  auto& known = kinds_[kind.plural];
  std::vector<Json> changed;
  for (const auto& [name, object] : next) {
    const auto it = known.find(name);
    if (it == known.end() || it->second != object) changed.push_back(object);
  }
  for (const auto& [name, object] : known) {
    if (next.count(name) == 0) changed.push_back(object);
  }
  known = std::move(next);
  return changed;
}

}  // namespace slicelet::provider
