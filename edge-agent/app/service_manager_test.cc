#include "edge-agent/app/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "common/base/testing/temporary_directory.h"
#include "common/loop/testing/sim_loop.h"

namespace slicelet::agent {
namespace {

using std::chrono::seconds;

/// systemd's end of the protocol: a datagram socket, and the environment that names it.
class ServiceManagerTest : public testing::Test {
 public:
  ~ServiceManagerTest() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
    if (fd_ >= 0) close(fd_);
  }

 protected:
  /// `name` as systemd writes it: @ stands for the zero byte of an abstract socket.
  void Listen(const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof address.sun_path - 1);
    if (name[0] == '@') address.sun_path[0] = '\0';
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ASSERT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())),
              0);
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  void Listen() { Listen(directory_.File("notify")); }
  static void SetWatchdog(const std::string& microseconds, const std::optional<std::string>& pid = {}) {
    setenv("WATCHDOG_USEC", microseconds.c_str(), 1);
    if (pid) setenv("WATCHDOG_PID", pid->c_str(), 1);
  }
  /// What was sent since it was last asked.
  std::vector<std::string> Heard() {
    std::vector<std::string> messages;
    std::array<char, 256> buffer{};
    ssize_t n = 0;
    while ((n = recv(fd_, buffer.data(), buffer.size(), 0)) > 0)
      messages.emplace_back(buffer.data(), static_cast<std::size_t>(n));
    return messages;
  }

  using Messages = std::vector<std::string>;
  static constexpr char kFed[] = "WATCHDOG=1";

  TemporaryDirectory directory_;
  SimLoop loop_;
  ServiceManager service_{loop_};
  int fd_ = -1;
};

TEST_F(ServiceManagerTest, SaysThatItIsReadyAndFeedsNoWatchdogThatNobodySet) {
  Listen();
  service_.Ready("running as gw-1");
  EXPECT_EQ(Heard(), (Messages{"READY=1\nSTATUS=running as gw-1"}));
  loop_.Advance(std::chrono::hours(1));
  EXPECT_EQ(Heard(), Messages{});
  service_.Stopping();
  EXPECT_EQ(Heard(), (Messages{"STOPPING=1"}));
}

TEST_F(ServiceManagerTest, KnowsAbstractSockets) {
  Listen("@slicelet-test-" + std::to_string(getpid()));
  service_.Ready("r");
  EXPECT_EQ(Heard(), (Messages{"READY=1\nSTATUS=r"}));
}

TEST_F(ServiceManagerTest, FeedsTheWatchdogThreeTimesInItsLimitUntilItStops) {
  Listen();
  SetWatchdog("60000000");
  service_.Ready("r");
  EXPECT_EQ(Heard().back(), kFed) << "the limit counts from the start";
  loop_.Advance(seconds(19));
  EXPECT_EQ(Heard(), Messages{});
  loop_.Advance(seconds(1));
  EXPECT_EQ(Heard(), (Messages{kFed}));
  loop_.Advance(seconds(60));
  EXPECT_EQ(Heard(), (Messages{kFed, kFed, kFed}));
  service_.Stopping();
  EXPECT_EQ(Heard(), (Messages{"STOPPING=1"}));
  loop_.Advance(seconds(600));
  EXPECT_EQ(Heard(), Messages{});
}

TEST_F(ServiceManagerTest, ALoopThatHangsDoesNotFeedTheWatchdog) {
  Listen();
  SetWatchdog("60000000");
  service_.Ready("r");
  Heard();
  EXPECT_EQ(loop_.pending(), 1U) << "feeding is a task of the loop";
  // A task that does not end before the next feeding is due.
  loop_.Post([this] {
    EXPECT_EQ(loop_.pending(), 1U);
    EXPECT_EQ(Heard(), Messages{});
  });
  loop_.RunReady();
  EXPECT_EQ(Heard(), Messages{});
  service_.Stopping();
  EXPECT_EQ(loop_.pending(), 0U);
}

struct Ignored {
  std::string limit;
  std::optional<std::string> pid;
};
class NoWatchdog : public ServiceManagerTest, public testing::WithParamInterface<Ignored> {};
TEST_P(NoWatchdog, IsNotFed) {
  Listen();
  SetWatchdog(GetParam().limit, GetParam().pid);
  service_.Ready("r");
  EXPECT_EQ(Heard(), (Messages{"READY=1\nSTATUS=r"}));
  // Nobody reads while time passes, and a full socket makes whoever feeds it wait.
  ASSERT_EQ(loop_.pending(), 0U) << "a feeding is planned";
  loop_.Advance(seconds(600));
  EXPECT_EQ(Heard(), Messages{});
}
INSTANTIATE_TEST_SUITE_P(All, NoWatchdog,
                         testing::Values(Ignored{"60000000", "1"}, Ignored{"0", {}}, Ignored{"", {}},
                                         Ignored{"soon", {}}, Ignored{"-1", {}},
                                         Ignored{"18446744073709551615", {}}));

TEST_F(ServiceManagerTest, ItsOwnProcessIdIsMeant) {
  Listen();
  SetWatchdog("60000000", std::to_string(getpid()));
  service_.Ready("r");
  EXPECT_EQ(Heard().back(), kFed);
}

TEST_F(ServiceManagerTest, WithoutSystemdItDoesNothing) {
  SetWatchdog("3000000");
  service_.Ready("r");
  loop_.Advance(seconds(10));
  // Nobody listens there any more.
  setenv("NOTIFY_SOCKET", directory_.File("gone").c_str(), 1);
  loop_.Advance(seconds(10));
  setenv("NOTIFY_SOCKET", std::string(300, 'x').c_str(), 1);
  loop_.Advance(seconds(10));
  setenv("NOTIFY_SOCKET", "", 1);
  service_.Stopping();
}

}  // namespace
}  // namespace slicelet::agent
