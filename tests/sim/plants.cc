#include "tests/sim/plants.h"

namespace slicelet::sim {
namespace {

Plant in_force = Plant::kNone;

}  // namespace

const std::vector<PlantInfo>& AllPlants() {
  static const std::vector<PlantInfo> kAll = {
      {Plant::kAckBeforeFsync, "ack-before-fsync", "the agent's store says durable before it is"},
      {Plant::kIgnoreSynced, "ignore-synced",
       "a provider without memory numbers anew before the shim said Synced"},
      {Plant::kDeleteOnAbsence, "delete-on-absence", "a pod missing from a list counts as deleted"},
      {Plant::kAcceptOldGeneration, "accept-old-generation", "the agent takes any manifest that is signed"},
      {Plant::kRestartOnDigestChange, "restart-on-digest-change",
       "a new digest restarts the pod's containers"},
      {Plant::kLoseTombstone, "lose-tombstone", "a removal is forgotten while its host is away"},
      {Plant::kReportOutOfOrder, "report-out-of-order", "an older status overtakes a newer one"},
      {Plant::kTrustUnprovedEpoch, "trust-unproved-epoch",
       "the provider believes a Generation that nobody proved"},
      {Plant::kRerunFinishedJob, "rerun-finished-job", "the agent forgets over a reboot what had finished"},
      {Plant::kStartBesideRunning, "start-beside-running",
       "the agent starts the new image while the former instance runs"},
      {Plant::kAcceptReplayedEnvelope, "accept-replayed-envelope",
       "both ends take an envelope as often as the broker shows it"},
      {Plant::kRetargetFinishedPod, "retarget-finished-pod",
       "a fleet's pod that is over starts on a host that matches later"},
      {Plant::kShareHostPort, "share-host-port", "two pods of a fleet get the same port of a host"},
      {Plant::kMakeBeforeIntent, "make-before-intent",
       "a gateway's thing is made before it is on record that it will be", true},
      {Plant::kMakeWithoutLook, "make-without-look",
       "a thing is made without looking whether one of its name is there", true},
      {Plant::kReleaseAttached, "release-attached", "a gateway's finalizer goes before it is detached", true},
      {Plant::kBelieveRefusal, "believe-refusal",
       "a login that an IoT server refuses counts as wrong while its auth service is away", true},
      {Plant::kMakeBesideFormer, "make-beside-former",
       "a gateway's new pod is made while the former one ends", true},
  };
  return kAll;
}

std::optional<Plant> FindPlant(const std::string& text) {
  for (const PlantInfo& info : AllPlants()) {
    if (text == info.name || text == std::to_string(static_cast<int>(info.plant))) return info.plant;
  }
  return std::nullopt;
}

bool Planted(Plant plant) { return in_force == plant; }
void SetPlanted(Plant plant) { in_force = plant; }

}  // namespace slicelet::sim
