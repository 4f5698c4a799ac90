#include "edge-agent/runtime/cri_runtime.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <thread>

#include "common/base/testing/temporary_directory.h"
#include "common/loop/asio_loop.h"
#include "common/loop/testing/run_until.h"
#include "edge-agent/runtime/testing/private_containerd.h"

namespace slicelet::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;

constexpr char kWorkload[] = "docker.io/slicelet/workload:1";

std::unique_ptr<PrivateContainerd> containerd;

class Containerd : public testing::Environment {
 public:
  void SetUp() override {
    if (PrivateContainerd::Possible()) containerd = std::make_unique<PrivateContainerd>();
  }
  void TearDown() override { containerd.reset(); }
};
const auto* const environment = testing::AddGlobalTestEnvironment(new Containerd);

class CriRuntimeTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!containerd) GTEST_SKIP() << "needs root";
    runtime_ = MakeCriRuntime(containerd->socket(), loop_);
    runtime_->OnWakeUp([this](const ContainerRuntime::WakeUp& wake_up) {
      // The end of what an earlier test made may be announced late.
      if (!former_.contains(wake_up.container_id)) wake_ups_.push_back(wake_up.container_id);
    });
    // The subscription stands when the first wake-up came.
    ASSERT_TRUE(Until([this] { return !wake_ups_.empty(); }));
    wake_ups_.clear();
  }
  void TearDown() override { former_.merge(made_); }

  bool Until(const std::function<bool()>& holds) { return RunLoopUntil(loop_, holds); }

  /// The result of one asynchronous call: Await<R>([&](auto done) { runtime_->X(..., done); }).
  template <typename Result, typename Start>
  absl::StatusOr<Result> Await(Start start) {
    std::optional<absl::StatusOr<Result>> result;
    start([&](absl::StatusOr<Result> value) { result = std::move(value); });
    if (!Until([&] { return result.has_value(); })) return absl::DeadlineExceededError("no answer");
    return *std::move(result);
  }
  template <typename Start>
  absl::Status AwaitStatus(Start start) {
    std::optional<absl::Status> result;
    start([&](const absl::Status& status) { result = status; });
    if (!Until([&] { return result.has_value(); })) return absl::DeadlineExceededError("no answer");
    return *result;
  }

  SandboxConfig Pod(const std::string& name) {
    SandboxConfig config;
    config.name = name;
    config.ns = "test";
    config.uid = "uid-" + name;
    config.hostname = name;
    config.log_directory = containerd->directory() + "/logs/" + name;
    config.cgroup_parent = "/slicelet-test";
    config.labels = {{kManagedLabel, "true"}, {kPodNameLabel, name}};
    return config;
  }
  static ContainerConfig Workload(const std::vector<std::string>& args) {
    ContainerConfig config;
    config.name = "main";
    config.image = kWorkload;
    config.image_name = kWorkload;
    config.args = args;
    config.labels = {{kManagedLabel, "true"}};
    config.log_path = "main.log";
    return config;
  }
  absl::StatusOr<std::string> Start(const SandboxConfig& pod, const ContainerConfig& container) {
    SLICELET_ASSIGN_OR_RETURN(sandbox_,
                              Await<std::string>([&](auto done) { runtime_->RunSandbox(pod, done); }));
    made_.insert(sandbox_);
    SLICELET_ASSIGN_OR_RETURN(std::string id, Await<std::string>([&](auto done) {
                                runtime_->CreateContainer(sandbox_, container, pod, done);
                              }));
    made_.insert(id);
    SLICELET_RETURN_IF_ERROR(AwaitStatus([&](auto done) { runtime_->StartContainer(id, done); }));
    return id;
  }
  absl::StatusOr<Container> Get(const std::string& id) {
    return Await<Container>([&](auto done) { runtime_->GetContainer(id, done); });
  }
  void Remove() {
    EXPECT_TRUE(AwaitStatus([&](auto done) { runtime_->StopSandbox(sandbox_, done); }).ok());
    EXPECT_TRUE(AwaitStatus([&](auto done) { runtime_->RemoveSandbox(sandbox_, done); }).ok());
  }
  std::string Log(const SandboxConfig& pod) {
    std::stringstream text;
    text << std::ifstream(pod.log_directory + "/main.log").rdbuf();
    return text.str();
  }

  AsioLoop loop_;
  std::unique_ptr<ContainerRuntime> runtime_;
  std::vector<std::string> wake_ups_;
  std::string sandbox_;
  /// Sandboxes and containers: this test's, and those of the tests before it.
  std::set<std::string> made_;
  static inline std::set<std::string> former_;
};

