#include "provider/pods/referents.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace slicelet::provider {

ContentId ContentIdOf(const std::string& kind, const std::string& name) {
  if (kind == "ConfigMap") return ContentId("configmap/" + name);
  if (kind == "Secret") return ContentId("secret/" + name);
  return {};
}

bool Referents::Apply(const v1::ReferentApply& referent) {
  const ContentId id = ContentIdOf(referent.kind(), referent.name());
  if (id.empty()) return false;
  std::vector<const v1::FileSet::File*> files;
  for (const v1::FileSet::File& file : referent.content().files()) files.push_back(&file);
  std::sort(files.begin(), files.end(), [](const auto* a, const auto* b) { return a->key() < b->key(); });
  v1::FileSet sorted;
  for (const v1::FileSet::File* file : files) *sorted.add_files() = *file;

  Referent next{sorted.SerializeAsString(), referent.kind() == "Secret"};
  Referent& held = referents_[{referent.namespace_(), id}];
  // An empty one is new too: a FileSet without files is no bytes.
  const bool changed = held.content != next.content || held.secret != next.secret || next.content.empty();
  held = std::move(next);
  return changed;
}

bool Referents::Delete(const v1::ReferentDelete& referent) {
  return referents_.erase({referent.namespace_(), ContentIdOf(referent.kind(), referent.name())}) != 0;
}

const Referents::Referent* Referents::Find(const std::string& ns, const ContentId& content) const {
  const auto it = referents_.find({ns, content});
  return it == referents_.end() ? nullptr : &it->second;
}

void Referents::Outdate() {
  for (auto& [key, referent] : referents_) referent.fresh = false;
}

void Referents::Retain(const std::set<std::pair<std::string, ContentId>>& used) {
  std::erase_if(referents_,
                [&used](const auto& entry) { return !entry.second.fresh && used.count(entry.first) == 0; });
}

}  // namespace slicelet::provider
