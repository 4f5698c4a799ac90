#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace slicelet::kube {

using Json = nlohmann::json;

/// A kind of object as the API server's paths name it.
struct Resource {
  std::string group;    // "" for the core group
  std::string version;  // "v1"
  std::string plural;   // "pods"
  std::string kind;     // "Pod"
  bool namespaced = true;

  friend bool operator==(const Resource&, const Resource&) = default;
};

extern const Resource kPods, kNodes, kLeases, kConfigMaps, kSecrets, kServices, kEvents, kServiceAccounts,
    kNamespaces, kResourceQuotas, kCertificateSigningRequests;

/// The kinds of slicelet.io/v1alpha1.
extern const Resource kEdgeHosts, kIotClusters, kIotSlices, kIotGateways, kIotServers, kIotDevices;

/// One object, or one of its subresources ("status", "token", "approval").
struct ObjectRef {
  Resource resource;
  std::string ns;
  std::string name;
  std::string subresource;
};

struct ListOptions {
  std::string field_selector;
  std::string label_selector;
  /// Empty is a quorum read, "0" may come from the API server's cache.
  std::string resource_version;
};

struct ObjectList {
  std::vector<Json> items;
  std::string resource_version;
};

enum class PatchType { kStrategicMerge, kMerge, kJson };

struct DeleteOptions {
  /// Precondition; empty for none.
  std::string uid;
  std::optional<std::int64_t> grace_seconds;
  /// Precondition; empty for none.
  std::string resource_version{};
};

enum class WatchEventType { kAdded, kModified, kDeleted, kBookmark };

struct WatchEvent {
  WatchEventType type = WatchEventType::kAdded;
  Json* object;  // never null; the receiver may move from it
};

/// One watch connection. Destroying it ends the watch; no callback follows.
class Watch {
 public:
  virtual ~Watch() = default;
};

struct WatchHandler {
  std::function<void(WatchEvent)> on_event;
  /// At most once. OK: the server ended it in the normal way, resume from the last version.
  /// OutOfRange: the version is too old (410, or an ERROR event that says so), list again.
  std::function<void(absl::Status)> on_end;
};

/// A Kubernetes API server, through one credential. Asynchronous: results arrive on the loop.
///
/// Status codes: 400 InvalidArgument · 401 Unauthenticated · 403 PermissionDenied · 404 NotFound ·
/// 409 with reason AlreadyExists AlreadyExists, otherwise Aborted · 410 OutOfRange · 422 FailedPrecondition ·
/// 429 and 503 Unavailable (`RetryAfter` tells how long) · 504 DeadlineExceeded · no answer Unavailable ·
/// else Internal. The message is the server's.
class KubeApi {
 public:
  virtual ~KubeApi() = default;

  virtual void Get(const ObjectRef& ref, Callback<Json> done) = 0;
  /// Follows `continue` tokens: the result is the whole list.
  virtual void List(const Resource& resource, const std::string& ns, const ListOptions& options,
                    Callback<ObjectList> done) = 0;
  /// From `options.resource_version` on, with bookmarks.
  virtual std::unique_ptr<Watch> StartWatch(const Resource& resource, const std::string& ns,
                                            const ListOptions& options, WatchHandler handler) = 0;
  /// With `ref.subresource` "token": TokenRequest. `ref.name` may be empty for a plain create.
  virtual void Create(const ObjectRef& ref, const Json& object, Callback<Json> done) = 0;
  /// Whole-object PUT; metadata.resourceVersion in `object` is the precondition.
  virtual void Update(const ObjectRef& ref, const Json& object, Callback<Json> done) = 0;
  virtual void Patch(const ObjectRef& ref, PatchType type, const Json& patch, Callback<Json> done) = 0;
  virtual void Delete(const ObjectRef& ref, const DeleteOptions& options, StatusCallback done) = 0;
};

/// However long a server says: who waits a day for one that is back after a minute sees nothing meanwhile.
inline constexpr std::int64_t kMaxRetryAfterSeconds = 300;
/// The server's Retry-After of an Unavailable status, if it sent one; at most `kMaxRetryAfterSeconds`.
std::optional<std::int64_t> RetryAfterSeconds(const absl::Status& status);
void SetRetryAfterSeconds(absl::Status& status, std::int64_t seconds);

}  // namespace slicelet::kube
