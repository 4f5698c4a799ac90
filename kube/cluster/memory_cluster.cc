#include "kube/cluster/memory_cluster.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "kube/cluster/access.h"
#include "kube/cluster/defaults.h"
#include "kube/cluster/patch.h"
#include "kube/cluster/pod_rules.h"
#include "kube/object.h"
#include "kube/paths.h"

namespace slicelet::kube {
namespace {

constexpr char kStatus[] = "status";
constexpr char kApproval[] = "approval";
constexpr std::size_t kMaxNameLength = 253;

std::string Quoted(const ObjectRef& ref) { return GroupResource(ref.resource) + " \"" + ref.name + "\""; }

absl::Status Conflict(const ObjectRef& ref, const std::string& why) {
  return absl::AbortedError("Operation cannot be fulfilled on " + Quoted(ref) + ": " + why);
}

absl::Status StaleVersion(const ObjectRef& ref) {
  return Conflict(
      ref, "the object has been modified; please apply your changes to the latest version and try again");
}

/// Kinds whose metadata.generation counts changes of the spec.
bool CountsGenerations(const Resource& resource) {
  if (resource == kLeases || resource == kCertificateSigningRequests) return false;
  return resource == kPods || !resource.group.empty();
}

/// A custom resource of ours.
bool IsOurs(const Resource& resource) { return resource.group == kEdgeHosts.group; }

bool HasStatus(const Resource& resource) {
  return resource == kPods || resource == kNodes || resource == kServices || resource == kNamespaces ||
         resource == kCertificateSigningRequests || IsOurs(resource);
}

/// Which may be left out.
bool IsObjectWithMetadata(const Json& object) {
  const Json* metadata = Find(object, {"metadata"});
  return object.is_object() && (metadata == nullptr || metadata->is_null() || metadata->is_object());
}

bool HasFinalizers(const Json& object) {
  const Json* finalizers = Find(object, {"metadata", "finalizers"});
  return finalizers != nullptr && finalizers->is_array() && !finalizers->empty();
}

bool IsTerminal(const Json& pod) {
  const std::string phase = TextAt(pod, {"status", "phase"});
  return phase == "Succeeded" || phase == "Failed";
}

/// What the server and not the writer decides about the metadata of an existing object.
void KeepServerMetadata(const Json& before, Json& after) {
  for (const char* key : {"uid", "creationTimestamp", "generation", "deletionTimestamp",
                          "deletionGracePeriodSeconds", "name", "namespace", "resourceVersion"}) {
    const auto it = before.at("metadata").find(key);
    if (it == before.at("metadata").end())
      after["metadata"].erase(key);
    else
      after["metadata"][key] = *it;
  }
}

absl::Status CheckName(const Resource& resource, const std::string& name) {
  const bool fits =
      name.size() <= kMaxNameLength && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == ':';
      });
  if (!name.empty() && fits) return absl::OkStatus();
  return absl::FailedPreconditionError(
      resource.kind + " \"" + name + "\" is invalid: metadata.name: must be a lower case RFC 1123 subdomain");
}

void CopyMember(const Json& from, Json& to, const char* key) {
  const auto it = from.find(key);
  if (it == from.end())
    to.erase(key);
  else
    to[key] = *it;
}

}  // namespace

MemoryCluster::MemoryCluster(const Clock& clock, Random& random, Options options)
    : clock_(clock),
      random_(random),
      options_(options),
      version_(options.first_version),
      history_(options.history_limit, options.first_version) {
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    (void)Create("", {kNamespaces, "", name, ""}, {{"metadata", {{"name", name}}}});
  }
}

std::string MemoryCluster::CollectionKey(const Resource& resource) {
  return resource.group + "/" + resource.plural;
}

StoredObject MemoryCluster::Peek(const Resource& resource, const std::string& ns,
                                 const std::string& name) const {
  const auto collection = collections_.find(CollectionKey(resource));
  if (collection == collections_.end()) return nullptr;
  const auto it = collection->second.find({resource.namespaced ? ns : "", name});
  return it == collection->second.end() ? nullptr : it->second;
}

