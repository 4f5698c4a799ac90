#pragma once

#include <functional>
#include <string>

#include "provider/controllers/controller.h"

namespace slicelet::provider {

/// A step that makes a Secret of an owner unless one of that name is there; one of a former owner of the same
/// name goes first. Secrets are not watched: that it is there is known from having read it or from what was
/// recorded. Once it was there it is never made anew: what was set up with it does not know another one.
void MakeSecret(Plan& plan, const Look& look, const std::string& step, const kube::Resource& owner_kind,
                const Json& owner, const std::string& name, const Json& labels,
                const std::function<Json()>& string_data);

/// Removes it before its name can be used again: Kubernetes would do that some time after its owner. Also of
/// an owner that is given up.
void UnmakeSecret(Plan& plan, const Look& look, const std::string& step, const Json& owner,
                  const std::string& name);

}  // namespace slicelet::provider
