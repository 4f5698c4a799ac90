#include <gmock/gmock.h>

#include "common/loop/testing/sim_loop.h"
#include "common/stream/frame_stream.h"

namespace slicelet {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

v1::StreamFrame Data(const std::string& text) {
  v1::StreamFrame frame;
  frame.set_data(text);
  return frame;
}

/// Reads everything from one end and notes how it ended.
struct Reader {
  explicit Reader(FrameStream& stream) : stream(stream) { Next(); }
  void Next() {
    stream.Read([this](absl::StatusOr<std::optional<v1::StreamFrame>> frame) {
      if (!frame.ok()) {
        end = Describe(frame.status());
      } else if (!frame->has_value()) {
        end = "end";
      } else {
        frames.push_back((*frame)->data());
        Next();
      }
    });
  }
  FrameStream& stream;
  std::vector<std::string> frames;
  std::string end;
};

class SpliceTest : public testing::Test {
 protected:
  SimLoop loop_;
};

TEST_F(SpliceTest, CopiesBothWaysUntilOneEndFinishes) {
  auto [shim, provider_a] = MakeLocalFrameStreams(loop_);
  auto [provider_b, host] = MakeLocalFrameStreams(loop_);
  std::string done;
  const auto splice = Splice(std::move(provider_a), std::move(provider_b),
                             [&](const absl::Status& status) { done = Describe(status); });
  Reader at_host(*host);
  Reader at_shim(*shim);
  shim->Write(Data("hello"), [](const absl::Status&) {});
  host->Write(Data("back"), [](const absl::Status&) {});
  loop_.RunReady();
  EXPECT_THAT(at_host.frames, ElementsAre("hello"));
  EXPECT_THAT(at_shim.frames, ElementsAre("back"));
  host->Write(Data("last"), [](const absl::Status&) {});
  host->Finish(absl::OkStatus());
  loop_.RunReady();
  EXPECT_THAT(at_shim.frames, ElementsAre("back", "last"));
  EXPECT_EQ(at_shim.end, "end");
  EXPECT_EQ(done, "OK");
}

TEST_F(SpliceTest, CarriesAnErrorOnward) {
  auto [shim, provider_a] = MakeLocalFrameStreams(loop_);
  auto [provider_b, host] = MakeLocalFrameStreams(loop_);
  std::string done;
  const auto splice = Splice(std::move(provider_a), std::move(provider_b),
                             [&](const absl::Status& status) { done = Describe(status); });
  Reader at_shim(*shim);
  host.reset();
  loop_.RunReady();
  EXPECT_EQ(at_shim.end, "CANCELLED: the peer cancelled the stream");
  EXPECT_EQ(done, at_shim.end);
}

TEST_F(SpliceTest, CarriesAnErrorOnwardWhileTheOtherEndDoesNotRead) {
  auto [shim, provider_a] = MakeLocalFrameStreams(loop_, 1);
  auto [provider_b, host] = MakeLocalFrameStreams(loop_, 1);
  std::string done;
  const auto splice = Splice(std::move(provider_a), std::move(provider_b),
                             [&](const absl::Status& status) { done = Describe(status); });
  for (int i = 0; i < 5; ++i) {
    shim->Write(Data("x"), [](const absl::Status&) {});
    loop_.RunReady();
  }
  EXPECT_EQ(done, "");
  shim.reset();
  loop_.RunReady();
  EXPECT_EQ(done, "CANCELLED: the peer cancelled the stream");
}

TEST_F(SpliceTest, DroppingTheHandleCancelsBothEnds) {
  auto [shim, provider_a] = MakeLocalFrameStreams(loop_);
  auto [provider_b, host] = MakeLocalFrameStreams(loop_);
  auto splice = Splice(std::move(provider_a), std::move(provider_b), [](const absl::Status&) {});
  Reader at_host(*host);
  Reader at_shim(*shim);
  loop_.RunReady();
  splice.reset();
  loop_.RunReady();
  EXPECT_EQ(at_host.end, "CANCELLED: the peer cancelled the stream");
  EXPECT_EQ(at_shim.end, "CANCELLED: the peer cancelled the stream");
}

TEST_F(SpliceTest, AReaderThatStopsStopsTheWriter) {
  auto [a, b] = MakeLocalFrameStreams(loop_, 2);
  int written = 0;
  std::function<void()> write = [&, a = a.get()] {
    a->Write(Data("x"), [&](const absl::Status& status) {
      if (!status.ok()) return;
      ++written;
      write();
    });
  };
  write();
  loop_.RunReady();
  EXPECT_EQ(written, 2);
  b->Read([](const auto&) {});
  loop_.RunReady();
  EXPECT_EQ(written, 3);
}

TEST_F(SpliceTest, WritingAfterTheEndFails) {
  auto [a, b] = MakeLocalFrameStreams(loop_);
  b->Finish(absl::OkStatus());
  std::string result;
  a->Write(Data("x"), [&](const absl::Status& status) { result = Describe(status); });
  loop_.RunReady();
  EXPECT_EQ(result, "CANCELLED: the stream has ended");
}

}  // namespace
}  // namespace slicelet
