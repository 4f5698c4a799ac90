#include "provider/pods/referents.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace slicelet::provider {
namespace {

/// By host, which is a DNS label and so has no dot.
std::map<std::string, std::string> Divide(const std::string& content) {
  v1::FileSet all;
  if (!all.ParseFromString(content)) return {};
  std::map<std::string, v1::FileSet> parts;
  for (const v1::FileSet::File& file : all.files()) {
    const auto dot = file.key().find('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == file.key().size()) continue;
    v1::FileSet::File& own = *parts[file.key().substr(0, dot)].add_files();
    own = file;
    own.set_key(file.key().substr(dot + 1));
  }
  std::map<std::string, std::string> bytes;
  for (const auto& [host, files] : parts) bytes[host] = files.SerializeAsString();
  return bytes;
}

}  // namespace

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
  if (changed) divided_.erase({referent.namespace_(), id});
  return changed;
}

bool Referents::Delete(const v1::ReferentDelete& referent) {
  const Key key{referent.namespace_(), ContentIdOf(referent.kind(), referent.name())};
  divided_.erase(key);
  return referents_.erase(key) != 0;
}

const Referents::Referent* Referents::Find(const std::string& ns, const ContentId& content) const {
  const auto it = referents_.find({ns, content});
  return it == referents_.end() ? nullptr : &it->second;
}

const std::string& Referents::ForHost(const std::string& ns, const ContentId& content,
                                      const HostId& host) const {
  static const std::string nothing;
  const Referent* referent = Find(ns, content);
  if (referent == nullptr) return nothing;
  auto divided = divided_.find({ns, content});
  if (divided == divided_.end())
    divided = divided_.emplace(Key{ns, content}, Divide(referent->content)).first;
  const auto part = divided->second.find(host.value());
  return part == divided->second.end() ? nothing : part->second;
}

void Referents::Outdate() {
  for (auto& [key, referent] : referents_) referent.fresh = false;
}

void Referents::Retain(const std::set<std::pair<std::string, ContentId>>& used) {
  std::erase_if(referents_,
                [&used](const auto& entry) { return !entry.second.fresh && used.count(entry.first) == 0; });
  std::erase_if(divided_, [this](const auto& entry) { return referents_.count(entry.first) == 0; });
}

}  // namespace slicelet::provider
