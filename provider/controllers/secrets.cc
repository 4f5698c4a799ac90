#include "provider/controllers/secrets.h"

#include <algorithm>

#include "common/json/json.h"
#include "kube/object.h"
#include "kube/paths.h"

namespace slicelet::provider {
namespace {

/// Made for another object of that name, which is no more: Kubernetes is about to remove it.
bool IsOfFormer(const Json& secret, const kube::Resource& owner_kind, const Json& owner) {
  const Json* references = kube::Find(secret, {"metadata", "ownerReferences"});
  if (references == nullptr || !references->is_array()) return false;
  return std::ranges::any_of(*references, [&](const Json& one) {
    return GetBool(one, "/controller") && kube::TextAt(one, {"kind"}) == owner_kind.kind &&
           kube::TextAt(one, {"apiVersion"}) == kube::ApiVersion(owner_kind) &&
           kube::TextAt(one, {"name"}) == kube::NameOf(owner) &&
           kube::TextAt(one, {"uid"}) != kube::UidOf(owner);
  });
}

}  // namespace

void MakeSecret(Plan& plan, const Look& look, const std::string& step, const kube::Resource& owner_kind,
                const Json& owner, const std::string& name, const Json& labels,
                const std::function<Json()>& string_data) {
  const Json* read = look.Read(step);
  const bool there = read != nullptr && !read->is_null();
  const bool ends = there && kube::BeingDeleted(*read);
  const bool former = there && IsOfFormer(*read, owner_kind, owner);
  plan.Make(step, (there && !ends && !former) || plan.WasDone(step), "Secret " + name, [&]() -> Write {
    if (read == nullptr)
      return {.verb = Write::Verb::kRead, .ref = {kube::kSecrets, kube::NamespaceOf(owner), name, ""}};
    if (former && !ends) return DeleteOf(kube::kSecrets, *read);
    // While one that ends is there it is refused, which is said, and tried again ever more slowly.
    return CreateOwned(kube::kSecrets, kube::NamespaceOf(owner), name,
                       {{"metadata", {{"labels", labels}}}, {"stringData", string_data()}}, owner_kind,
                       owner);
  });
}

void UnmakeSecret(Plan& plan, const Look& look, const std::string& step, const Json& owner,
                  const std::string& name) {
  plan.UnmakeUnread(
      step, look.Carried(Plan::UndoOf(step)),
      {.verb = Write::Verb::kDelete, .ref = {kube::kSecrets, kube::NamespaceOf(owner), name, ""}});
}

}  // namespace slicelet::provider
