#include "provider/rest/rest_hub.h"

#include <algorithm>
#include <map>

#include "common/base/encoding.h"
#include "kube/object.h"
#include "provider/controllers/plan.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {
namespace {

constexpr std::size_t kDefaultLimit = 100;

std::pair<std::string, std::string> KeyOf(const Json& object) {
  return {kube::NamespaceOf(object), kube::NameOf(object)};
}

std::string PlaceOf(const Json& object) {
  return HexEncode(kube::NamespaceOf(object) + "/" + kube::NameOf(object));
}

std::string SliceOf(const Json& ns) { return kube::TextAt(ns, {"metadata", "labels", kSliceLabel}); }

}  // namespace

RestAnswer RefuseStandalone(const std::string& what) {
  return Refuse({.status = 501,
                 .reason = "NeedsKubernetes",
                 .error = what + " needs an API server, and this hub has a directory of manifests",
                 .remedy = "change the files of the directory"});
}

void ListSorted(const RestHub& hub, const kube::Resource& resource, const std::string& ns,
                const kube::ListOptions& options, Callback<std::vector<Json>> done) {
  hub.kube.List(resource, ns, options,
                hub.lifetime.Guard([done = std::move(done),
                                    plural = resource.plural](absl::StatusOr<kube::ObjectList> list) {
                  if (absl::IsNotFound(list.status())) {
                    return done(absl::UnavailableError("the cluster does not know " + plural +
                                                       ": apply charts/slicelet-hub/crds"));
                  }
                  if (!list.ok()) return done(list.status());
                  std::sort(list->items.begin(), list->items.end(),
                            [](const Json& a, const Json& b) { return KeyOf(a) < KeyOf(b); });
                  done(std::move(list->items));
                }));
}

void ListSliceNamespaces(const RestHub& hub, Callback<std::map<std::string, std::string>> done) {
  kube::ListOptions options;
  options.label_selector = std::string(kHubLabel) + "=" + hub.hub_id + "," + kSliceLabel;
  ListSorted(hub, kube::kNamespaces, "", options,
             [done = std::move(done)](const absl::StatusOr<std::vector<Json>>& found) {
               if (!found.ok()) return done(found.status());
               std::map<std::string, std::string> slices;
               for (const Json& ns : *found) slices.emplace(kube::NameOf(ns), SliceOf(ns));
               done(std::move(slices));
             });
}

void FindSliceNamespace(const RestHub& hub, const std::string& slice, Callback<std::string> done) {
  kube::ListOptions options;
  options.label_selector = std::string(kHubLabel) + "=" + hub.hub_id + "," + kSliceLabel + "=" + slice;
  ListSorted(hub, kube::kNamespaces, "", options,
             hub.lifetime.Guard([&hub, slice,
                                 done = std::move(done)](const absl::StatusOr<std::vector<Json>>& found) {
               if (!found.ok()) return done(found.status());
               if (!found->empty()) return done(kube::NameOf(found->front()));
               hub.kube.Get({kube::kIotSlices, hub.ns, slice, ""}, [done](const absl::StatusOr<Json>& made) {
                 if (!made.ok()) return done(made.status());
                 done(std::string());
               });
             }));
}

void DeleteObject(const RestHub& hub, const kube::ObjectRef& ref, bool give_up, StatusCallback done) {
  if (!give_up) return hub.kube.Delete(ref, {}, std::move(done));
  hub.kube.Patch(ref, kube::PatchType::kMerge, {{"metadata", {{"annotations", {{kGiveUp, "true"}}}}}},
                 hub.lifetime.Guard([&hub, ref, done = std::move(done)](const absl::StatusOr<Json>& told) {
                   if (!told.ok()) return done(told.status());
                   // The one that was told, and none that was made since.
                   hub.kube.Delete(ref, {.uid = kube::UidOf(*told)}, done);
                 }));
}

RestAnswer AnswerPage(const std::vector<Json>& objects, const std::string& limit, const std::string& after,
                      const std::function<Json(const Json&)>& show) {
  std::size_t most = kDefaultLimit;
  if (!limit.empty()) most = std::stoul(limit);
  std::pair<std::string, std::string> from;
  if (const auto place = HexDecode(after); place.ok() && !place->empty()) {
    const auto slash = place->find('/');
    from = {place->substr(0, slash), slash == std::string::npos ? "" : place->substr(slash + 1)};
  }
  RestAnswer answer{.body = {{"items", Json::array()}}};
  const Json* last = nullptr;
  for (const Json& object : objects) {
    if (!after.empty() && KeyOf(object) <= from) continue;
    if (answer.body["items"].size() == most) {
      answer.body["continue"] = PlaceOf(*last);
      break;
    }
    answer.body["items"].push_back(show(object));
    last = &object;
  }
  return answer;
}

}  // namespace slicelet::provider
