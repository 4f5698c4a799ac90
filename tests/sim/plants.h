#pragma once

#include <optional>
#include <string>
#include <vector>

namespace slicelet::sim {

/// Bugs put in on purpose, to prove that the simulation finds them. See README.md for where each one sits.
enum class Plant {
  kNone = 0,
  kAckBeforeFsync = 1,
  kIgnoreSynced = 2,
  kDeleteOnAbsence = 3,
  kAcceptOldGeneration = 4,
  kRestartOnDigestChange = 5,
  kLoseTombstone = 6,
  kReportOutOfOrder = 7,
  kTrustUnprovedEpoch = 8,
  kRerunFinishedJob = 9,
  kStartBesideRunning = 10,
  kAcceptReplayedEnvelope = 11,
  kRetargetFinishedPod = 12,
  kShareHostPort = 13,
  kMakeBeforeIntent = 14,
  kMakeWithoutLook = 15,
  kReleaseAttached = 16,
  kBelieveRefusal = 17,
  kMakeBesideFormer = 18,
};

struct PlantInfo {
  Plant plant;
  std::string name;
  std::string what;
  /// Only a schedule with controllers can show it.
  bool controllers = false;
};

/// All of them, in the order of their numbers.
const std::vector<PlantInfo>& AllPlants();
/// By number ("3") or name ("delete-on-absence").
std::optional<Plant> FindPlant(const std::string& text);

/// The one that is in force, for the bugs that only domain code can hold (`#ifdef SLICELET_PLANTS` there).
bool Planted(Plant plant);
void SetPlanted(Plant plant);

}  // namespace slicelet::sim
