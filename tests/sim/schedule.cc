#include "tests/sim/schedule.h"

#include <algorithm>

#include "common/log/log.h"

namespace slicelet::sim {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kLength = minutes(8);
constexpr int kFewestPods = 10;
constexpr int kFewestFaults = 5;
constexpr std::uint64_t kFewestEvents = 500;
/// One in so many schedules has controllers.
constexpr std::uint64_t kControllersEvery = 10;

/// Draws one schedule.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed * 2 + 1), kinds_random_(seed * 2) {}

  Schedule Make() {
    schedule_.length = kLength;
    schedule_.kind.broker = random_.Below(3) == 0;
    schedule_.kind.fleet = random_.Below(2) == 0;
    schedule_.kind.controllers = kinds_random_.Below(kControllersEvery) == 0;
    AddUsers();
    const int faults = kFewestFaults + static_cast<int>(random_.Below(6));
    for (int n = 0; n < faults; ++n) AddFault();
    schedule_.faults = faults;
    if (schedule_.kind.controllers) AddKinds();
    std::stable_sort(schedule_.events.begin(), schedule_.events.end(),
                     [](const auto& a, const auto& b) { return a.at < b.at; });
    return std::move(schedule_);
  }

 private:
  void Add(Duration at, std::function<void(World&)> happen) {
    schedule_.events.push_back({at, std::move(happen)});
  }
  Duration When() { return Between(milliseconds(0), kLength); }
  Duration Between(Duration lowest, Duration highest) {
    return lowest + Duration(static_cast<Duration::rep>(
                        random_.Below(static_cast<std::uint64_t>((highest - lowest).count()) + 1)));
  }
  std::size_t Host() { return random_.Below(World::kHosts); }
  /// Mostly a moment, sometimes long enough to be noticed by every timeout.
  Duration Outage() {
    return random_.Below(3) == 0 ? Between(minutes(1), minutes(6)) : Between(milliseconds(50), seconds(40));
  }

  void AddUsers() {
    schedule_.pods = kFewestPods + static_cast<int>(random_.Below(6));
    for (int n = 0; n < schedule_.pods; ++n) {
      // The first half early, so that the faults meet something that runs.
      const Duration at = n < kFewestPods / 2 ? Between(milliseconds(0), seconds(20)) : When();
      const std::size_t host = Host();
      const std::uint64_t pick = random_.Next() >> 1;
      // Gateways have pods, too.
      if (schedule_.kind.controllers && n % 3 != 0) continue;
      Add(at, [=](World& world) { world.CreatePod(host, pick); });
    }
    for (std::uint64_t n = 2 + random_.Below(5); n > 0; --n) {
      Add(When(), [pick = random_.Next() >> 1, force = random_.Below(4) == 0](World& world) {
        world.DeletePod(pick, force);
      });
    }
    for (std::uint64_t n = random_.Below(4); n > 0; --n) {
      Add(When(), [pick = random_.Next() >> 1](World& world) { world.ChangeImage(pick); });
    }
    for (std::uint64_t n = random_.Below(3); n > 0; --n) {
      Add(When(), [pick = random_.Next() >> 1](World& world) { world.EditSettings(pick); });
    }
    if (schedule_.kind.fleet) {
      // Before there are pods, and while they run.
      for (std::size_t host = 0; host < World::kHosts; ++host) {
        Add(milliseconds(0), [=, pick = random_.Next() >> 1](World& world) { world.ChangeTags(host, pick); });
      }
      for (std::uint64_t n = 1 + random_.Below(5); n > 0; --n) {
        Add(When(),
            [host = Host(), pick = random_.Next() >> 1](World& world) { world.ChangeTags(host, pick); });
      }
    }
    for (std::uint64_t n = random_.Below(3); n > 0; --n) {
      Add(When(),
          [host = Host(), pick = random_.Next() >> 1](World& world) { world.KillContainer(host, pick); });
    }
  }

