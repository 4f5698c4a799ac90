#include "edge-agent/pod/workload_check.h"

#include <string>
#include <utility>

#include "common/base/names.h"
#include "common/base/shown_text.h"

namespace slicelet::agent {
namespace {

/// Collects the first refusal; later ones are of no interest.
class Checker {
 public:
  void Require(bool good, const std::string& field, const std::string& value, const std::string& should) {
    if (good || refusal_) return;
    refusal_.emplace();
    refusal_->set_reason("MalformedWorkload");
    refusal_->set_field(field);
    refusal_->set_message(field + ": \"" + ShownText(value) + "\" is no " + should);
  }
  void RequireInnerPath(const std::string& field, const std::string& path) {
    Require(IsInnerPath(path), field, path, "relative path without \"..\"");
  }
  /// A path within a container. The runtime keeps it there; this does not rely on it.
  void RequireContainerPath(const std::string& field, const std::string& path) {
    Require(IsInnerPath("./" + path), field, path, "path without \"..\"");
  }

  std::optional<v1::Refusal> refusal() && { return std::move(refusal_); }

 private:
  std::optional<v1::Refusal> refusal_;
};

std::string At(const std::string& list, int index) { return list + "[" + std::to_string(index) + "]"; }

void CheckSeccomp(const std::string& security, const v1::Seccomp& seccomp, Checker& check) {
  if (seccomp.profile() != v1::Seccomp::LOCALHOST) return;
  check.RequireInnerPath(security + ".seccompProfile.localhostProfile", seccomp.localhost_path());
}

void CheckContainer(const std::string& field, const v1::Container& container, Checker& check) {
  check.Require(IsDnsLabel(container.name()), field + ".name", container.name(), "DNS label");
  if (!container.termination_message_path().empty()) {
    check.RequireContainerPath(field + ".terminationMessagePath", container.termination_message_path());
  }
  for (int i = 0; i < container.mounts_size(); ++i) {
    const v1::Mount& mount = container.mounts(i);
    const std::string at = At(field + ".volumeMounts", i);
    check.RequireContainerPath(at + ".mountPath", mount.path());
    if (!mount.sub_path().empty()) check.RequireInnerPath(at + ".subPath", mount.sub_path());
    if (!mount.sub_path_expr().empty()) check.RequireInnerPath(at + ".subPathExpr", mount.sub_path_expr());
  }
  CheckSeccomp(field + ".securityContext", container.security().seccomp(), check);
}

void CheckProjection(const std::string& field, const v1::Projection& projection, Checker& check) {
  for (int i = 0; i < projection.sources_size(); ++i) {
    const v1::Projection::Source& source = projection.sources(i);
    const std::string at = At(field + ".sources", i);
    for (const auto& item : source.content().items()) check.RequireInnerPath(at + ".path", item.path());
    if (source.has_downward()) check.RequireInnerPath(at + ".path", source.downward().path());
    if (source.has_token()) check.RequireInnerPath(at + ".path", source.token().path());
  }
}

}  // namespace

std::optional<v1::Refusal> CheckWorkload(const v1::Workload& workload) {
  Checker check;
  check.Require(IsDnsLabel(workload.namespace_()), "metadata.namespace", workload.namespace_(), "DNS label");
  check.Require(IsDnsSubdomain(workload.name()), "metadata.name", workload.name(), "DNS subdomain");
  CheckSeccomp("spec.securityContext", workload.security().seccomp(), check);
  for (int i = 0; i < workload.init_containers_size(); ++i)
    CheckContainer(At("spec.initContainers", i), workload.init_containers(i), check);
  for (int i = 0; i < workload.containers_size(); ++i)
    CheckContainer(At("spec.containers", i), workload.containers(i), check);
  for (int i = 0; i < workload.volumes_size(); ++i) {
    const v1::Volume& volume = workload.volumes(i);
    const std::string at = At("spec.volumes", i);
    // Volumes that the hub adds have dots, so that they are none of the pod's own.
    check.Require(IsDnsSubdomain(volume.name()), at + ".name", volume.name(), "DNS subdomain");
    if (volume.has_projection()) CheckProjection(at, volume.projection(), check);
  }
  return std::move(check).refusal();
}

}  // namespace slicelet::agent
