#include "common/loop/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/base/testing/fake_clock.h"
#include "common/loop/asio_loop.h"
#include "common/loop/testing/sim_loop.h"

namespace slicelet {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

TEST(SimLoop, RunsTimersInTheOrderOfTheirDueTimes) {
  SimLoop loop;
  std::vector<int> order;
  loop.RunAfter(seconds(2), [&] { order.push_back(2); });
  loop.RunAfter(seconds(1), [&] { order.push_back(1); });
  loop.Post([&] { order.push_back(0); });

  loop.Advance(hours(1));

  EXPECT_THAT(order, ElementsAre(0, 1, 2));
}

TEST(SimLoop, ATimerSeesItsDueTime) {
  SimLoop loop;
  const auto start = loop.Now();
  MonotonicTime seen;
  loop.RunAfter(seconds(5), [&] { seen = loop.Now(); });

  loop.Advance(seconds(60));

  EXPECT_EQ(seen - start, seconds(5));
  EXPECT_EQ(loop.Now() - start, seconds(60));
}

TEST(FakeClock, FollowsTheLoopAndJumps) {
  SimLoop loop;
  FakeClock clock(loop);
  EXPECT_EQ(FormatTime(clock.Now()), "2026-01-01T00:00:00Z");

  loop.Advance(seconds(90));
  EXPECT_EQ(FormatTime(clock.Now()), "2026-01-01T00:01:30Z");
  clock.Jump(-hours(24));
  EXPECT_EQ(FormatTime(clock.Now()), "2025-12-31T00:01:30Z");
}

TEST(Timer, SettingItAgainReplacesTheFormerTask) {
  SimLoop loop;
  Timer timer(loop);
  std::vector<int> ran;
  timer.Set(seconds(1), [&] { ran.push_back(1); });
  timer.Set(seconds(2), [&] { ran.push_back(2); });

  EXPECT_TRUE(timer.armed());
  loop.Advance(seconds(10));
  EXPECT_THAT(ran, ElementsAre(2));
  EXPECT_FALSE(timer.armed());
}

TEST(Timer, ATaskMayDestroyItsTimer) {
  SimLoop loop;
  auto timer = std::make_unique<Timer>(loop);
  bool ran = false;
  timer->Set(seconds(1), [&, text = std::string(100, 'x')] {
    timer.reset();
    ran = text.size() == 100;
  });

  loop.Advance(seconds(1));
  EXPECT_TRUE(ran);
}

TEST(Timer, DoesNotRunOnceDestroyed) {
  SimLoop loop;
  bool ran = false;
  {
    Timer(loop).Set(seconds(1), [&] { ran = true; });
  }

  loop.Advance(seconds(10));
  EXPECT_FALSE(ran);
}

TEST(Lifetime, GuardedCallbacksDoNothingAfterTheOwner) {
  int calls = 0;
  auto lifetime = std::make_unique<Lifetime>();
  auto guarded = lifetime->Guard([&](int n) { calls += n; });

  guarded(1);
  lifetime.reset();
  guarded(1);

  EXPECT_EQ(calls, 1);
}

TEST(AsioLoop, RunsTasksPostedFromAnotherThreadInTheirOrder) {
  AsioLoop loop;
  std::vector<int> order;
  std::thread other([&] {
    for (int i = 0; i < 3; ++i) loop.Post([&order, i] { order.push_back(i); });
    loop.Post([&] { loop.Stop(); });
  });

  loop.Run();
  other.join();

  EXPECT_THAT(order, ElementsAre(0, 1, 2));
}

TEST(AsioLoop, ACancelledTimerDoesNotRunEvenWhenItWasDue) {
  AsioLoop loop;
  bool cancelled_ran = false;
  Loop::TimerId second = 0;
  loop.RunAfter(Duration::zero(), [&] { loop.Cancel(second); });
  second = loop.RunAfter(Duration::zero(), [&] { cancelled_ran = true; });
  loop.RunAfter(milliseconds(1), [&] { loop.Stop(); });

  loop.Run();

  EXPECT_FALSE(cancelled_ran);
}

TEST(AsioLoop, TellsOfEverySignal) {
  AsioLoop loop;
  int count = 0;
  loop.OnSignals({SIGUSR1}, [&](int signal) {
    EXPECT_EQ(signal, SIGUSR1);
    if (++count == 2) {
      loop.Stop();
    } else {
      raise(SIGUSR1);
    }
  });
  loop.Post([] { raise(SIGUSR1); });

  loop.Run();

  EXPECT_EQ(count, 2);
}

}  // namespace
}  // namespace slicelet
