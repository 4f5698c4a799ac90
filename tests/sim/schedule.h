#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/sim/world.h"

namespace slicelet::sim {

/// What users do and what goes wrong, and when: follows from the seed alone.
struct Schedule {
  struct Event {
    Duration at{0};
    std::function<void(World&)> happen;
  };
  Kind kind;
  /// In order of time.
  std::vector<Event> events;
  int pods = 0;
  int faults = 0;
  Duration length{0};
};

Schedule MakeSchedule(std::uint64_t seed);

struct Outcome {
  bool passed = false;
  std::string violation;
  std::vector<std::string> story;
  std::uint64_t steps = 0;
  std::uint64_t fingerprint = 0;
  int pods = 0;
  int faults = 0;
};

/// Plays the schedule of `seed` in a world of its own.
Outcome Play(std::uint64_t seed, Plant plant, bool told);

}  // namespace slicelet::sim