  void AddFault() {
    const Duration at = When();
    const Duration down = Outage();
    const std::size_t host = Host();
    const auto nth = static_cast<int>(1 + random_.Below(6));
    const auto point = static_cast<int>(random_.Below(3));
    const std::uint64_t pick = random_.Next() >> 1;
    if (schedule_.kind.broker && random_.Below(4) == 0) return AddBrokerFault(at, down, pick);
    switch (random_.Below(25)) {
      case 0:
      case 1:
        return Add(at, [=](World& world) { world.KillAgent(host, down); });
      case 2:
      case 3:
        return Add(at, [=](World& world) { world.KillAgentAtCrashPoint(host, point, nth); });
      case 4:
        return Add(at, [=](World& world) { world.KillProvider(down); });
      case 5:
        return Add(at, [=](World& world) { world.KillProviderAtCrashPoint(point, nth); });
      case 6:
        return Add(at, [=](World& world) { world.KillShim(0, down); });
      case 7:
        // The second shim: starts beside the first, which may then fall silent.
        Add(at, [](World& world) { world.shim(1).Start(); });
        return Add(at + down,
                   [=](World& world) { world.SilenceShim(pick % 2, Silence::kBoth, seconds(45)); });
      case 8:
        return Add(at, [=](World& world) { world.RebootHost(host, down); });
      case 9:
        return Add(at, [=](World& world) { world.LoseAgentStore(host, down); });
      case 10:
        return AddStoreFault(at, down);
      case 11:
        return AddRestore(at);
      case 12:
        return Add(at, [=](World& world) { world.StopApi(down); });
      case 13:
        return Add(at, [=](World& world) { world.ShowEmptyLists(down); });
      case 14:
        return Add(at, [](World& world) { world.BreakWatches(); });
      case 15:
      case 16:
        return AddDisturbance(at, down);
      case 17:
        return Add(at, [=](World& world) { world.SilenceHost(host, Silence::kBoth, down); });
      case 18:
        return Add(at, [=](World& world) {
          world.SilenceHost(host, pick % 2 == 0 ? Silence::kUp : Silence::kDown, down);
        });
      case 19:
        return Add(at, [=](World& world) { world.BreakHostLink(host); });
      case 20:
        return Add(at, [=](World& world) {
          pick % 3 == 0 ? world.FillProviderDisk(down) : world.FillDisk(host, down);
        });
      case 21:
        return Add(at, [=](World& world) {
          world.JumpClock(pick % (World::kHosts + 1), (pick % 2 == 0 ? 1 : -1) * hours(1 + pick % 100));
        });
      case 22:
        return Add(at, [=](World& world) {
          pick % 2 == 0 ? world.StopRuntime(host, down) : world.LoseRuntimeEvents(host, down);
        });
      case 23:
        return Add(at, [=](World& world) { world.ReplayManifest(host, pick); });
      default:
        return Add(at, [=](World& world) {
          pick % 2 == 0 ? world.KillSandbox(host, pick / 2) : world.LieAboutGeneration(host);
        });
    }
  }

  void AddBrokerFault(Duration at, Duration down, std::uint64_t pick) {
    const std::size_t host = Host();
    switch (random_.Below(9)) {
      case 0:
        return Add(at, [=](World& world) { world.KillBroker(down, true); });
      case 1:
        return Add(at, [=](World& world) { world.KillBroker(down, false); });
      case 2:
        return Add(at, [](World& world) { world.LoseRetained(); });
      case 3:
        return Add(at, [=](World& world) { world.OverflowQueues(pick % 4, down); });
      case 4:
        return Add(at, [=](World& world) { world.LateWills(down); });
      case 5:
        return Add(at, [=](World& world) { world.UsurpHost(host, down); });
      case 6:
        return Add(at, [=](World& world) { world.SilenceHub(static_cast<Silence>(1 + pick % 3), down); });
      case 7:
        return Add(at, [](World& world) { world.BreakHubLink(); });
      default:
        return Add(at, [=](World& world) {
          world.Attack(pick % 2 == 0, 1 + static_cast<int>(pick / 2 % 40), pick / 128, down);
        });
    }
  }

  void AddStoreFault(Duration at, Duration down) {
    // What the provider remembers is what tells a restored API server: losing both leaves nobody who could
    // know.
    if (api_restored_) return Add(at, [=](World& world) { world.KillProvider(down); });
    provider_store_lost_ = true;
    if (random_.Below(2) == 0) return Add(at, [=](World& world) { world.LoseProviderStore(down); });
    Add(Between(milliseconds(0), at), [](World& world) { world.CopyProviderStore(); });
    Add(at, [=](World& world) { world.RestoreProviderStore(down); });
  }

  void AddRestore(Duration at) {
    if (provider_store_lost_) return Add(at, [](World& world) { world.StopApi(seconds(20)); });
    api_restored_ = true;
    Add(Between(milliseconds(0), at), [](World& world) { world.SnapshotApi(); });
    Add(at, [](World& world) { world.RestoreApi(); });
  }