std::vector<StoredObject> MemoryCluster::All(const Resource& resource) const {
  std::vector<StoredObject> objects;
  const auto collection = collections_.find(CollectionKey(resource));
  if (collection == collections_.end()) return objects;
  for (const auto& [key, object] : collection->second) objects.push_back(object);
  return objects;
}

absl::StatusOr<StoredObject> MemoryCluster::Need(const ObjectRef& ref) const {
  StoredObject object = Peek(ref.resource, ref.ns, ref.name);
  if (object == nullptr) return absl::NotFoundError(Quoted(ref) + " not found");
  return object;
}

absl::StatusOr<Json> MemoryCluster::Get(const User& user, const ObjectRef& ref) const {
  SLICELET_RETURN_IF_ERROR(CheckAccess(*this, user, {Verb::kGet, ref, nullptr, nullptr}));
  SLICELET_ASSIGN_OR_RETURN(const StoredObject object, Need(ref));
  return *object;
}

absl::StatusOr<ObjectList> MemoryCluster::List(const User& user, const Resource& resource,
                                               const std::string& ns, const ListOptions& options) const {
  SLICELET_ASSIGN_OR_RETURN(const Selector selector, Selector::Parse(options));
  SLICELET_RETURN_IF_ERROR(
      CheckAccess(*this, user, {Verb::kList, {resource, ns, "", ""}, &selector, nullptr}));
  ObjectList list;
  list.resource_version = std::to_string(version_);
  const auto collection = collections_.find(CollectionKey(resource));
  if (collection == collections_.end()) return list;
  for (const auto& [key, object] : collection->second) {
    if (resource.namespaced && !ns.empty() && key.first != ns) continue;
    if (selector.Matches(*object)) list.items.push_back(*object);
  }
  return list;
}

absl::StatusOr<Json> MemoryCluster::Create(const User& user, const ObjectRef& ref, const Json& object) {
  ObjectRef target = ref;
  if (!IsObjectWithMetadata(object)) return absl::InvalidArgumentError("the body is not an object");
  if (target.subresource.empty()) {
    if (target.name.empty()) target.name = NameOf(object);
    const std::string prefix = TextAt(object, {"metadata", "generateName"});
    if (target.name.empty() && !prefix.empty()) target.name = prefix + random_.Hex(3).substr(0, 5);
    if (ref.resource.namespaced && target.ns.empty()) target.ns = NamespaceOf(object);
  }
  SLICELET_RETURN_IF_ERROR(CheckAccess(*this, user, {Verb::kCreate, target, nullptr, &object}));
  if (ref.subresource == "token") return CreateToken(ref, object);
  if (ref.subresource == "binding") return Bind(ref, object);
  if (!ref.subresource.empty()) return absl::NotFoundError("the server could not find " + ObjectPath(ref));
  SLICELET_RETURN_IF_ERROR(CheckName(target.resource, target.name));
  if (target.resource.namespaced && target.ns.empty()) {
    return absl::InvalidArgumentError("an empty namespace may not be set during creation");
  }
  if (Peek(target.resource, target.ns, target.name) != nullptr) {
    return absl::AlreadyExistsError(Quoted(target) + " already exists");
  }
  Json created = object;
  created["apiVersion"] = ApiVersion(target.resource);
  created["kind"] = target.resource.kind;
  Json& metadata = created["metadata"];
  metadata["name"] = target.name;
  if (target.resource.namespaced) metadata["namespace"] = target.ns;
  for (const char* key : {"deletionTimestamp", "deletionGracePeriodSeconds", "generation"})
    metadata.erase(key);
  // Standalone mode derives uids from files; an API server always makes its own.
  if (user != kDirectoryUser || UidOf(created).empty()) metadata["uid"] = random_.Uuid();
  metadata["creationTimestamp"] = FormatTime(clock_.Now());
  if (CountsGenerations(target.resource)) metadata["generation"] = 1;
  if (HasStatus(target.resource) && target.resource != kNodes) created.erase(kStatus);
  if (target.resource == kCertificateSigningRequests) {
    created["spec"]["username"] = user;
    if (IsNodeUser(user)) created["spec"]["groups"] = {"system:nodes", "system:authenticated"};
    created[kStatus] = Json::object();
  }
  ApplyDefaults(target.resource, created);
  return *Store(target.resource, std::move(created));
}

