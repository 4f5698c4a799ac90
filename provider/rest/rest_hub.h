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

/// The part of a sorted list that query parameters `limit` and `continue` ask for.
RestAnswer AnswerPage(const std::vector<Json>& objects, const std::string& limit, const std::string& after,
                      const std::function<Json(const Json&)>& show);

}  // namespace slicelet::provider