  void AddDisturbance(Duration at, Duration down) {
    const auto draw = [this] {
      LinkFaults faults;
      faults.min_delay = milliseconds(1);
      faults.max_delay = Between(milliseconds(5), milliseconds(900));
      faults.drop = random_.Below(200'000);
      faults.duplicate = random_.Below(200'000);
      faults.reorder = random_.Below(300'000);
      faults.break_connection = random_.Below(20'000);
      return faults;
    };
    const LinkFaults hosts = draw();
    // The shim and the provider speak over one stream: it keeps order and loses nothing but itself.
    LinkFaults shims;
    shims.min_delay = milliseconds(1);
    shims.max_delay = Between(milliseconds(2), milliseconds(300));
    shims.break_connection = random_.Below(20'000);
    Add(at, [=](World& world) { world.DisturbLinks(hosts, shims, down); });
  }

  // ---- Controllers: drawn by a generator of their own, so that all other schedules are as they were.

  std::uint64_t Pick() { return kinds_random_.Next() >> 1; }
  Duration SomeTime() { return Duration(static_cast<Duration::rep>(kinds_random_.Below(kLength.count()))); }
  void AddUser(int times, void (Kinds::*act)(std::uint64_t)) {
    for (; times > 0; --times) {
      Add(SomeTime(), [act, pick = Pick()](World& world) { (world.kinds()->*act)(pick); });
    }
  }

  void AddKinds() {
    // What is attached to should be there first.
    Add(milliseconds(0), [pick = Pick()](World& world) { world.kinds()->CreateServer(pick / 2 * 2); });
    for (int n = 0; n < 2; ++n) {
      Add(seconds(n), [pick = Pick()](World& world) { world.kinds()->CreateGateway(pick); });
    }
    AddUser(1 + static_cast<int>(kinds_random_.Below(3)), &Kinds::CreateGateway);
    AddUser(2 + static_cast<int>(kinds_random_.Below(5)), &Kinds::ChangeGateway);
    AddUser(static_cast<int>(kinds_random_.Below(3)), &Kinds::DeleteGateway);
    AddUser(static_cast<int>(kinds_random_.Below(3)), &Kinds::CreateServer);
    AddUser(static_cast<int>(kinds_random_.Below(2)), &Kinds::DeleteServer);
    AddUser(static_cast<int>(kinds_random_.Below(3)), &Kinds::CreateDevice);
    AddUser(static_cast<int>(kinds_random_.Below(2)), &Kinds::DeleteDevice);
    AddUser(kinds_random_.Below(4) == 0 ? 2 : 0, &Kinds::ToggleSlice);
    AddUser(kinds_random_.Below(6) == 0 ? 1 : 0, &Kinds::AddDeadHost);
    AddUser(kinds_random_.Below(10) == 0 ? 1 : 0, &Kinds::EndSlice);
    const int faults = 2 + static_cast<int>(kinds_random_.Below(4));
    for (int n = 0; n < faults; ++n) AddControllerFault();
    schedule_.faults += faults;
  }

  void AddControllerFault() {
    // Most of the work is done in the beginning.
    const Duration at = kinds_random_.Below(2) == 0 ? SomeTime() / 8 : SomeTime();
    const Duration time = seconds(2) + SomeTime() / (kinds_random_.Below(3) == 0 ? 3 : 20);
    const auto nth = static_cast<int>(1 + kinds_random_.Below(40));
    const bool carried_out = kinds_random_.Below(2) == 0;
    std::optional<std::uint64_t> hasty;
    if (kinds_random_.Below(2) == 0) hasty = Pick();
    const std::uint64_t pick = Pick();
    switch (kinds_random_.Below(6)) {
      case 0:
        return Add(at, [=](World& world) { world.KillProviderAtWrite(nth, carried_out, hasty); });
      case 1:
      case 2:
        return Add(at, [=](World& world) { world.KillProviderAtRequest(1 + nth % 12, carried_out, hasty); });
      case 3:
        if (pick % 3 != 0)
          return Add(at, [=](World& world) { world.around().iot->LoseAnswers(1 + nth % 4); });
        return Add(at, [=](World& world) {
          nth % 2 == 0 ? world.around().iot->Restart() : world.around().iot->RemoveOne(pick);
        });
      case 4:
        return Add(at, [=](World& world) { world.Conflict(1 + pick % 500'000, time); });
      default:
        return Add(at, [=](World& world) {
          world.TroubleIotServer(static_cast<IotService::Trouble>(1 + pick % 4), time);
        });
    }
  }

  SeededRandom random_;
  SeededRandom kinds_random_;
  Schedule schedule_;
  bool provider_store_lost_ = false;
  bool api_restored_ = false;
};

}  // namespace

Schedule MakeSchedule(std::uint64_t seed) { return Generator(seed).Make(); }

Outcome Play(std::uint64_t seed, Plant plant, bool told) {
  const Schedule schedule = MakeSchedule(seed);
  World world(seed, schedule.kind, plant, told);
  if (told) {
    SetLogSink([&world](LogLevel, const std::string& line) { world.around().story.Tell("  | " + line); });
  }
  world.Begin();
  Duration now{0};
  for (const Schedule::Event& event : schedule.events) {
    if (world.failed()) break;
    world.Run(event.at - now);
    now = event.at;
    if (!world.failed()) event.happen(world);
  }
  if (!world.failed()) world.Run(schedule.length - now > Duration(0) ? schedule.length - now : Duration(0));
  if (!world.failed()) world.Settle();
  if (told && world.failed()) world.TellAboutViolation();
  // The programs' ends are no part of the story.
  if (told) SetLogLevel(LogLevel::kOff);
  SetLogSink(nullptr);
  if (!world.failed() &&
      (schedule.pods < kFewestPods || schedule.faults < kFewestFaults || world.steps() < kFewestEvents)) {
    world.around().story.Violate("too little happens to prove anything");
  }
  Outcome outcome;
  outcome.passed = !world.failed();
  outcome.violation = world.story().violation().value_or("");
  outcome.story = world.story().lines();
  outcome.steps = world.steps();
  outcome.fingerprint = world.fingerprint();
  outcome.pods = schedule.pods;
  outcome.faults = schedule.faults;
  return outcome;
}

}  // namespace slicelet::sim
