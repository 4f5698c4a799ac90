#include "kube/directory/manifest_directory.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/encoding.h"
#include "common/json/json.h"
#include "common/json/yaml.h"
#include "common/log/log.h"
#include "kube/cluster/access.h"
#include "kube/cluster/defaults.h"
#include "kube/directory/pod_manifest.h"
#include "kube/object.h"
#include "kube/paths.h"
#include "kube/shape/shape.h"

namespace slicelet::kube {
namespace {

constexpr char kDefaultNamespace[] = "default";
constexpr std::uint64_t kMaxSmallFile = 4'096;
const Resource* KindOf(const std::string& kind) {
  for (const Resource* resource :
       {&kPods, &kConfigMaps, &kSecrets, &kServices, &kServiceAccounts, &kEdgeHosts}) {
    if (resource->kind == kind) return resource;
  }
  return nullptr;
}

bool IsManifest(const std::string& name) {
  const auto dot = name.rfind('.');
  if (name.empty() || name.front() == '.' || dot == std::string::npos) return false;
  const std::string extension = name.substr(dot);
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

std::string Trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

/// What the JSON library throws at content that nobody has thought of is about that content alone.
absl::Status Guarded(const std::function<absl::Status()>& action) {
  try {
    return action();
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(std::string("holds something unexpected: ") + error.what());
  }
}

void CopyOrErase(const Json& from, Json& to, const std::string& key) {
  const auto it = from.find(key);
  if (it == from.end())
    to.erase(key);
  else
    to[key] = *it;
}

}  // namespace

ManifestDirectory::ManifestDirectory(std::string path, Loop& loop, FileSystem& files, MemoryCluster& cluster)
    : path_(std::move(path)),
      loop_(loop),
      files_(files),
      cluster_(cluster),
      rescan_(loop),
      react_(loop),
      settle_(loop) {}

ManifestDirectory::~ManifestDirectory() {
  if (listener_ != 0) cluster_.RemoveListener(listener_);
}

absl::Status ManifestDirectory::Start() {
  const auto id = ReadMarker();
  if (!id.ok()) {
    return absl::FailedPreconditionError(path_ + " is no directory of manifests: it holds no readable " +
                                         std::string(kDirectoryMarker) + " (" + Message(id.status()) +
                                         "); `slicectl hub init` makes one");
  }
  id_ = *id;
  // The cluster's identity is the directory's, also over restarts.
  cluster_.SetIdentity(UuidV5(id_, "kube-system"));
  listener_ = cluster_.AddListener([this](const std::string& collection) {
    if (collection == MemoryCluster::CollectionKey(kNodes)) {
      // Nodes change all the time; only their set matters here.
      std::set<std::string> now;
      for (const auto& node : cluster_.All(kNodes)) now.insert(NameOf(*node));
      if (now == nodes_) return;
      nodes_ = std::move(now);
      nodes_changed_ = loop_.Now();
      settle_.Set(kSettle, [this] { BindPods(); });
    } else if (collection == MemoryCluster::CollectionKey(kPods) && !react_.armed()) {
      // A pod that is gone may be wanted again.
      react_.Set(Duration::zero(), [this] { Converge(false); });
    }
  });
  Rescan();
  return absl::OkStatus();
}

absl::StatusOr<std::string> ManifestDirectory::ReadMarker() {
  SLICELET_ASSIGN_OR_RETURN(const std::string text,
                            files_.Read(path_ + "/" + kDirectoryMarker, kMaxSmallFile));
  std::string id = Trimmed(text);
  if (id.empty()) return absl::InvalidArgumentError("it is empty");
  return id;
}

void ManifestDirectory::Rescan() {
  rescan_.Set(kRescan, [this] { Rescan(); });
  DropOldEvents();
  const auto id = ReadMarker();
  if (id.ok() && *id != id_) {
    return Warn(kDirectoryMarker, "this is another directory than the one at start; restart to use it");
  }
  bool may_remove = id.ok();
  if (!may_remove)
    Warn(kDirectoryMarker, "missing, nothing is removed until it is back: " + Message(id.status()));
  else
    warned_.erase(kDirectoryMarker);
  const auto listed = files_.List(path_);
  if (!listed.ok()) return Warn("", "cannot list " + path_ + ": " + Message(listed.status()));
  warned_.erase("");
  std::vector<std::string> names;
  std::copy_if(listed->begin(), listed->end(), std::back_inserter(names), IsManifest);
  std::set<std::string> missing;
  for (const auto& [name, file] : read_) missing.insert(name);
  ReadFiles(names, missing);
  if (may_remove) {
    for (const std::string& name : missing) {
      read_.erase(name);
      warned_.erase(name);
    }
  }
  Converge(may_remove);
}

void ManifestDirectory::ReadFiles(const std::vector<std::string>& names, std::set<std::string>& missing) {
  for (const std::string& name : names) {
    missing.erase(name);
    const auto text = files_.Read(path_ + "/" + name, kMaxFile);
    if (!text.ok()) {
      // Between the listing and the reading it may have gone: the next scan sees that.
      Warn(name, Message(text.status()));
      continue;
    }
    ReadFile(name, *text, read_[name]);
  }
}

void ManifestDirectory::ReadFile(const std::string& name, const std::string& text, File& known) {
  const Digest digest = Sha256(text);
  const bool again = known.halfway == digest;
  if (!again) known.halfway_since = loop_.Now();
  known.halfway = Digest();
  if (known.digest == digest) return;
  std::vector<Wanted> objects;
  absl::Status parsed = Guarded([&] { return Parse(name, text, objects); });
  if (parsed.ok() && objects.empty() && !known.objects.empty()) {
    // Whoever writes a file empties it first, and a full disk or a power cut leaves it so.
    parsed = absl::InvalidArgumentError("holds nothing any more (to end what it asked for, remove the file)");
  }
  const bool lacks = parsed.ok() && LacksAny(objects, known.objects);
  if (lacks && (!again || loop_.Now() - known.halfway_since < kHalfway)) {
    // It may be half written: it counts once it stays so.
    known.halfway = digest;
    rescan_.Set(kHalfway, [this] { Rescan(); });
    return;
  }
  known.digest = digest;
  warned_.erase(name);
  if (parsed.ok()) {
    known.objects = std::move(objects);
  } else {
    Warn(name, Message(parsed) + (known.objects.empty() ? "" : "; its last good content stays in force"));
  }
}

bool ManifestDirectory::LacksAny(const std::vector<Wanted>& objects, const std::vector<Wanted>& former) {
  return std::ranges::any_of(former, [&objects](const Wanted& one) {
    return std::ranges::none_of(objects, [&one](const Wanted& other) {
      return one.resource == other.resource && one.ns == other.ns && one.name == other.name;
    });
  });
}

void ManifestDirectory::DropOldEvents() {
  const WallTime now = cluster_.clock().Now();
  for (const auto& event : cluster_.All(kEvents)) {
    const auto last = ParseTime(TextAt(*event, {"lastTimestamp"}));
    if (!last.ok() || now - *last < kKeepEvents) continue;
    const absl::Status status =
        cluster_.Delete(kDirectoryUser, {kEvents, NamespaceOf(*event), NameOf(*event), ""}, {});
    if (!status.ok()) LogWarning("event not removed", {{"error", Describe(status)}});
  }
}

absl::Status ManifestDirectory::Parse(const std::string& file, const std::string& text,
                                      std::vector<Wanted>& objects) {
  SLICELET_ASSIGN_OR_RETURN(const std::vector<Json> documents, ParseYamlDocuments(text));
  for (const Json& document : documents) SLICELET_RETURN_IF_ERROR(Unpack(document, file, objects));
  return absl::OkStatus();
}

absl::Status ManifestDirectory::Unpack(const Json& document, const std::string& file,
                                       std::vector<Wanted>& objects) {
  const std::string kind = TextAt(document, {"kind"});
  if (kind == "List") {
    const Json* items = Find(document, {"items"});
    if (items == nullptr || !items->is_array())
      return absl::InvalidArgumentError("List: items: a list is needed");
    for (const Json& item : *items) SLICELET_RETURN_IF_ERROR(Unpack(item, file, objects));
    return absl::OkStatus();
  }
  const std::string name = NameOf(document);
  if (kind.empty()) return absl::InvalidArgumentError("kind: a text is needed");
  if (name.empty()) return absl::InvalidArgumentError(kind + ": metadata.name: a text is needed");
  const Resource* resource = KindOf(kind);
  absl::Status valid = resource == nullptr ? absl::OkStatus() : CheckShape(kind, document);
  if (!valid.ok()) return WithContext(valid, kind + " \"" + name + "\"");
  if (resource == nullptr || TextAt(document, {"apiVersion"}) != ApiVersion(*resource)) {
    Warn(file, TextAt(document, {"apiVersion"}) + " " + kind + " \"" + name +
                   "\" needs a Kubernetes API server; a directory holds Pods, ConfigMaps, Secrets, Services, "
                   "ServiceAccounts (v1) and EdgeHosts (slicelet.io/v1alpha1)");
    return absl::OkStatus();
  }
  if (*resource == kPods) valid = CheckPodManifest(document);
  if (!valid.ok()) return WithContext(valid, kind + " \"" + name + "\"");
  if (objects.size() >= kMaxObjects)
    return absl::ResourceExhaustedError("more than " + std::to_string(kMaxObjects) + " objects");
  const std::string ns = NamespaceOf(document);
  objects.push_back({.resource = *resource,
                     .ns = ns.empty() ? kDefaultNamespace : ns,
                     .name = name,
                     .object = std::make_shared<const Json>(WithoutNulls(document)),
                     .immutable_part = *resource == kPods ? ImmutablePartOfPod(document) : "",
                     .file = file});
  return absl::OkStatus();
}

void ManifestDirectory::Converge(bool may_remove) {
  std::map<Key, Wanted> wanted;
  for (const auto& [name, file] : read_) {
    for (const Wanted& object : file.objects) {
      const Key key = object.resource.kind + "/" + object.ns + "/" + object.name;
      const auto [it, added] = wanted.emplace(key, object);
      if (!added) Warn(name, key + " is in " + it->second.file + " already; that one counts");
    }
  }
  for (const auto& [key, object] : wanted) {
    // What others wrote into it since stays until its file changes, as with `kubectl apply`: else both would
    // write for ever.
    StoredObject& written = written_[key];
    const bool there = cluster_.Peek(object.resource, object.ns, object.name) != nullptr;
    if (there && written != nullptr && *written == *object.object) continue;
    const absl::Status status = Guarded([&, &object = object] { return Apply(object); });
    written = status.ok() ? object.object : nullptr;
    if (!status.ok()) Warn(object.file, Message(status));
  }
  std::erase_if(written_, [&wanted](const auto& entry) { return wanted.count(entry.first) == 0; });
  if (may_remove) {
    for (const auto& [key, object] : applied_) {
      if (wanted.count(key) == 0) Remove(key, object);
    }
    applied_ = std::move(wanted);
  } else {
    for (auto& [key, object] : wanted) applied_[key] = std::move(object);
  }
}

absl::Status ManifestDirectory::Apply(const Wanted& wanted) {
  const StoredObject present = cluster_.Peek(wanted.resource, wanted.ns, wanted.name);
  if (wanted.resource == kPods) return ApplyPod(wanted, present);
  Json object = *wanted.object;
  object["metadata"]["namespace"] = wanted.ns;
  const ObjectRef ref{wanted.resource, wanted.ns, wanted.name, ""};
  if (present == nullptr) {
    object["metadata"]["uid"] = UidOfWanted(wanted);
    return cluster_.Create(kDirectoryUser, ref, object).status();
  }
  object["metadata"].erase("resourceVersion");
  object["metadata"]["uid"] = UidOf(*present);
  return cluster_.Update(kDirectoryUser, ref, object).status();
}

absl::Status ManifestDirectory::ApplyPod(const Wanted& wanted, const StoredObject& present) {
  const ObjectRef ref{kPods, wanted.ns, wanted.name, ""};
  const std::string uid = UidOfWanted(wanted);
  absl::Status status;
  if (present == nullptr) {
    Json pod = *wanted.object;
    pod["metadata"]["namespace"] = wanted.ns;
    pod["metadata"]["uid"] = uid;
    if (TextAt(pod, {"spec", "nodeName"}).empty()) {
      const std::string node = OnlyNode();
      if (!node.empty())
        pod["spec"]["nodeName"] = node;
      else
        SayUnbound(pod);
    }
    status = cluster_.Create(kDirectoryUser, ref, pod).status();
    if (status.ok())
      LogInfo("pod applied", {{"pod", wanted.ns + "/" + wanted.name}, {"uid", uid}, {"file", wanted.file}});
  } else if (BeingDeleted(*present)) {
    // It comes back when it is gone.
    return absl::OkStatus();
  } else if (UidOf(*present) != uid) {
    LogInfo("pod replaced, its file changed more than an image",
            {{"pod", wanted.ns + "/" + wanted.name}, {"uid", UidOf(*present)}});
    DeleteOptions options;
    options.uid = UidOf(*present);
    status = cluster_.Delete(kDirectoryUser, ref, options);
  } else {
    Json pod = *present;
    for (const char* key : {"labels", "annotations"})
      CopyOrErase(GetObject(*wanted.object, "/metadata"), pod["metadata"], key);
    Json& spec = pod["spec"];
    for (const char* key : kMutablePodFields) CopyOrErase(GetObject(*wanted.object, "/spec"), spec, key);
    for (const char* list : {"initContainers", "containers"}) {
      for (const Json& container : GetArray(*wanted.object, std::string("/spec/") + list)) {
        for (Json& held : spec[list]) {
          if (held["name"] == container["name"]) held["image"] = container["image"];
        }
      }
    }
    status = cluster_.Update(kDirectoryUser, ref, pod).status();
  }
  return status;
}

void ManifestDirectory::Remove(const Key& key, const Wanted& wanted) {
  const StoredObject present = cluster_.Peek(wanted.resource, wanted.ns, wanted.name);
  if (present == nullptr || BeingDeleted(*present)) return;
  LogInfo("object removed with its file", {{"object", key}, {"file", wanted.file}});
  const absl::Status status = cluster_.Delete(kDirectoryUser, {wanted.resource, wanted.ns, wanted.name, ""},
                                              {UidOf(*present), std::nullopt});
  if (!status.ok() && !absl::IsNotFound(status)) Warn(wanted.file, Message(status));
}

std::string ManifestDirectory::OnlyNode() const {
  if (nodes_.size() != 1 || loop_.Now() - nodes_changed_ < kSettle) return {};
  return *nodes_.begin();
}

void ManifestDirectory::BindPods() {
  const std::string node = OnlyNode();
  for (const auto& pod : cluster_.All(kPods)) {
    if (!TextAt(*pod, {"spec", "nodeName"}).empty() || BeingDeleted(*pod)) continue;
    if (node.empty()) {
      SayUnbound(*pod);
      continue;
    }
    const absl::Status bound =
        cluster_
            .Create(kDirectoryUser, {kPods, NamespaceOf(*pod), NameOf(*pod), "binding"},
                    {{"target", {{"kind", "Node"}, {"name", node}}}})
            .status();
    if (!bound.ok()) LogWarning("cannot bind the pod", {{"pod", NameOf(*pod)}, {"error", Describe(bound)}});
  }
}

void ManifestDirectory::SayUnbound(const Json& pod) {
  // With no node at all the provider has not said which there are.
  if (nodes_.size() < 2 || !said_unbound_.insert(UidOf(pod)).second) return;
  const std::string ns = NamespaceOf(pod);
  const std::string message = "spec.nodeName is not set and there are " + std::to_string(nodes_.size()) +
                              " nodes: without a scheduler the manifest must name one of them";
  LogWarning(message, {{"pod", ns + "/" + NameOf(pod)}});
  const std::string now = FormatTime(cluster_.clock().Now());
  (void)cluster_.Create(kDirectoryUser, {kEvents, ns, NameOf(pod) + "." + UidOf(pod).substr(0, 8), ""},
                        {{"involvedObject",
                          {{"kind", "Pod"},
                           {"apiVersion", "v1"},
                           {"namespace", ns},
                           {"name", NameOf(pod)},
                           {"uid", UidOf(pod)}}},
                         {"type", "Warning"},
                         {"reason", "FailedScheduling"},
                         {"message", message},
                         {"source", {{"component", "slicelet-shim"}}},
                         {"count", 1},
                         {"firstTimestamp", now},
                         {"lastTimestamp", now}});
}

std::string ManifestDirectory::UidOfWanted(const Wanted& wanted) const {
  std::string name = wanted.resource.kind + "/" + wanted.ns + "/" + wanted.name;
  if (wanted.resource == kPods) name += "/" + HexEncode(Sha256(wanted.immutable_part).value());
  return UuidV5(id_, name);
}

void ManifestDirectory::Warn(const std::string& file, const std::string& why) {
  std::string& last = warned_[file];
  if (last == why) return;
  last = why;
  LogWarning(why, {{"file", path_ + "/" + file}});
}

absl::StatusOr<std::uint64_t> NextIncarnation(FileSystem& files, const std::string& path) {
  std::uint64_t number = 0;
  const auto text = files.Read(path, kMaxSmallFile);
  if (text.ok()) {
    const std::string trimmed = Trimmed(*text);
    const auto [at, error] = std::from_chars(trimmed.data(), trimmed.data() + trimmed.size(), number);
    if (error != std::errc() || at != trimmed.data() + trimmed.size()) {
      return absl::InvalidArgumentError(path + " holds \"" + trimmed + "\", which is no number");
    }
  } else if (!absl::IsNotFound(text.status())) {
    return text.status();
  }
  ++number;
  SLICELET_RETURN_IF_ERROR(files.WriteAtomically(path, std::to_string(number) + "\n", 0644));
  return number;
}

}  // namespace slicelet::kube
