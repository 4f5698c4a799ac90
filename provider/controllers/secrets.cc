#include "provider/controllers/secrets.h"

#include "kube/object.h"

namespace slicelet::provider {

void MakeSecret(Plan& plan, const Look& look, const std::string& step, const kube::Resource& owner_kind,
                const Json& owner, const std::string& name, const Json& labels,
                const std::function<Json()>& string_data) {
  const bool exists =
      look.failure != nullptr && look.failure->step == step && absl::IsAlreadyExists(look.failure->status);
  const bool done = exists || look.Carried(step) || plan.WasDone(step);
  plan.Make(step, done, "Secret " + name, [&] {
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