TEST_F(CriRuntimeTest, TellsWhatTheRuntimeIs) {
  const auto info = Await<RuntimeInfo>([&](auto done) { runtime_->GetInfo(done); });
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->name, "containerd");
  EXPECT_TRUE(info->runtime_ready);
  EXPECT_TRUE(info->network_ready) << info->message;
}

TEST_F(CriRuntimeTest, ContainerGetsWhatItsConfigSays) {
  auto pod = Pod("config");
  auto config = Workload({"env", "GREETING", "id", "cat", "/data/file", "cat", "/etc/hostname", "wait"});
  config.env = {{"GREETING", "hello"}};
  config.run_as_user = 1234;
  config.run_as_group = 99;
  config.read_only_root = true;
  config.no_new_privileges = true;
  config.drop_capabilities = {"ALL"};
  config.memory_limit = 64 << 20;
  config.seccomp = "runtime/default";
  const std::string file = containerd->directory() + "/file";
  std::ofstream(file) << "mounted\n";
  config.mounts = {{file, "/data/file", true, Propagation::kPrivate}};
  const auto id = Start(pod, config);
  ASSERT_TRUE(id.ok()) << id.status();
  ASSERT_TRUE(Until([&] { return Log(pod).find("F config") != std::string::npos; })) << Log(pod);
  EXPECT_THAT(Log(pod), HasSubstr("stdout F hello"));
  EXPECT_THAT(Log(pod), HasSubstr("stdout F uid=1234 gid=99"));
  EXPECT_THAT(Log(pod), HasSubstr("stdout F mounted"));

  const auto status = Get(*id);
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->phase, ContainerPhase::kRunning);
  EXPECT_EQ(status->name, "main");
  EXPECT_GT(status->started_at, 0);
  EXPECT_THAT(status->image_ref, HasSubstr("sha256:"));
  const auto sandbox = Await<SandboxStatus>([&](auto done) { runtime_->GetSandbox(sandbox_, done); });
  ASSERT_TRUE(sandbox.ok());
  EXPECT_TRUE(sandbox->sandbox.ready);
  EXPECT_EQ(sandbox->sandbox.uid, "uid-config");
  ASSERT_EQ(sandbox->ips.size(), 1u);
  EXPECT_THAT(sandbox->ips[0], HasSubstr("10."));
  EXPECT_FALSE(sandbox->host_network);

  const auto listed = Await<std::vector<Container>>([&](auto done) { runtime_->ListContainers(done); });
  ASSERT_TRUE(listed.ok());
  EXPECT_THAT(*listed,
              Contains(testing::AllOf(Field(&Container::id, *id), Field(&Container::sandbox_id, sandbox_))));
  Remove();
  const auto sandboxes = Await<std::vector<Sandbox>>([&](auto done) { runtime_->ListSandboxes(done); });
  ASSERT_TRUE(sandboxes.ok());
  EXPECT_THAT(*sandboxes, testing::Not(Contains(Field(&Sandbox::id, sandbox_))));
}

TEST_F(CriRuntimeTest, ASeccompProfileMayBeAFileOfTheHost) {
  const std::string file = containerd->directory() + "/profile.json";
  std::ofstream(file) << R"({"defaultAction": "SCMP_ACT_ALLOW",
                             "syscalls": [{"names": ["reboot"], "action": "SCMP_ACT_ERRNO"}]})";
  auto pod = Pod("profile");
  auto config = Workload({"cat", "/proc/self/status", "wait"});
  config.seccomp = "localhost/" + file;
  const auto id = Start(pod, config);
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_TRUE(Until([&] { return Log(pod).find("Seccomp:\t2") != std::string::npos; })) << Log(pod);
  Remove();
}

TEST_F(CriRuntimeTest, AContainerWithoutAWordAboutSeccompHasNone) {
  auto pod = Pod("silent");
  const auto id = Start(pod, Workload({"cat", "/proc/self/status", "wait"}));
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_TRUE(Until([&] { return Log(pod).find("Seccomp:\t0") != std::string::npos; })) << Log(pod);
  Remove();
}

TEST_F(CriRuntimeTest, HostNetworkSandboxHasNoAddressOfItsOwn) {
  auto pod = Pod("hostnet");
  pod.namespaces.host_network = true;
  const auto id = Start(pod, Workload({"wait"}));
  ASSERT_TRUE(id.ok()) << id.status();
  const auto sandbox = Await<SandboxStatus>([&](auto done) { runtime_->GetSandbox(sandbox_, done); });
  EXPECT_TRUE(sandbox->host_network);
  EXPECT_TRUE(sandbox->ips.empty());
  Remove();
}

