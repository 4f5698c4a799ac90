#include "provider/translate/parts.h"

namespace slicelet::provider {
namespace {

constexpr std::int64_t kMaxId = 2'147'483'647;

void TranslateSeccomp(FieldReader profile, v1::Seccomp& out) {
  const std::string type = profile.RequiredString("type");
  const std::string localhost = profile.String("localhostProfile");
  if (type == "RuntimeDefault") {
    out.set_profile(v1::Seccomp::RUNTIME_DEFAULT);
  } else if (type == "Unconfined") {
    out.set_profile(v1::Seccomp::UNCONFINED);
  } else if (type == "Localhost") {
    out.set_profile(v1::Seccomp::LOCALHOST);
    if (!IsInnerPath(localhost)) {
      profile.Refuse("localhostProfile", "is \"" + localhost + "\", should be a relative path on the host");
    }
    out.set_localhost_path(localhost);
  } else if (!type.empty()) {
    profile.Refuse("type", "is \"" + type + "\", should be RuntimeDefault, Localhost or Unconfined");
  }
}

/// Fields that mean the same for a pod and for a container.
void RefuseCommon(FieldReader& security) {
  security.Unsupported("seLinuxOptions", "remove it; edge hosts do not apply SELinux labels to containers");
  security.Unsupported("windowsOptions", "remove it; edge hosts run Linux");
  security.Unsupported("appArmorProfile",
                       "remove it; the container runtime's own profile applies where the host has AppArmor",
                       "AppArmor");
}

template <typename Security>
void TranslateIdentity(FieldReader& security, Security& out) {
  if (const auto user = security.OptionalInt("runAsUser", 0, kMaxId)) out.set_run_as_user(*user);
  if (const auto group = security.OptionalInt("runAsGroup", 0, kMaxId)) out.set_run_as_group(*group);
  if (const auto non_root = security.OptionalBool("runAsNonRoot")) out.set_run_as_non_root(*non_root);
  if (security.Has("seccompProfile"))
    TranslateSeccomp(security.Object("seccompProfile"), *out.mutable_seccomp());
  else
    security.Accept("seccompProfile");
}

}  // namespace

void TranslatePodSecurity(FieldReader& security, v1::PodSecurity& out) {
  TranslateIdentity(security, out);
  RefuseCommon(security);
  for (const std::int64_t group : security.Ints("supplementalGroups")) {
    if (group < 0 || group > kMaxId) {
      security.Refuse("supplementalGroups", "holds " + std::to_string(group) + ", which is no group id");
    }
    out.add_supplemental_groups(group);
  }
  security.UnsupportedUnless("supplementalGroupsPolicy", "Merge", "remove it or use Merge",
                             "SupplementalGroupsPolicyNotSupported");
  if (const auto group = security.OptionalInt("fsGroup", 0, kMaxId)) out.set_fs_group(*group);
  security.Each("sysctls", [&](FieldReader& sysctl) {
    const std::string name = sysctl.RequiredString("name");
    (*out.mutable_sysctls())[name] = sysctl.String("value");
  });
}

void TranslateContainerSecurity(FieldReader& security, v1::ContainerSecurity& out) {
  TranslateIdentity(security, out);
  RefuseCommon(security);
  out.set_privileged(security.Bool("privileged"));
  out.set_read_only_root(security.Bool("readOnlyRootFilesystem"));
  if (const auto allowed = security.OptionalBool("allowPrivilegeEscalation")) {
    out.set_allow_privilege_escalation(*allowed);
  }
  {
    FieldReader capabilities = security.Object("capabilities");
    for (const std::string& name : capabilities.Strings("add")) out.add_add_capabilities(name);
    for (const std::string& name : capabilities.Strings("drop")) out.add_drop_capabilities(name);
  }
  security.UnsupportedUnless("procMount", "Default", "remove it");
}

}  // namespace slicelet::provider
