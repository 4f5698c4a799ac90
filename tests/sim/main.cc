// slicelet-sim: plays random schedules, replays one, or shows that it finds planted bugs.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/log/log.h"
#include "tests/sim/schedule.h"

namespace slicelet::sim {
namespace {

constexpr char kHelp[] =
    R"(slicelet-sim plays random schedules of faults against all domain code of shim, provider and three agents,
in one process on virtual time, and checks the invariants of docs/architecture.md after every step.

Usage: slicelet-sim [--first N] [--schedules N | --long] [--jobs N] [--only KIND]
       slicelet-sim --seed N [--plant NAME]
       slicelet-sim --plants | --plant NAME [--first N]

  --schedules N  play so many schedules, one per seed (2000)
  --long         play 100000
  --first N      the first seed (1)
  --jobs N       in so many processes (one per CPU)
  --only KIND    leave out the schedules that are not of this kind: broker, fleet or controllers
  --seed N       replay this one exactly and print its story
  --plants       plant every known bug in turn; each has to be found within 30 s of CPU
  --plant NAME   only this one, by its name or number; with --seed print the story of one schedule with it
  --help         this text

Examples:
  slicelet-sim                                  what CI runs
  slicelet-sim --first 5001 --schedules 500     other seeds
  slicelet-sim --only controllers               every tenth of them
  slicelet-sim --seed 4711                      the story of one
  slicelet-sim --plants                         can it fail at all?
  slicelet-sim --plant lose-tombstone --seed 40 how a planted bug shows

Exit status: 0 all is well, 1 an invariant was broken or a planted bug not found, 2 wrong use.
Planted bugs:
)";

constexpr int kUsage = 2;
constexpr int kMaxReported = 10;
constexpr std::uint64_t kSchedules = 2'000;
constexpr std::uint64_t kLongSchedules = 100'000;
/// One in so many schedules is played twice: a seed that is not replayed exactly is worth nothing.
constexpr std::uint64_t kPlayedTwice = 50;
/// A planted bug has to be found in this time of CPU.
constexpr double kPlantSeconds = 30;

struct Options {
  std::uint64_t first = 1;
  std::uint64_t schedules = kSchedules;
  int jobs = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  /// A member of `Kind` that has to be true; null: none.
  bool Kind::* only = nullptr;
  std::optional<std::uint64_t> seed;
  bool all_plants = false;
  std::optional<Plant> plant;
};

/// Of CPU: a busy machine must not decide whether a bug is found.
double Seconds(std::clock_t since) { return static_cast<double>(std::clock() - since) / CLOCKS_PER_SEC; }

int Fail(const std::string& message) {
  std::fprintf(stderr, "slicelet-sim: %s; see --help\n", message.c_str());
  return kUsage;
}

int Help() {
  std::fputs(kHelp, stdout);
  for (const PlantInfo& info : AllPlants()) {
    std::printf("  %2d %-24s %s\n", static_cast<int>(info.plant), info.name.c_str(), info.what.c_str());
  }
  return 0;
}

void PrintFailure(std::uint64_t seed, const Outcome& outcome) {
  std::printf("seed %llu FAILED %s\n  replay: slicelet-sim --seed %llu\n",
              static_cast<unsigned long long>(seed), outcome.violation.c_str(),
              static_cast<unsigned long long>(seed));
  std::fflush(stdout);
}

/// Plays every `stride`-th seed of the range; returns how many failed.
int PlayRange(const Options& options, int job, int stride) {
  int failed = 0;
  std::uint64_t steps = 0, played = 0;
  const std::clock_t start = std::clock();
  for (std::uint64_t n = job; n < options.schedules; n += stride) {
    if (options.only != nullptr && !(MakeSchedule(options.first + n).kind.*options.only)) continue;
    Outcome outcome = Play(options.first + n, Plant::kNone, false);
    if (n % kPlayedTwice == 0 && outcome.passed &&
        Play(options.first + n, Plant::kNone, false).fingerprint != outcome.fingerprint) {
      outcome.passed = false;
      outcome.violation = "is not the same when it is played again";
    }
    ++played;
    steps += outcome.steps;
    if (outcome.passed) continue;
    if (++failed <= kMaxReported) PrintFailure(options.first + n, outcome);
  }
  if (played > 0) {
    std::printf("%llu schedules, %d failed, %llu events and %.1f ms of CPU each on average\n",
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

int TellStory(std::uint64_t seed, Plant plant) {
  SetLogLevel(LogLevel::kInfo);
  const Outcome outcome = Play(seed, plant, true);
  for (const std::string& line : outcome.story) std::printf("%s\n", line.c_str());
  std::printf("seed %llu: %s; %d pods, %d faults, %llu events\n", static_cast<unsigned long long>(seed),
              outcome.passed ? "passed" : "FAILED", outcome.pods, outcome.faults,
              static_cast<unsigned long long>(outcome.steps));
  return outcome.passed ? 0 : 1;
}

/// True when some schedule finds the bug in time.
bool FindsPlant(const PlantInfo& info, std::uint64_t first) {
  const std::clock_t start = std::clock();
  for (std::uint64_t n = 0; Seconds(start) < kPlantSeconds; ++n) {
    if (info.controllers && !MakeSchedule(first + n).kind.controllers) continue;
    const Outcome outcome = Play(first + n, info.plant, false);
    if (outcome.passed) continue;
    std::printf("%2d %-24s found by seed %llu after %.1f s: %s\n", static_cast<int>(info.plant),
                info.name.c_str(), static_cast<unsigned long long>(first + n), Seconds(start),
                outcome.violation.c_str());
    std::fflush(stdout);
    return true;
  }
  std::printf("%2d %-24s NOT FOUND within %.0f s: %s\n", static_cast<int>(info.plant), info.name.c_str(),
              kPlantSeconds, info.what.c_str());
  std::fflush(stdout);
  return false;
}

int FindPlants(const Options& options) {
  int missed = 0;
  for (const PlantInfo& info : AllPlants()) {
    if (options.plant && *options.plant != info.plant) continue;
    if (!FindsPlant(info, options.first)) ++missed;
  }
  return missed == 0 ? 0 : 1;
}

bool ReadNumber(const std::string& text, std::uint64_t& out) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos || text.size() > 18)
    return false;
  out = std::stoull(text);
  return true;
}

bool Kind::* FindKind(const std::string& text) {
  if (text == "broker") return &Kind::broker;
  if (text == "fleet") return &Kind::fleet;
  return text == "controllers" ? &Kind::controllers : nullptr;
}

int Main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--help" || flag == "-h") return Help();
    if (flag == "--plants") {
      options.all_plants = true;
      continue;
    }
    if (flag == "--long") {
      options.schedules = kLongSchedules;
      continue;
    }
    const bool number_wanted =
        flag == "--seed" || flag == "--first" || flag == "--schedules" || flag == "--jobs";
    if (!number_wanted && flag != "--plant" && flag != "--only") return Fail("unknown option " + flag);
    if (i + 1 == argc) return Fail(flag + " wants a value");
    const std::string value = argv[++i];
    std::uint64_t number = 0;
    if (number_wanted && !ReadNumber(value, number)) return Fail(flag + ": " + value + " is no number");
    if (flag == "--plant") {
      options.plant = FindPlant(value);
      if (!options.plant) return Fail("--plant: there is no planted bug " + value);
    } else if (flag == "--only") {
      options.only = FindKind(value);
      if (options.only == nullptr) return Fail("--only: there is no kind " + value);
    } else if (flag == "--seed") {
      options.seed = number;
    } else if (flag == "--first") {
      options.first = number;
    } else if (flag == "--schedules") {
      options.schedules = number;
    } else {
      options.jobs = static_cast<int>(number);
    }
  }
  SetLogLevel(LogLevel::kOff);
  if (options.seed) return TellStory(*options.seed, options.plant.value_or(Plant::kNone));
  if (options.all_plants || options.plant) return FindPlants(options);
  return PlaySchedules(options);
}

}  // namespace
}  // namespace slicelet::sim

int main(int argc, char** argv) { return slicelet::sim::Main(argc, argv); }
