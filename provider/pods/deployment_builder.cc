#include "provider/pods/deployment_builder.h"

#include <algorithm>
#include <utility>

#include "common/base/encoding.h"
#include "common/log/log.h"

namespace slicelet::provider {
namespace {

const v1::BlobRef* FindBlob(const v1::Deployment* deployment, const ContentId& content) {
  if (deployment == nullptr) return nullptr;
  for (const v1::BlobRef& blob : deployment->blobs()) {
    if (blob.content_id() == content.value()) return &blob;
  }
  return nullptr;
}

}  // namespace

v1::Deployment StopEntry(const Pod& pod) {
  v1::Deployment deployment;
  deployment.set_uid(pod.uid.value());
  deployment.set_namespace_(pod.ns);
  deployment.set_name(pod.name);
  deployment.set_pod_generation(pod.pod_generation);
  // Nobody reads what it names; agents want one that could be.
  deployment.set_digest((pod.workload ? pod.workload->digest : Sha256("")).value());
  deployment.mutable_stop()->set_grace_seconds(pod.stop.value_or(0));
  return deployment;
}

OnHost Here(const Pod& pod) { return {pod.gone, pod.stop, pod.finished, {}}; }

OnHost Here(const Pod& pod, const Instance& instance) {
  OnHost here{instance.gone, instance.stop, pod.finished || instance.finished, pod.node};
  if (pod.stop) here.stop = here.stop ? std::min(*here.stop, *pod.stop) : *pod.stop;
  return here;
}

std::optional<v1::Deployment> DeploymentBuilder::Build(const Pod& pod, const OnHost& here,
                                                       const v1::Deployment* former,
                                                       std::map<Digest, std::string>& blobs) const {
  if (here.gone) return std::nullopt;
  std::optional<v1::Deployment> kept;
  if (former != nullptr) kept = *former;
  if (here.stop) {
    if (kept) kept->mutable_stop()->set_grace_seconds(*here.stop);
    return kept;
  }
  if (!pod.workload) return kept;
  if (here.finished && former == nullptr) return std::nullopt;

  v1::Deployment deployment;
  deployment.set_uid(pod.uid.value());
  deployment.set_namespace_(pod.ns);
  deployment.set_name(pod.name);
  deployment.set_pod_generation(pod.pod_generation);
  deployment.set_role(pod.workload->role);
  deployment.set_digest(pod.workload->digest.value());
  deployment.set_priority(pod.workload->priority);
  deployment.set_node(here.fleet_node.value());
  deployment.set_autonomy(pod.workload->autonomy.count());
  const absl::Status status = AddContents(pod, former, deployment, blobs);
  if (!status.ok()) {
    LogDebug("pod waits for its content", {{"host", host.host}, {"uid", pod.uid}, {"why", Message(status)}});
    return kept;
  }
  if (!shelf.Has(pod.workload->digest)) blobs[pod.workload->digest] = pod.workload->bytes;
  return deployment;
}

absl::Status DeploymentBuilder::AddContents(const Pod& pod, const v1::Deployment* former,
                                            v1::Deployment& deployment,
                                            std::map<Digest, std::string>& blobs) const {
  for (const ContentId& id : pod.workload->contents) {
    const Referents::Referent* referent = referents.Find(pod.ns, id);
    const v1::BlobRef* held = FindBlob(former, id);
    if (referent == nullptr) {
      if (held == nullptr && pod.references.count(id) != 0 && !without_missing) {
        return absl::UnavailableError(id.value() + " has not arrived");
      }
      // A deleted ConfigMap or Secret stays as it was where it is in use; one that never was is the host's to
      // report.
      if (held != nullptr) *deployment.add_blobs() = *held;
      continue;
    }
    if (!referent->secret) {
      v1::BlobRef ref = ContentSealer::Plain(id, referent->content);
      const Digest digest(ref.digest());
      if (!shelf.Has(digest)) blobs[digest] = referent->content;
      *deployment.add_blobs() = std::move(ref);
      continue;
    }
    if (held != nullptr && lost.count(Digest(held->digest())) != 0) held = nullptr;
    const bool divided = pod.workload->per_host.count(id) != 0;
    const std::string& content = divided ? referents.ForHost(pod.ns, id, host.host) : referent->content;
    SLICELET_ASSIGN_OR_RETURN(*deployment.add_blobs(),
                              sealer.Sealed(host, pod.uid, id, content, held, blobs));
  }
  return absl::OkStatus();
}

}  // namespace slicelet::provider
