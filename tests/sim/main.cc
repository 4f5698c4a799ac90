// slicelet-sim: plays random schedules, replays one, or shows that it finds planted bugs.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/log/log.h"
#include "tests/sim/schedule.h"

namespace slicelet::sim {
namespace {

constexpr int kUsage = 2;
constexpr int kMaxReported = 10;
/// A planted bug has to be found in this time.
constexpr double kPlantSeconds = 30;

struct Options {
  std::uint64_t seed = 1;
  std::uint64_t schedules = 1;
  int jobs = 1;
  bool story = false;
  bool all_plants = false;
  std::string plant;
};

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

int Fail(const std::string& message) {
  std::fprintf(stderr, "slicelet-sim: %s\n", message.c_str());
  return kUsage;
}

void PrintFailure(std::uint64_t seed, const Outcome& outcome) {
  std::printf("seed %llu FAILED %s\n  replay: slicelet-sim --seed %llu --story\n",
              static_cast<unsigned long long>(seed), outcome.violation.c_str(),
              static_cast<unsigned long long>(seed));
  std::fflush(stdout);
}

/// Plays every `stride`-th seed of the range; returns how many failed.
int PlayRange(const Options& options, int first, int stride) {
  int failed = 0;
  std::uint64_t steps = 0, played = 0;
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t n = first; n < options.schedules; n += stride) {
    const Outcome outcome = Play(options.seed + n, Plant::kNone, false);
    ++played;
    steps += outcome.steps;
    if (outcome.passed) continue;
    if (++failed <= kMaxReported) PrintFailure(options.seed + n, outcome);
  }
  if (played > 0) {
    std::printf("%llu schedules, %d failed, %llu events each on average, %.1f ms each\n",
                static_cast<unsigned long long>(played), failed,
                static_cast<unsigned long long>(steps / played),
                Seconds(start) * 1'000 / static_cast<double>(played));
    std::fflush(stdout);
  }
  return failed;
}

int PlaySchedules(const Options& options) {
  if (options.jobs <= 1) return PlayRange(options, 0, 1) == 0 ? 0 : 1;
  std::vector<pid_t> children;
  for (int job = 0; job < options.jobs; ++job) {
    const pid_t child = fork();
    if (child < 0) return Fail("can not start another process");
    if (child == 0) std::_Exit(PlayRange(options, job, options.jobs) == 0 ? 0 : 1);
    children.push_back(child);
  }
  int result = 0;
  for (const pid_t child : children) {
    int status = 0;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) result = 1;
  }
  return result;
}

int TellStory(const Options& options) {
  const Plant plant = options.plant.empty() ? Plant::kNone : FindPlant(options.plant).value();
  const Outcome outcome = Play(options.seed, plant, true);
  for (const std::string& line : outcome.story) std::printf("%s\n", line.c_str());
  std::printf("seed %llu: %s; %d pods, %d faults, %llu events\n",
              static_cast<unsigned long long>(options.seed), outcome.passed ? "passed" : "FAILED",
              outcome.pods, outcome.faults, static_cast<unsigned long long>(outcome.steps));
  return outcome.passed ? 0 : 1;
}

/// True when some schedule finds the bug in time.
bool FindsPlant(const PlantInfo& info, std::uint64_t seed) {
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t n = 0; Seconds(start) < kPlantSeconds; ++n) {
    const Outcome outcome = Play(seed + n, info.plant, false);
    if (outcome.passed) continue;
    std::printf("%d %-26s found by seed %llu after %.1f s: %s\n", static_cast<int>(info.plant),
                info.name.c_str(), static_cast<unsigned long long>(seed + n), Seconds(start),
                outcome.violation.c_str());
    std::fflush(stdout);
    return true;
  }
  std::printf("%d %-26s NOT FOUND within %.0f s: %s\n", static_cast<int>(info.plant), info.name.c_str(),
              kPlantSeconds, info.what.c_str());
  std::fflush(stdout);
  return false;
}

int FindPlants(const Options& options) {
  int missed = 0;
  for (const PlantInfo& info : AllPlants()) {
    if (!options.plant.empty() && FindPlant(options.plant) != info.plant) continue;
    if (!FindsPlant(info, options.seed)) ++missed;
  }
  return missed == 0 ? 0 : 1;
}

bool ReadNumber(const char* text, std::uint64_t& out) {
  char* end = nullptr;
  out = std::strtoull(text, &end, 10);
  return *text != '\0' && *end == '\0';
}

int Main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    std::uint64_t number = 0;
    if (flag == "--story") {
      options.story = true;
    } else if (flag == "--plants") {
      options.all_plants = true;
    } else if (flag == "--plant" && i + 1 < argc) {
      options.plant = argv[++i];
    } else if ((flag == "--seed" || flag == "--schedules" || flag == "--jobs") && i + 1 < argc) {
      if (!ReadNumber(argv[++i], number)) return Fail(flag + " " + argv[i] + " is no number");
      if (flag == "--seed")
        options.seed = number;
      else if (flag == "--schedules")
        options.schedules = number;
      else
        options.jobs = static_cast<int>(number);
    } else {
      return Fail(
          "what is " + flag +
          "? Usage: slicelet-sim [--seed N] [--schedules N] [--jobs N] [--story] [--plant NAME | --plants]");
    }
  }
  if (!options.plant.empty() && !FindPlant(options.plant)) {
    std::string names;
    for (const PlantInfo& info : AllPlants()) names += " " + info.name;
    return Fail("there is no plant " + options.plant + "; there are" + names);
  }
  SetLogLevel(options.story ? LogLevel::kInfo : LogLevel::kOff);
  if (options.story) return TellStory(options);
  if (options.all_plants || !options.plant.empty()) return FindPlants(options);
  return PlaySchedules(options);
}

}  // namespace
}  // namespace slicelet::sim

int main(int argc, char** argv) { return slicelet::sim::Main(argc, argv); }