absl::StatusOr<Json> MemoryCluster::Update(const User& user, const ObjectRef& ref, const Json& object) {
  SLICELET_RETURN_IF_ERROR(CheckAccess(*this, user, {Verb::kUpdate, ref, nullptr, &object}));
  SLICELET_ASSIGN_OR_RETURN(const StoredObject before, Need(ref));
  const std::string version = ResourceVersionOf(object);
  if (version == "0") {
    return absl::FailedPreconditionError(
        "metadata.resourceVersion: Invalid value: must be specified for an update");
  }
  if (!version.empty() && version != ResourceVersionOf(*before)) return StaleVersion(ref);
  if (const std::string uid = UidOf(object); !uid.empty() && uid != UidOf(*before)) {
    return Conflict(
        ref, "Precondition failed: UID in precondition: " + uid + ", UID in object meta: " + UidOf(*before));
  }
  return Replace(ref, before, object);
}

absl::StatusOr<Json> MemoryCluster::Patch(const User& user, const ObjectRef& ref, PatchType type,
                                          const Json& patch) {
  if (type == PatchType::kStrategicMerge && IsOurs(ref.resource)) {
    return absl::InternalError(
        "the body of the request was in an unknown format: custom resources take merge or JSON patches");
  }
  SLICELET_RETURN_IF_ERROR(CheckAccess(*this, user, {Verb::kPatch, ref, nullptr, nullptr}));
  SLICELET_ASSIGN_OR_RETURN(const StoredObject before, Need(ref));
  SLICELET_ASSIGN_OR_RETURN(Json after, ApplyPatch(*before, type, patch));
  if (ResourceVersionOf(after) != ResourceVersionOf(*before)) return StaleVersion(ref);
  if (UidOf(after) != UidOf(*before)) {
    return absl::FailedPreconditionError(ref.resource.kind + " \"" + ref.name +
                                         "\" is invalid: metadata.uid: " + "Invalid value: \"" +
                                         UidOf(after) + "\": field is immutable");
  }
  SLICELET_RETURN_IF_ERROR(CheckAccess(*this, user, {Verb::kPatch, ref, nullptr, &after}));
  return Replace(ref, before, std::move(after));
}

absl::StatusOr<Json> MemoryCluster::Replace(const ObjectRef& ref, const StoredObject& before, Json after) {
  if (!IsObjectWithMetadata(after)) return absl::InvalidArgumentError("the body is not an object");
  KeepServerMetadata(*before, after);
  after["apiVersion"] = ApiVersion(ref.resource);
  after["kind"] = ref.resource.kind;
  if (ref.subresource == kStatus) {
    CopyMember(*before, after, "spec");
    if (IsOurs(ref.resource)) after["metadata"] = before->at("metadata");
    CopyMember(before->at("metadata"), after["metadata"], "ownerReferences");
    if (ref.resource == kPods) SLICELET_RETURN_IF_ERROR(ValidatePodStatus(*before, after));
  } else if (ref.subresource == kApproval) {
    const Json* approved = Find(after, {"status", "conditions"});
    Json conditions = approved == nullptr ? Json::array() : *approved;
    after = *before;
    after[kStatus]["conditions"] = std::move(conditions);
  } else if (!ref.subresource.empty()) {
    return absl::NotFoundError("the server could not find " + ObjectPath(ref));
  } else {
    if (HasStatus(ref.resource)) CopyMember(*before, after, kStatus);
    ApplyDefaults(ref.resource, after);
    if (ref.resource == kPods) SLICELET_RETURN_IF_ERROR(ValidatePodSpecUpdate(*before, after));
    if (CountsGenerations(ref.resource)) {
      const Json* was = Find(*before, {"spec"});
      const Json* is = Find(after, {"spec"});
      const bool changed = (was == nullptr) != (is == nullptr) || (was != nullptr && *was != *is);
      if (changed) after["metadata"]["generation"] = IntegerAt(*before, {"metadata", "generation"}, 1) + 1;
    }
  }
  if (after == *before) return after;
  const bool gone = BeingDeleted(after) && !HasFinalizers(after) && HasFinalizers(*before) &&
                    IntegerAt(after, {"metadata", "deletionGracePeriodSeconds"}, 0) == 0;
  const StoredObject stored = Store(ref.resource, std::move(after));
  if (gone) Remove(ref.resource, {ref.resource.namespaced ? ref.ns : "", ref.name});
  return *stored;
}

