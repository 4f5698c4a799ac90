#include "kubelet-shim/channels/channel_translator.h"

#include <gmock/gmock.h>

#include "kubelet-shim/channels/testing/client_frames.h"

namespace slicelet::shim {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;
using namespace std::string_literals;

constexpr char kUpgraded[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\n";
constexpr char kKey[] = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr ChannelTranslator::Streams kAll{.in = true, .out = true, .err = true, .tty = false};

/// The streams that ChannelTranslator opens for `kAll`.
constexpr std::uint32_t kEnd = 1, kIn = 3, kOut = 5, kErr = 7;

std::string Reply(std::uint32_t stream) {
  return "\x80\x03\x00\x02\x00\x00\x00\x04\x00\x00\x00"s + static_cast<char>(stream);
}

std::string Message(char channel, const std::string& data) {
  return WebSocketFrame(WebSocketOpcode::kBinary, std::string(1, channel) + data);
}

/// One that is open.
ChannelTranslator Opened() {
  ChannelTranslator translator(kAll, kKey);
  EXPECT_TRUE(translator.FromRuntime(kUpgraded).ok());
  EXPECT_TRUE(translator.FromRuntime(Reply(kEnd) + Reply(kIn) + Reply(kOut) + Reply(kErr)).ok());
  EXPECT_TRUE(translator.opened());
  return translator;
}

TEST(ChannelTranslator, AnswersTheClientOnceTheRuntimeHasUpgraded) {
  ChannelTranslator translator(kAll, kKey);
  const auto early = translator.FromRuntime("HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r");
  ASSERT_TRUE(early.ok());
  EXPECT_EQ(early->to_client + early->to_runtime, "");
  EXPECT_FALSE(translator.upgraded());

  // The first reply comes with the rest of the head.
  const auto begun = translator.FromRuntime("\n" + Reply(kEnd));
  ASSERT_TRUE(begun.ok());
  EXPECT_TRUE(translator.upgraded());
  EXPECT_THAT(begun->to_client, StartsWith("HTTP/1.1 101 "));
  EXPECT_THAT(begun->to_client, HasSubstr("Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"));
  EXPECT_THAT(begun->to_client, EndsWith("\r\n\r\n" + Message(1, "")));
  SpdyWriter writer;
  EXPECT_EQ(begun->to_runtime,
            writer.Open(kEnd, "streamtype", "error") + writer.Open(kIn, "streamtype", "stdin") +
                writer.Open(kOut, "streamtype", "stdout") + writer.Open(kErr, "streamtype", "stderr"));
}

TEST(ChannelTranslator, IsOpenOnceTheRuntimeHasTakenEveryStream) {
  ChannelTranslator translator(kAll, kKey);
  ASSERT_TRUE(translator.FromRuntime(kUpgraded + Reply(kEnd) + Reply(kIn) + Reply(kOut)).ok());
  EXPECT_FALSE(translator.opened());
  ASSERT_TRUE(translator.FromRuntime(Reply(kOut)).ok());
  EXPECT_FALSE(translator.opened()) << "it replied twice to one";
  ASSERT_TRUE(translator.FromRuntime(Reply(kErr)).ok());
  EXPECT_TRUE(translator.opened());
}

TEST(ChannelTranslator, OpensWhatWasAskedFor) {
  ChannelTranslator terminal({.in = false, .out = false, .err = false, .tty = true}, kKey);
  const auto begun = terminal.FromRuntime(kUpgraded);
  ASSERT_TRUE(begun.ok());
  SpdyWriter writer;
  EXPECT_EQ(begun->to_runtime,
            writer.Open(1, "streamtype", "error") + writer.Open(3, "streamtype", "resize"));
  EXPECT_THAT(begun->to_client, EndsWith(Message(3, "")));
  ASSERT_TRUE(terminal.FromRuntime(Reply(1) + Reply(3)).ok());
  const auto sized =
      terminal.FromClient(ClientMessage(4, "{\"Width\":80}") + ClientMessage(0, "nobody reads"));
  ASSERT_TRUE(sized.ok());
  EXPECT_EQ(sized->to_runtime, SpdyWriter::Data(3, "{\"Width\":80}"));
}

TEST(ChannelTranslator, InputEndsOnce) {
  auto translator = Opened();
  const std::string close("\xff\x00", 2);
  const auto said = translator.FromClient(ClientMessage(0, "a\nb\n") + ClientFrame(0x82, close) +
                                          ClientFrame(0x82, close) + ClientMessage(0, "too late"));
  ASSERT_TRUE(said.ok()) << said.status();
  EXPECT_EQ(said->to_runtime, SpdyWriter::Data(kIn, "a\nb\n") + SpdyWriter::End(kIn));
  EXPECT_EQ(said->to_client, "");
}

TEST(ChannelTranslator, AMessageInFramesIsOnOneChannel) {
  auto translator = Opened();
  const auto said =
      translator.FromClient(ClientFrame(0x02, "") + ClientFrame(0x00, "\0one "s) + ClientFrame(0x80, "two"));
  ASSERT_TRUE(said.ok());
  EXPECT_EQ(said->to_runtime, SpdyWriter::Data(kIn, "one ") + SpdyWriter::Data(kIn, "two"));
}

TEST(ChannelTranslator, InputThatTheRuntimeHasResetIsDropped) {
  auto translator = Opened();
  ASSERT_TRUE(
      translator.FromRuntime("\x80\x03\x00\x03\x00\x00\x00\x08\x00\x00\x00\x03\x00\x00\x00\x05"s).ok());
  const auto said = translator.FromClient(ClientMessage(0, "x") + ClientMessage(0xff, "\0"s));
  ASSERT_TRUE(said.ok());
  EXPECT_EQ(said->to_runtime, "");
}

TEST(ChannelTranslator, OutputComesOnItsChannelAndTheEndOnItsOwn) {
  auto translator = Opened();
  const auto said = translator.FromRuntime(SpdyWriter::Data(kOut, "out") + SpdyWriter::Data(kErr, "err") +
                                           SpdyWriter::Data(kIn, "no such thing") + SpdyWriter::End(kOut));
  ASSERT_TRUE(said.ok());
  EXPECT_EQ(said->to_client, Message(1, "out") + Message(2, "err"));
  EXPECT_FALSE(translator.ended());
  const auto ended = translator.FromRuntime(SpdyWriter::Data(kEnd, "{}"));
  ASSERT_TRUE(ended.ok());
  EXPECT_EQ(ended->to_client, Message(3, "{}"));
  EXPECT_TRUE(translator.ended());
}

TEST(ChannelTranslator, PingsAreAnsweredOnTheirOwnSide) {
  auto translator = Opened();
  const auto client = translator.FromClient(ClientFrame(0x89, "there?"));
  ASSERT_TRUE(client.ok());
  EXPECT_EQ(client->to_client, WebSocketFrame(WebSocketOpcode::kPong, "there?"));
  EXPECT_EQ(client->to_runtime, "");
  const auto runtime = translator.FromRuntime(SpdyWriter::Pong(2));
  ASSERT_TRUE(runtime.ok());
  EXPECT_EQ(runtime->to_runtime, SpdyWriter::Pong(2));
  EXPECT_EQ(runtime->to_client, "");
}

TEST(ChannelTranslator, AGoodbyeIsAnswered) {
  auto translator = Opened();
  const auto said = translator.FromClient(ClientFrame(0x88, "\x03\xe8") + ClientMessage(0, "x"));
  ASSERT_TRUE(said.ok());
  EXPECT_TRUE(said->closed);
  EXPECT_EQ(said->to_client, WebSocketClose());
  EXPECT_EQ(said->to_runtime, "");
}

TEST(ChannelTranslator, SaysWhatTheRuntimeAnsweredInPlaceOfAnUpgrade) {
  ChannelTranslator translator(kAll, kKey);
  const auto refused = translator.FromRuntime("HTTP/1.1 404 Not Found\r\n\r\ntoken\n").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(slicelet::Message(refused), EndsWith("HTTP/1.1 404 Not Found"));
  EXPECT_FALSE(translator.upgraded());
  EXPECT_FALSE(ChannelTranslator(kAll, kKey)
                   .FromRuntime(std::string(ChannelTranslator::kMaxAnswerHead + 1, 'x'))
                   .ok());
}

TEST(ChannelTranslator, RefusesToCloseWhatThereIsNot) {
  EXPECT_FALSE(Opened().FromClient(ClientMessage(0xff, "\x09")).ok());
  EXPECT_FALSE(Opened().FromClient(ClientMessage(0xff, "\0\0"s)).ok());
  EXPECT_TRUE(Opened().FromClient(ClientMessage(0xff, "\x01")).ok())
      << "its reader may say that it reads no more";
}

}  // namespace
}  // namespace slicelet::shim
