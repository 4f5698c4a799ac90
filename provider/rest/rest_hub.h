#pragma once

#include <functional>
#include <map>
#include <string>

#include "common/base/status.h"
#include "common/loop/loop.h"
#include "kube/kube_api.h"
#include "provider/rest/answer.h"
#include "slicelet/v1/admin.pb.h"

namespace slicelet::provider {

/// Lists the nodes of an IotCluster other than the hub's own. FailedPrecondition: its registration is wrong;
/// Unavailable: it was not reached, or does not answer.
using NodesElsewhere = std::function<void(const Json& cluster, Callback<std::vector<Json>> done)>;

/// What the admin API's routes are about: one hub and the cluster it is in. Outlives the routes; answers that
/// come after it is gone are dropped.
struct RestHub {
  kube::KubeApi& kube;
  std::string hub_id;
  /// Where EdgeHosts, IotClusters and IotSlices live.
  std::string ns;
  /// There is no API server but a directory of manifests, which nobody writes through us.
  bool standalone = false;
  std::function<absl::StatusOr<v1::PodHostsReply>(const v1::PodHostsRequest&)> pod_hosts;
  std::function<absl::StatusOr<v1::ExplainPodReply>(const v1::ExplainPodRequest&)> explain_pod{};
  /// How many hosts a fleet node has for a target condition; InvalidArgument for a wrong one, NotFound for
  /// what is no fleet node, Unavailable while that is not known.
  std::function<absl::StatusOr<std::size_t>(const std::string& node, const std::string& condition)>
      fleet_hosts{};
  /// Empty where nobody looks after other clusters (`controllers: false`).
  NodesElsewhere nodes_elsewhere{};
  Lifetime lifetime{};
};

/// 501 for what needs an API server.
RestAnswer RefuseStandalone(const std::string& what);

/// The namespace of a slice of this hub: the one that carries both labels. "" when it has none (yet);
/// NotFound when there is no such slice.
void FindSliceNamespace(const RestHub& hub, const std::string& slice, Callback<std::string> done);

/// The namespaces of all slices of this hub, with the slice of each.
void ListSliceNamespaces(const RestHub& hub, Callback<std::map<std::string, std::string>> done);

/// The whole collection, sorted by namespace and name. `ns` empty: of all namespaces. NotFound, which a
/// collection only answers when its kind is not installed, becomes Unavailable and says so.
void ListSorted(const RestHub& hub, const kube::Resource& resource, const std::string& ns,
                const kube::ListOptions& options, Callback<std::vector<Json>> done);

/// Deletes an object. With `give_up` it is told before that what can not be undone is to be left behind
/// (annotation slicelet.io/give-up).
void DeleteObject(const RestHub& hub, const kube::ObjectRef& ref, bool give_up, StatusCallback done);

/// The part of a sorted list that query parameters `limit` and `continue` ask for.
RestAnswer AnswerPage(const std::vector<Json>& objects, const std::string& limit, const std::string& after,
                      const std::function<Json(const Json&)>& show);

}  // namespace slicelet::provider