absl::Status MemoryCluster::Delete(const User& user, const ObjectRef& ref, const DeleteOptions& options) {
  SLICELET_RETURN_IF_ERROR(CheckAccess(*this, user, {Verb::kDelete, ref, nullptr, nullptr}));
  SLICELET_ASSIGN_OR_RETURN(const StoredObject before, Need(ref));
  if (!options.uid.empty() && options.uid != UidOf(*before)) {
    return Conflict(ref, "Precondition failed: UID in precondition: " + options.uid +
                             ", UID in object meta: " + UidOf(*before));
  }
  if (!options.resource_version.empty() && options.resource_version != ResourceVersionOf(*before)) {
    return Conflict(ref, "Precondition failed: ResourceVersion in precondition: " + options.resource_version +
                             ", ResourceVersion in object meta: " + ResourceVersionOf(*before));
  }
  std::int64_t grace = 0;
  if (ref.resource == kPods && !TextAt(*before, {"spec", "nodeName"}).empty() && !IsTerminal(*before)) {
    const std::int64_t own = IntegerAt(*before, {"spec", "terminationGracePeriodSeconds"}, 30);
    grace = options.grace_seconds.value_or(own);
    if (grace < 0) grace = 1;
  }
  const std::int64_t running = IntegerAt(*before, {"metadata", "deletionGracePeriodSeconds"}, 0);
  const bool again = BeingDeleted(*before);
  // A second delete can only shorten the grace, and without a grace of its own it changes nothing.
  if (again && grace > 0 && (!options.grace_seconds.has_value() || grace >= running)) return absl::OkStatus();
  if (grace == 0 && !HasFinalizers(*before)) {
    Remove(ref.resource, {ref.resource.namespaced ? ref.ns : "", ref.name});
    return absl::OkStatus();
  }
  if (again && grace == 0 && running == 0) return absl::OkStatus();
  Json marked = *before;
  Json& metadata = marked["metadata"];
  WallTime until = clock_.Now() + std::chrono::seconds(grace);
  if (again) {
    const auto former = ParseTime(TextAt(*before, {"metadata", "deletionTimestamp"}));
    if (former.ok()) until = *former - std::chrono::seconds(running - grace);
  }
  metadata["deletionTimestamp"] = FormatTime(until);
  metadata["deletionGracePeriodSeconds"] = grace;
  if (CountsGenerations(ref.resource))
    metadata["generation"] = IntegerAt(*before, {"metadata", "generation"}, 1) + 1;
  Store(ref.resource, std::move(marked));
  return absl::OkStatus();
}

