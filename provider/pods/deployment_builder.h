#pragma once

#include <map>
#include <set>
#include <string>

#include "provider/manifest/blob_shelf.h"
#include "provider/manifest/content_sealer.h"
#include "provider/manifest/host_manifest.h"
#include "provider/pods/pod.h"
#include "provider/pods/referents.h"

namespace slicelet::provider {

/// What decides about a pod's entry in one host's manifest, beside its content.
struct OnHost {
  bool gone = false;
  std::optional<std::int64_t> stop;
  /// What finished elsewhere, or before this host forgot it, is not run again.
  bool finished = false;
  /// Empty for the host's own node.
  NodeName fleet_node;
};
/// Of a host node's pod.
OnHost Here(const Pod& pod);
/// Of a fleet node's pod.
OnHost Here(const Pod& pod, const Instance& instance);

/// The entry that ends a pod of which no manifest tells any more: it says nothing but whose end it is.
[[nodiscard]] v1::Deployment StopEntry(const Pod& pod);

/// Makes the deployments of one host's next manifest from its pods and from what the last one held.
struct DeploymentBuilder {
  const ContentSealer& sealer;
  const Referents& referents;
  const BlobShelf& shelf;
  SealTo host;
  /// Digests that the host asked for and the hub does not have: made anew where the content is known.
  const std::set<Digest>& lost;
  /// A pod's entry leaves out content that was promised and has not arrived, instead of waiting for it.
  bool without_missing = false;

  /// The pod's entry in the next manifest, or nullopt if it has none. `former` is its entry in the last one
  /// (may be null), and stays as it is where the shim has not (yet) said enough to replace it. New blobs go
  /// to `blobs`.
  [[nodiscard]] std::optional<v1::Deployment> Build(const Pod& pod, const OnHost& here,
                                                    const v1::Deployment* former,
                                                    std::map<Digest, std::string>& blobs) const;

 private:
  // Unavailable while content that exists has not arrived, unless that is left out.
  absl::Status AddContents(const Pod& pod, const v1::Deployment* former, v1::Deployment& deployment,
                           std::map<Digest, std::string>& blobs) const;
};

}  // namespace slicelet::provider
