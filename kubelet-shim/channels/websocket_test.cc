#include "kubelet-shim/channels/websocket.h"

#include <gmock/gmock.h>

#include "kubelet-shim/channels/testing/client_frames.h"

namespace slicelet::shim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Pieces as text; a message's first piece has a bar before it.
std::vector<std::string> Pieces(const std::vector<WebSocketPiece>& pieces) {
  std::vector<std::string> all;
  for (const auto& piece : pieces) {
    const char* kind = piece.kind == WebSocketPiece::Kind::kPing    ? "ping "
                       : piece.kind == WebSocketPiece::Kind::kClose ? "close "
                       : piece.begins                               ? "|"
                                                                    : "";
    all.push_back(kind + piece.data);
  }
  return all;
}

TEST(WebSocket, AnswersTheExampleOfTheStandard) {
  EXPECT_EQ(WebSocketAnswer("dGhlIHNhbXBsZSBub25jZQ==", "chat"),
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n");
}

TEST(WebSocket, FramesSayTheirLengthAsShortAsTheyCan) {
  EXPECT_EQ(WebSocketFrame(WebSocketOpcode::kBinary, "hi"), "\x82\x02hi");
  EXPECT_EQ(WebSocketFrame(WebSocketOpcode::kBinary, std::string(126, 'x')).substr(0, 4),
            std::string("\x82\x7e\x00\x7e", 4));
  EXPECT_EQ(WebSocketFrame(WebSocketOpcode::kBinary, std::string(65'536, 'x')).substr(0, 10),
            std::string("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10));
  EXPECT_EQ(WebSocketClose(), "\x88\x02\x03\xe8");
}

TEST(WebSocketReader, ReadsWhatAClientMasked) {
  WebSocketReader reader;
  // RFC 6455, 5.7: a masked "Hello".
  const std::string hello("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
  EXPECT_THAT(Pieces(*reader.Read(hello)), ElementsAre("|Hello"));
  EXPECT_THAT(Pieces(*reader.Read(ClientFrame(0x82, std::string(70'000, 'x')))),
              ElementsAre("|" + std::string(70'000, 'x')));
}

TEST(WebSocketReader, BytesMayEndAnywhere) {
  WebSocketReader reader;
  std::string all;
  for (const char byte : ClientFrame(0x82, std::string(300, 'a')) + ClientFrame(0x82, "bc")) {
    for (const auto& piece : Pieces(*reader.Read({&byte, 1}))) all += piece;
  }
  EXPECT_EQ(all, "|" + std::string(300, 'a') + "|bc");
}

TEST(WebSocketReader, AMessageMayComeInFramesWithAPingBetween) {
  WebSocketReader reader;
  const auto pieces =
      reader.Read(ClientFrame(0x02, "one ") + ClientFrame(0x89, "there?") + ClientFrame(0x8a, "") +
                  ClientFrame(0x00, "two ") + ClientFrame(0x80, "three") + ClientFrame(0x82, "") +
                  ClientFrame(0x88, "\x03\xe8"));
  ASSERT_TRUE(pieces.ok()) << pieces.status();
  EXPECT_THAT(Pieces(*pieces), ElementsAre("|one ", "ping there?", "two ", "three", "|", "close \x03\xe8"));
}

class BrokenWebSocket : public testing::TestWithParam<std::pair<std::string, const char*>> {};
TEST_P(BrokenWebSocket, IsRefused) {
  WebSocketReader reader;
  const auto status = reader.Read(GetParam().first).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(Message(status), HasSubstr(GetParam().second));
}
INSTANTIATE_TEST_SUITE_P(
    All, BrokenWebSocket,
    testing::Values(std::pair(std::string("\x82\x02hi????", 8), "not masked"),
                    std::pair(ClientFrame(0xc2, "x"), "extension"),
                    std::pair(ClientFrame(0x83, "x"), "no known kind"),
                    std::pair(ClientFrame(0x80, "x"), "no message to continue"),
                    std::pair(ClientFrame(0x02, "x") + ClientFrame(0x82, "y"), "within another"),
                    std::pair(ClientFrame(0x09, "x"), "control frame"),
                    std::pair(ClientFrame(0x89, std::string(126, 'x')), "control frame")));

}  // namespace
}  // namespace slicelet::shim
