#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <optional>
#include <string>

#include "common/base/file_system.h"
#include "common/base/random.h"
#include "common/base/testing/temporary_directory.h"
#include "common/loop/asio_loop.h"
#include "common/loop/testing/run_until.h"
#include "kube/http/http_kube_api.h"

namespace slicelet::kube {

/// A real Kubernetes control plane for one test program: register it with AddGlobalTestEnvironment.
class ControlPlane : public testing::Environment {
 public:
  void SetUp() override {
    directory_.emplace();
    directory() = directory_->path();
    ASSERT_TRUE(Run("up")) << "tests/control-plane/control-plane.sh up failed";
  }
  void TearDown() override {
    Run("down");
    directory_.reset();
  }
  /// control-plane.sh COMMAND DIR ARGUMENTS
  static bool Run(const std::string& command, const std::string& arguments = "") {
    const std::string line = std::string(SLICELET_CONTROL_PLANE) + " " + command + " " + directory() + " " +
                             arguments + " >/dev/null 2>&1";
    return std::system(line.c_str()) == 0;
  }
  static std::string& directory() {
    static std::string path;
    return path;
  }

 private:
  std::optional<TemporaryDirectory> directory_;
};

/// A loop and an administrator's view of that control plane.
class ControlPlaneTest : public testing::Test {
 protected:
  ControlPlaneTest() {
    auto read = ReadKubeConfig(*files, ControlPlane::directory() + "/admin.conf", "");
    EXPECT_TRUE(read.ok()) << read.status();
    if (read.ok()) config = *std::move(read);
    api = MakeHttpKubeApi(config, loop, *files);
  }

  /// Runs the loop until `done` holds; fails the test when it does not, with the caller's line.
  void RunUntil(const std::function<bool()>& done, int line = __builtin_LINE()) {
    ASSERT_TRUE(RunLoopUntil(loop, done)) << "what line " << line << " waits for did not come";
  }

  template <typename T>
  absl::StatusOr<T> Await(const std::function<void(Callback<T>)>& start, int line = __builtin_LINE()) {
    std::optional<absl::StatusOr<T>> result;
    start([&](absl::StatusOr<T> answer) { result = std::move(answer); });
    RunUntil([&] { return result.has_value(); }, line);
    if (!result.has_value()) return absl::DeadlineExceededError("no answer");
    return *std::move(result);
  }

  AsioLoop loop;
  std::unique_ptr<FileSystem> files = MakeSystemFileSystem();
  SystemRandom random;
  KubeConfig config;
  std::unique_ptr<KubeApi> api;
};

}  // namespace slicelet::kube
