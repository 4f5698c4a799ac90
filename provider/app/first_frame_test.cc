#include "provider/app/first_frame.h"

#include <gmock/gmock.h>

#include "common/loop/testing/sim_loop.h"

namespace slicelet::provider {
namespace {

class FirstFramesTest : public testing::Test {
 protected:
  FirstFramesTest() {
    auto [far, near] = MakeLocalFrameStreams(loop_);
    far_ = std::move(far);
    frames_.Await("gw-1", std::move(near),
                  [this](const v1::StreamFrame& frame, std::shared_ptr<FrameStream> stream) {
                    request_ = frame.request_id();
                    stream_ = std::move(stream);
                  });
  }
  std::string ReadEnd() {
    std::string end;
    far_->Read([&](const auto& frame) { end = Describe(frame.status()); });
    loop_.RunReady();
    return end;
  }

  SimLoop loop_;
  FirstFrames frames_{loop_};
  std::unique_ptr<FrameStream> far_;
  std::string request_;
  std::shared_ptr<FrameStream> stream_;
};

TEST_F(FirstFramesTest, HandsOverTheStreamWithItsFirstFrame) {
  v1::StreamFrame frame;
  frame.set_request_id("r-1");
  far_->Write(frame, [](const absl::Status&) {});
  loop_.Advance(FirstFrames::kTimeout * 2);
  EXPECT_EQ(request_, "r-1");
  ASSERT_NE(stream_, nullptr);
}

TEST_F(FirstFramesTest, OneHostDoesNotUseUpWhatIsThereForAll) {
  std::vector<std::unique_ptr<FrameStream>> silent;
  for (std::size_t i = 0; i < FirstFrames::kMaxWaiting; ++i) {
    auto [far, near] = MakeLocalFrameStreams(loop_);
    silent.push_back(std::move(far));
    frames_.Await("gw-stolen", std::move(near), [](const auto&, auto) {});
  }
  std::string end;
  silent.back()->Read([&](const auto& frame) { end = Describe(frame.status()); });
  loop_.RunReady();
  EXPECT_EQ(end, "RESOURCE_EXHAUSTED: too many streams");
  auto [far, near] = MakeLocalFrameStreams(loop_);
  bool heard = false;
  frames_.Await("gw-2", std::move(near), [&](const auto&, auto) { heard = true; });
  far->Write({}, [](const absl::Status&) {});
  loop_.RunReady();
  EXPECT_TRUE(heard);
}

TEST_F(FirstFramesTest, DropsAStreamThatStaysSilent) {
  loop_.Advance(FirstFrames::kTimeout);
  EXPECT_EQ(ReadEnd(), "DEADLINE_EXCEEDED: no first frame came");
  EXPECT_EQ(stream_, nullptr);
}

}  // namespace
}  // namespace slicelet::provider