TEST_F(CriRuntimeTest, WakesUpWhenTheExitShows) {
  const auto id = Start(Pod("exit"), Workload({"sleep", "200", "exit", "3"}));
  ASSERT_TRUE(id.ok()) << id.status();
  ASSERT_TRUE(Until([&] { return !wake_ups_.empty(); }));
  EXPECT_EQ(wake_ups_[0], *id);
  const auto status = Get(*id);
  EXPECT_EQ(status->phase, ContainerPhase::kExited);
  EXPECT_EQ(status->exit_code, 3);
  EXPECT_EQ(status->reason, "Error");
  Remove();
}

TEST_F(CriRuntimeTest, ExecsOfProbesWakeNobody) {
  const auto id = Start(Pod("probe"), Workload({"wait"}));
  ASSERT_TRUE(id.ok()) << id.status();
  const auto result = Await<ExecResult>([&](auto done) {
    runtime_->ExecSync(*id, {"/bin/workload", "print", "out", "error", "err", "exit", "5"}, kPatience, done);
  });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->exit_code, 5);
  EXPECT_EQ(result->out, "out\n");
  EXPECT_EQ(result->err, "err\n");
  const auto slow = Await<ExecResult>(
      [&](auto done) { runtime_->ExecSync(*id, {"/bin/workload", "sleep", "600000"}, seconds(1), done); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(slow.status())) << slow.status();
  ASSERT_TRUE(Await<RuntimeInfo>([&](auto done) { runtime_->GetInfo(done); }).ok());
  EXPECT_TRUE(wake_ups_.empty());
  Remove();
}

TEST_F(CriRuntimeTest, StopsWithGraceAndIsIdempotent) {
  auto pod = Pod("stop");
  const auto id = Start(pod, Workload({"print", "up", "wait"}));
  ASSERT_TRUE(id.ok()) << id.status();
  ASSERT_TRUE(Until([&] { return Log(pod).find("up") != std::string::npos; }));
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(AwaitStatus([&](auto done) { runtime_->StopContainer(*id, kPatience, done); }).ok());
  }
  EXPECT_EQ(Get(*id)->exit_code, 0);
  EXPECT_EQ(Get(*id)->reason, "Completed");
  EXPECT_TRUE(Until([&] { return Log(pod).find("terminated") != std::string::npos; })) << Log(pod);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(AwaitStatus([&](auto done) { runtime_->RemoveContainer(*id, done); }).ok());
  }
  EXPECT_TRUE(absl::IsNotFound(Get(*id).status()));
  Remove();
  Remove();
}

TEST_F(CriRuntimeTest, KillsAfterTheGrace) {
  auto pod = Pod("grace");
  const auto id = Start(pod, Workload({"linger", "-1", "print", "up", "wait"}));
  ASSERT_TRUE(id.ok()) << id.status();
  ASSERT_TRUE(Until([&] { return Log(pod).find("up") != std::string::npos; }));
  EXPECT_TRUE(AwaitStatus([&](auto done) { runtime_->StopContainer(*id, seconds(1), done); }).ok());
  EXPECT_EQ(Get(*id)->exit_code, 137);
  Remove();
}

TEST_F(CriRuntimeTest, ReportsAStartThatFails) {
  auto config = Workload({});
  config.command = {"/bin/absent"};
  const auto id = Start(Pod("bad"), config);
  EXPECT_FALSE(id.ok());
  EXPECT_THAT(std::string(id.status().message()), HasSubstr("/bin/absent"));
  Remove();
}

