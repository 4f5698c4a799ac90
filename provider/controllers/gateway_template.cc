#include "provider/controllers/gateway_template.h"

#include "kube/object.h"
#include "kube/shape/shape.h"
#include "provider/controllers/gateway_profile.h"

namespace slicelet::provider {

std::optional<Finding> TemplateInvalid(const Json& gateway) {
  const Json* made = HasProfile(gateway) ? nullptr : kube::Find(gateway, {"spec", "template"});
  if (made == nullptr || made->is_null()) return std::nullopt;
  const absl::Status fits = kube::CheckShape("PodTemplate", *made, "spec.template");
  if (fits.ok()) return std::nullopt;
  return Finding{"TemplateInvalid", Message(fits) + ": write it as in a Pod"};
}

}  // namespace slicelet::provider
