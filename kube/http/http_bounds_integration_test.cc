#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "common/base/file_system.h"
#include "common/loop/asio_loop.h"
#include "common/loop/testing/late_loop.h"
#include "common/loop/testing/run_until.h"
#include "common/rest/testing/endless_server.h"
#include "kube/http/http_cluster_reader.h"
#include "kube/http/http_kube_api.h"

namespace slicelet::kube {
namespace {

using testing::HasSubstr;

class HttpBoundsTest : public testing::Test {
 protected:
  template <typename T, typename Ask>
  absl::StatusOr<T> Await(const Ask& ask) {
    std::optional<absl::StatusOr<T>> got;
    ask([&](absl::StatusOr<T> answer) { got = std::move(answer); });
    if (!RunLoopUntil(loop_, [&] { return got.has_value(); }))
      return absl::DeadlineExceededError("no answer");
    return *std::move(got);
  }
  bool ClosedBy(const EndlessServer& server) {
    return RunLoopUntil(loop_, [&] { return server.closed() == 1; });
  }

  AsioLoop loop_;
  std::unique_ptr<FileSystem> files_ = MakeSystemFileSystem();
};

TEST_F(HttpBoundsTest, AnAnswerWithoutEndIsReadNoFurtherThanItsBound) {
  EndlessServer server(std::size_t{64} << 10);
  KubeConfig config;
  config.server = server.url();
  config.max_answer = std::size_t{1} << 20;
  const auto api = MakeHttpKubeApi(config, loop_, *files_);
  const auto got = Await<Json>([&](auto done) { api->Get({kPods, "default", "a", ""}, done); });
  EXPECT_TRUE(absl::IsResourceExhausted(got.status())) << got.status();
  EXPECT_THAT(Message(got.status()), HasSubstr("larger than 1048576 bytes"));
  EXPECT_TRUE(ClosedBy(server));
  EXPECT_LT(server.sent(), std::size_t{64} << 20);
}

TEST_F(HttpBoundsTest, AListTooHasABound) {
  EndlessServer server(std::size_t{64} << 10);
  KubeConfig config;
  config.server = server.url();
  config.max_answer = std::size_t{1} << 20;
  const auto api = MakeHttpKubeApi(config, loop_, *files_);
  const auto got = Await<ObjectList>([&](auto done) { api->List(kPods, "", {}, done); });
  EXPECT_TRUE(absl::IsResourceExhausted(got.status())) << got.status();
  EXPECT_TRUE(ClosedBy(server));
}

TEST_F(HttpBoundsTest, AnAnswerThatDripsEndsAtTheDeadline) {
  EndlessServer server(1, 10);
  KubeConfig config;
  config.server = server.url();
  config.call_deadline = std::chrono::milliseconds(300);
  LateLoop late(loop_, [&server] { return server.sent() > 0; });
  const auto api = MakeHttpKubeApi(config, late, *files_);
  const auto got = Await<Json>([&](auto done) { api->Get({kPods, "default", "a", ""}, done); });
  EXPECT_TRUE(absl::IsUnavailable(got.status())) << got.status();
  EXPECT_THAT(Message(got.status()), HasSubstr("did not come in time"));
  EXPECT_TRUE(ClosedBy(server));
}

TEST_F(HttpBoundsTest, AClusterThatIsAskedWhoItIsHasABound) {
  EndlessServer server(std::size_t{64} << 10);
  KubeConfig config;
  config.server = server.url();
  config.max_answer = std::size_t{1} << 20;
  const auto reader = MakeHttpClusterReader(config, loop_, *files_);
  const auto facts = Await<ClusterFacts>([&](auto done) { reader->Read(std::nullopt, done); });
  EXPECT_TRUE(absl::IsResourceExhausted(facts.status())) << facts.status();
  EXPECT_TRUE(ClosedBy(server));
}

}  // namespace
}  // namespace slicelet::kube
