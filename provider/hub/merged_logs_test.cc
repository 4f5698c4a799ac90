#include "provider/hub/merged_logs.h"

#include <gmock/gmock.h>

#include "common/loop/testing/sim_loop.h"

namespace slicelet::provider {
namespace {

using testing::HasSubstr;

/// Two hosts, and somebody who reads.
class MergedLogsTest : public testing::Test {
 protected:
  MergedLogsTest() {
    auto [reader, client] = MakeLocalFrameStreams(loop_, 1);
    reader_ = std::move(reader);
    std::vector<HostLog> logs;
    for (const char* name : {"gw-1", "gw-2"}) {
      auto [host, hub] = MakeLocalFrameStreams(loop_, 1);
      hosts_[name] = std::move(host);
      logs.emplace_back(HostId(name), std::move(hub));
    }
    merged_ = MergeLogs(std::move(client), std::move(logs), {"gw-3 | slicelet: not connected"},
                        [this] { done_ = true; });
  }

  void Answer(const std::string& host, int code = 0, const std::string& message = "") {
    v1::StreamFrame frame;
    frame.mutable_reply()->set_code(code);
    frame.mutable_reply()->set_message(message);
    Write(host, frame);
  }
  void Line(const std::string& host, const std::string& bytes) {
    v1::StreamFrame frame;
    frame.set_data(bytes);
    Write(host, frame);
  }
  void Write(const std::string& host, const v1::StreamFrame& frame) {
    hosts_[host]->Write(frame, [this](const absl::Status& status) { written_ += status.ok() ? 1 : 0; });
    loop_.RunReady();
  }
  void End(const std::string& host, const absl::Status& status = absl::OkStatus()) {
    hosts_[host]->Finish(status);
    loop_.RunReady();
  }
  /// Everything since the last call, or the answer's error.
  std::string Read() {
    if (!std::exchange(reading_, true)) Pump();
    loop_.RunReady();
    return std::exchange(text_, {});
  }
  void Pump() {
    reader_->Read([this](const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
      over_ = !frame.ok() || !*frame;
      if (over_) return;
      text_ += (*frame)->data();
      if ((*frame)->has_reply() && (*frame)->reply().code() != 0)
        text_ += "refused: " + (*frame)->reply().message();
      Pump();
    });
  }

  SimLoop loop_;
  std::unique_ptr<FrameStream> reader_;
  std::map<std::string, std::unique_ptr<FrameStream>> hosts_;
  std::shared_ptr<void> merged_;
  int written_ = 0;
  bool done_ = false;
  bool over_ = false;
  bool reading_ = false;
  std::string text_;
};

TEST_F(MergedLogsTest, EveryLineSaysItsHostAndComesWhole) {
  Answer("gw-1");
  Line("gw-1", "one\ntw");
  Answer("gw-2");
  Line("gw-2", "other\n");
  Line("gw-1", "o\n\nrest");
  EXPECT_EQ(Read(), "gw-3 | slicelet: not connected\ngw-1 | one\ngw-2 | other\ngw-1 | two\ngw-1 | \n");
  End("gw-1");
  EXPECT_EQ(Read(), "gw-1 | rest\n");
  EXPECT_FALSE(done_);
  End("gw-2");
  EXPECT_EQ(Read(), "");
  EXPECT_TRUE(over_);
  EXPECT_TRUE(done_);
}

TEST_F(MergedLogsTest, AHostThatFailsSaysSoAndTheOthersGoOn) {
  Answer("gw-1", 5, "no container \"main\"");
  EXPECT_EQ(Read(), "") << "another one may have more to say";
  Answer("gw-2");
  Line("gw-2", "here\n");
  EXPECT_THAT(Read(), HasSubstr("gw-1 | slicelet: no more logs of this host: no container \"main\"\n"));
  End("gw-2", absl::UnavailableError("the host went away"));
  EXPECT_THAT(Read(), HasSubstr("gw-2 | slicelet: no more logs of this host: the host went away\n"));
  EXPECT_TRUE(done_);
}

TEST_F(MergedLogsTest, WhereAllFailTheFirstErrorIsTheAnswer) {
  Answer("gw-2", 5, "no container \"main\"");
  Answer("gw-1", 5, "no container \"main\"");
  EXPECT_EQ(Read(), "refused: host gw-1: no container \"main\"");
  EXPECT_TRUE(done_);
}

TEST_F(MergedLogsTest, ALongLineIsCut) {
  Answer("gw-1");
  for (int i = 0; i < 3; ++i) {
    Line("gw-1", std::string(10'000, 'x'));
    (void)Read();
  }
  End("gw-1");
  EXPECT_EQ(Read(), "gw-1 | " + std::string(30'000 - kMaxLogLine, 'x') + "\n");
}

TEST_F(MergedLogsTest, WhoDoesNotReadHoldsUpTheHosts) {
  Answer("gw-1");
  for (int i = 0; i < 100; ++i) Line("gw-1", "line\n");
  EXPECT_LT(written_, 20);
}

TEST_F(MergedLogsTest, ItEndsWithItsReader) {
  Answer("gw-1");
  reader_.reset();
  loop_.RunReady();
  EXPECT_TRUE(done_);
  Line("gw-1", "for nobody\n");
  Line("gw-1", "for nobody\n");
}

}  // namespace
}  // namespace slicelet::provider