absl::StatusOr<Json> MemoryCluster::CreateToken(const ObjectRef& ref, const Json& request) {
  if (!options_.issue_tokens) {
    return absl::FailedPreconditionError("serviceaccounts/token: without an API server there are no tokens");
  }
  // Kubernetes makes a "default" account in every namespace.
  if (ref.name != "default")
    SLICELET_RETURN_IF_ERROR(Need({kServiceAccounts, ref.ns, ref.name, ""}).status());
  const Json* bound = Find(request, {"spec", "boundObjectRef"});
  if (bound != nullptr && TextAt(*bound, {"kind"}) == "Pod") {
    SLICELET_ASSIGN_OR_RETURN(const StoredObject pod, Need({kPods, ref.ns, TextAt(*bound, {"name"}), ""}));
    const std::string uid = TextAt(*bound, {"uid"});
    if (!uid.empty() && uid != UidOf(*pod))
      return Conflict(ref, "the UID in the bound object reference does not match");
  }
  Json answer = request;
  const std::int64_t seconds = IntegerAt(request, {"spec", "expirationSeconds"}, 3'600);
  if (seconds < 600)
    return absl::FailedPreconditionError(
        "spec.expirationSeconds: may not specify a duration less than 10 minutes");
  answer["apiVersion"] = "authentication.k8s.io/v1";
  answer["kind"] = "TokenRequest";
  answer["status"] = {{"token", "token." + ref.ns + "." + ref.name + "." + random_.Hex(8)},
                      {"expirationTimestamp", FormatTime(clock_.Now() + std::chrono::seconds(seconds))}};
  return answer;
}

absl::StatusOr<Json> MemoryCluster::Bind(const ObjectRef& ref, const Json& binding) {
  SLICELET_ASSIGN_OR_RETURN(const StoredObject before, Need({kPods, ref.ns, ref.name, ""}));
  const std::string node = TextAt(binding, {"target", "name"});
  if (node.empty()) return absl::FailedPreconditionError("target.name: Required value");
  if (const std::string held = TextAt(*before, {"spec", "nodeName"}); !held.empty()) {
    return Conflict(ref, "pod " + ref.name + " is already assigned to node \"" + held + "\"");
  }
  Json bound = *before;
  bound["spec"]["nodeName"] = node;
  bound["status"]["conditions"].push_back({{"type", "PodScheduled"},
                                           {"status", "True"},
                                           {"lastProbeTime", nullptr},
                                           {"lastTransitionTime", FormatTime(clock_.Now())}});
  return *Store(kPods, std::move(bound));
}

StoredObject MemoryCluster::Store(const Resource& resource, Json object) {
  object["metadata"]["resourceVersion"] = std::to_string(version_ + 1);
  const Key key{resource.namespaced ? NamespaceOf(object) : "", NameOf(object)};
  const std::string collection = CollectionKey(resource);
  StoredObject stored = std::make_shared<const Json>(std::move(object));
  StoredObject& slot = collections_[collection][key];
  StoredObject before = std::exchange(slot, stored);
  Record({version_ + 1, collection, std::move(before), stored, nullptr});
  return stored;
}

void MemoryCluster::Remove(const Resource& resource, const Key& key) {
  const std::string collection = CollectionKey(resource);
  auto& objects = collections_[collection];
  const auto it = objects.find(key);
  if (it == objects.end()) return;
  StoredObject before = std::move(it->second);
  objects.erase(it);
  Json last = *before;
  last["metadata"]["resourceVersion"] = std::to_string(version_ + 1);
  Record(
      {version_ + 1, collection, std::move(before), nullptr, std::make_shared<const Json>(std::move(last))});
}

void MemoryCluster::Record(WatchHistory::Change change) {
  version_ = change.version;
  const std::string collection = change.collection;
  history_.Add(std::move(change));
  const auto listeners = listeners_;
  for (const auto& [id, listener] : listeners) {
    if (listeners_.count(id) != 0) listener(collection);
  }
}

absl::Status MemoryCluster::AdmitWatch(const User& user, const Resource& resource, const std::string& ns,
                                       const ListOptions& options) const {
  SLICELET_ASSIGN_OR_RETURN(const Selector selector, Selector::Parse(options));
  SLICELET_RETURN_IF_ERROR(
      CheckAccess(*this, user, {Verb::kWatch, {resource, ns, "", ""}, &selector, nullptr}));
  return ChangesSince(resource, ns, selector, VersionNumber(options.resource_version)).status();
}

absl::StatusOr<std::vector<MemoryCluster::Seen>> MemoryCluster::ChangesSince(const Resource& resource,
                                                                             const std::string& ns,
                                                                             const Selector& selector,
                                                                             std::uint64_t version) const {
  return history_.Since(version, {.collection = CollectionKey(resource),
                                  .ns = resource.namespaced ? ns : std::string(),
                                  .selector = selector});
}

std::uint64_t MemoryCluster::AddListener(std::function<void(const std::string&)> listener) {
  listeners_.emplace(next_listener_, std::move(listener));
  return next_listener_++;
}

void MemoryCluster::Compact() { history_.Compact(version_); }

void MemoryCluster::Restore(Snapshot snapshot) {
  collections_ = std::move(snapshot.collections);
  version_ = snapshot.version;
  Compact();
}

void MemoryCluster::SetIdentity(const std::string& uid) {
  const StoredObject before = Peek(kNamespaces, "", "kube-system");
  Json other = before == nullptr ? Json{{"metadata", {{"name", "kube-system"}}}} : *before;
  other["metadata"]["uid"] = uid;
  Store(kNamespaces, std::move(other));
}

}  // namespace slicelet::kube