TEST_F(CriRuntimeTest, KnowsImages) {
  const auto image = Await<Image>([&](auto done) { runtime_->GetImage(kWorkload, done); });
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_THAT(image->tags, Contains(kWorkload));
  EXPECT_GT(image->size, 100'000u);
  const auto absent =
      Await<Image>([&](auto done) { runtime_->GetImage("docker.io/slicelet/absent:1", done); });
  EXPECT_TRUE(absl::IsNotFound(absent.status())) << absent.status();
  const auto all = Await<std::vector<Image>>([&](auto done) { runtime_->ListImages(done); });
  EXPECT_GE(all->size(), 2u);
  const auto pulled =
      Await<std::string>([&](auto done) { runtime_->PullImage("localhost:1/absent:1", std::nullopt, done); });
  EXPECT_FALSE(pulled.ok());
}

TEST_F(CriRuntimeTest, KnowsWhichImagesMustStayAndWhereTheyLie) {
  const auto id = Start(Pod("used"), Workload({"wait"}));
  ASSERT_TRUE(id.ok()) << id.status();
  const auto image = Await<Image>([&](auto done) { runtime_->GetImage(kWorkload, done); });
  const auto used = Await<std::vector<std::string>>([&](auto done) { runtime_->ListUsedImages(done); });
  ASSERT_TRUE(used.ok()) << used.status();
  EXPECT_THAT(*used, Contains(image->id));
  EXPECT_THAT(*used, Contains("docker.io/slicelet/pause:1"));
  const auto root = Await<std::string>([&](auto done) { runtime_->GetImageRoot(done); });
  ASSERT_TRUE(root.ok()) << root.status();
  EXPECT_THAT(*root, HasSubstr(containerd->directory()));
  Remove();
}

TEST_F(CriRuntimeTest, GivesStreamingUrls) {
  const auto id = Start(Pod("urls"), Workload({"wait"}));
  ASSERT_TRUE(id.ok()) << id.status();
  ExecOptions options;
  options.container_id = *id;
  options.command = {"/bin/workload", "print", "x"};
  options.out = true;
  const auto url = Await<std::string>([&](auto done) { runtime_->ExecUrl(options, done); });
  ASSERT_TRUE(url.ok()) << url.status();
  EXPECT_THAT(*url, HasSubstr("http://127.0.0.1:"));
  EXPECT_TRUE(Await<std::string>([&](auto done) { runtime_->AttachUrl(options, done); }).ok());
  EXPECT_TRUE(Await<std::string>([&](auto done) { runtime_->PortForwardUrl(sandbox_, {80}, done); }).ok());
  Remove();
}

TEST_F(CriRuntimeTest, ComesBackAfterTheRuntimeDied) {
  auto pod = Pod("survivor");
  const auto id = Start(pod, Workload({"wait"}));
  ASSERT_TRUE(id.ok()) << id.status();
  containerd->Run("kill");
  EXPECT_TRUE(absl::IsUnavailable(Get(*id).status())) << Get(*id).status();
  wake_ups_.clear();
  containerd->Run("start");
  // Anything may have happened: the new stream begins with an empty wake-up.
  ASSERT_TRUE(Until([&] { return !wake_ups_.empty(); }));
  EXPECT_EQ(wake_ups_[0], "");
  ASSERT_TRUE(Until([&] { return Get(*id).ok(); }));
  EXPECT_EQ(Get(*id)->phase, ContainerPhase::kRunning);
  EXPECT_TRUE(AwaitStatus([&](auto done) { runtime_->StopContainer(*id, kPatience, done); }).ok());
  EXPECT_EQ(Get(*id)->exit_code, 0);
  Remove();
}

TEST(CriRuntimeWithoutRuntime, AnswersUnavailable) {
  AsioLoop loop;
  auto runtime = MakeCriRuntime("/tmp/no/such/socket", loop);
  runtime->OnWakeUp([](const ContainerRuntime::WakeUp&) {});
  std::optional<absl::Status> status;
  runtime->GetInfo([&](const absl::StatusOr<RuntimeInfo>& info) { status = info.status(); });
  auto* context = static_cast<boost::asio::io_context*>(loop.io_context());
  while (!status) context->run_one();
  EXPECT_TRUE(absl::IsUnavailable(*status)) << *status;
}

/// Counts the contexts of calls, and makes gRPC's threads slow at destroying them.
class SlowContexts : public grpc::ClientContext::GlobalCallbacks {
 public:
  void DefaultConstructor(grpc::ClientContext*) override { ++alive; }
  void Destructor(grpc::ClientContext*) override {
    if (std::this_thread::get_id() != the_loops_) std::this_thread::sleep_for(milliseconds(20));
    --alive;
  }
  std::atomic<int> alive{0};

 private:
  const std::thread::id the_loops_ = std::this_thread::get_id();
};

// A context holds its channel, and gRPC crashes when the last channel of a process ends on a thread of
// gRPC's.
TEST(CriRuntimeWithoutRuntime, LeavesNoContextToTheThreadsOfGrpc) {
  // gRPC takes them once per process and for good.
  static SlowContexts& contexts = *[] {
    auto* made = new SlowContexts;
    grpc::ClientContext::SetGlobalCallbacks(made);
    return made;
  }();
  // Takes connections and never says anything.
  boost::asio::io_context io;
  const TemporaryDirectory directory;
  const std::string path = directory.File("silent.sock");
  const boost::asio::local::stream_protocol::acceptor silent(io, {path});

  AsioLoop loop;
  auto runtime = MakeCriRuntime(path, loop);
  runtime->OnWakeUp([](const ContainerRuntime::WakeUp&) {});
  runtime->GetInfo([](const auto&) {});
  EXPECT_EQ(contexts.alive, 2);
  runtime.reset();
  EXPECT_EQ(contexts.alive, 0);
}

}  // namespace
}  // namespace slicelet::agent
