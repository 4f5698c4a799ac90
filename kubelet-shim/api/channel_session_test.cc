#include <gmock/gmock.h>

#include "kubelet-shim/api/testing/kubelet_api_test_base.h"
#include "kubelet-shim/channels/testing/client_frames.h"

namespace slicelet::shim {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;
using namespace std::string_literals;

constexpr char kUpgraded[] = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
/// Of the streams error, stdin and stdout.
const std::string kReplies =
    "\x80\x03\x00\x02\x00\x00\x00\x04\x00\x00\x00\x01"s
    "\x80\x03\x00\x02\x00\x00\x00\x04\x00\x00\x00\x03"s
    "\x80\x03\x00\x02\x00\x00\x00\x04\x00\x00\x00\x05"s;
constexpr std::uint32_t kEnd = 1, kIn = 3, kOut = 5;

/// `exec -i` of a client that offers v5.channel.k8s.io and v4.channel.k8s.io.
class ChannelSessionTest : public KubeletApiTest {
 protected:
  std::shared_ptr<Wire> Ask(const std::string& verb = "exec") {
    auto wire = Request("GET", "/" + verb + "/default/web/main?command=cat&input=1&output=1", true);
    wire->request.headers = {{"connection", "keep-alive, Upgrade"},
                             {"upgrade", "WebSocket"},
                             {"sec-websocket-version", "13"},
                             {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="},
                             {"sec-websocket-protocol", "v5.channel.k8s.io, v4.channel.k8s.io"}};
    return wire;
  }
  /// Up to where the runtime has taken the streams.
  std::shared_ptr<Wire> Open() {
    auto wire = Ask();
    Send(wire);
    Next();
    Reply(absl::StatusCode::kOk);
    SendData(kUpgraded);
    Next();
    SendData(kReplies);
    return wire;
  }
  /// What the runtime gets next.
  std::string NextData() {
    const auto data = std::make_shared<std::string>("nothing");
    provider_->Read([data](const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
      *data = frame.ok() && *frame ? (*frame)->data() : "the end: " + Describe(frame.status());
    });
    loop_.RunReady();
    return *data;
  }
  void End() {
    provider_->Finish(absl::OkStatus());
    loop_.RunReady();
  }
};

TEST_F(ChannelSessionTest, AsksTheRuntimeForSpdyInItsPlace) {
  for (const char* verb : {"exec", "attach"}) {
    Send(Ask(verb));
    EXPECT_THAT(Next(),
                HasSubstr("{ method: \"POST\" headers { name: \"connection\" value: \"Upgrade\" } headers { "
                          "name: \"upgrade\" value: \"SPDY/3.1\" } headers { name: "
                          "\"x-stream-protocol-version\" value: \"v4.channel.k8s.io\" }"))
        << verb;
  }
}

TEST_F(ChannelSessionTest, CarriesInputItsEndOutputAndTheCommandsEnd) {
  const auto wire = Open();
  EXPECT_THAT(wire->output, StartsWith("HTTP/1.1 101 "));
  Say(wire, ClientMessage(0, "a\nb\n") + ClientFrame(0x82, "\xff\x00"s));
  EXPECT_EQ(NextData(), SpdyWriter::Data(kIn, "a\nb\n") + SpdyWriter::End(kIn));
  SendData(SpdyWriter::Data(kOut, "2\n"));
  SendData(SpdyWriter::Data(kEnd, R"({"status":"Success"})"));
  End();
  EXPECT_THAT(wire->output,
              EndsWith(WebSocketFrame(WebSocketOpcode::kBinary, "\x01"s + "2\n") +
                       WebSocketFrame(WebSocketOpcode::kBinary, "\x03"s + R"({"status":"Success"})") +
                       WebSocketClose()));
  EXPECT_TRUE(wire->raw_closed);
  EXPECT_EQ(api_.streams(), 0U);
}

TEST_F(ChannelSessionTest, InputWaitsForTheRuntimeToTakeItsStreams) {
  const auto wire = Ask();
  wire->input.push_back(ClientMessage(0, "early") + ClientFrame(0x82, "\xff\x00"s));
  Send(wire);
  Next();
  Reply(absl::StatusCode::kOk);
  EXPECT_FALSE(wire->hijacked);
  SendData(kUpgraded);
  EXPECT_TRUE(wire->hijacked);
  EXPECT_THAT(NextData(), HasSubstr("stdin"));
  EXPECT_EQ(wire->input.size(), 1U) << "it would be dropped";
  SendData(kReplies);
  EXPECT_EQ(NextData(), SpdyWriter::Data(kIn, "early") + SpdyWriter::End(kIn));
}

TEST_F(ChannelSessionTest, TheRuntimesAnswerCanBeKnownBeforeTheEndOfTheFirstWrite) {
  writes_.hold = true;
  const auto wire = Ask();
  Send(wire);
  Next();
  Reply(absl::StatusCode::kOk);
  SendData(kUpgraded);
  EXPECT_EQ(NextData(), "nothing");
  writes_.hold = false;
  writes_.held();
  loop_.RunReady();
  SendData(kReplies);
  EXPECT_THAT(wire->output, StartsWith("HTTP/1.1 101 "));
}

TEST_F(ChannelSessionTest, FramesToTheHostAreNotTooLarge) {
  const auto wire = Open();
  Say(wire, ClientMessage(0, std::string(40'000, 'x')));
  EXPECT_EQ(NextData().size(), 32'768U);
  EXPECT_EQ(NextData().size(), 40'000U + 8 - 32'768);
}

TEST_F(ChannelSessionTest, ARuntimeThatGoesWithoutAWordIsNotAnEnd) {
  const auto wire = Open();
  SendData(SpdyWriter::Data(kOut, "half"));
  End();
  EXPECT_THAT(wire->output, EndsWith("half"));
  EXPECT_TRUE(wire->raw_closed);
  EXPECT_EQ(api_.streams(), 0U);
}

TEST_F(ChannelSessionTest, ARuntimeThatDoesNotUpgradeIsAnError) {
  const auto refused = Ask();
  Send(refused);
  Next();
  Reply(absl::StatusCode::kOk);
  SendData("HTTP/1.1 404 Not Found\r\n\r\n");
  EXPECT_EQ(refused->status, 500);
  EXPECT_THAT(refused->body, HasSubstr("HTTP/1.1 404 Not Found"));

  const auto silent = Ask();
  Send(silent);
  Next();
  Reply(absl::StatusCode::kOk);
  End();
  EXPECT_EQ(silent->status, 500);
  EXPECT_EQ(api_.streams(), 0U);
}

TEST_F(ChannelSessionTest, AClientThatGoesEndsTheStream) {
  Say(Open(), "");
  EXPECT_EQ(Next(), "CANCELLED: the client closed the connection");
  EXPECT_EQ(api_.streams(), 0U);

  const auto polite = Open();
  Say(polite, ClientFrame(0x88, "\x03\xe8"));
  EXPECT_THAT(polite->output, EndsWith(WebSocketClose()));
  EXPECT_EQ(Next(), "CANCELLED: the client closed the connection");
  EXPECT_EQ(api_.streams(), 0U);
}

TEST_F(ChannelSessionTest, AClientThatGoesWhileTheHostTakesNothingEndsTheStream) {
  window_ = 1;
  for (const absl::StatusOr<std::string>& last :
       std::vector<absl::StatusOr<std::string>>{"", absl::UnavailableError("reset")}) {
    const auto wire = Open();
    Say(wire, ClientMessage(0, "taken"));
    Say(wire, ClientMessage(0, "not taken"));
    EXPECT_EQ(api_.streams(), 1U);
    Say(wire, last);
    EXPECT_EQ(api_.streams(), 0U);
  }
}

TEST_F(ChannelSessionTest, InputThatTheHostDoesNotTakeStopsTheClient) {
  window_ = 1;
  const auto wire = Open();
  for (int i = 0; i < 9; ++i) wire->input.emplace_back(ClientMessage(0, "x"));
  Say(wire, ClientMessage(0, "x"));
  // One is taken, one is being written and one is held.
  EXPECT_EQ(wire->input.size(), 7U);
}

TEST_F(ChannelSessionTest, AClientThatBreaksTheProtocolIsCutOff) {
  const auto wire = Open();
  Say(wire, "\x82\x01x???");
  EXPECT_TRUE(wire->raw_closed);
  EXPECT_THAT(Next(), HasSubstr("not masked"));
  EXPECT_EQ(api_.streams(), 0U);
}

TEST_F(ChannelSessionTest, PingsOfARuntimeThatDoesNotReadAreBounded) {
  const auto wire = Open();
  std::string pings;
  while (pings.size() < 24'000) pings += SpdyWriter::Pong(2);
  for (std::size_t sent = 0; sent < 2 * ChannelSession::kMaxWaiting && api_.streams() > 0;
       sent += pings.size()) {
    SendData(pings);
  }
  EXPECT_EQ(api_.streams(), 0U);
}

TEST_F(ChannelSessionTest, AHandshakeNeedsAKeyAndTheVersion) {
  const auto wire = Ask();
  wire->request.headers.erase(wire->request.headers.begin() + 3);
  Send(wire);
  EXPECT_EQ(wire->status, 400);
  EXPECT_THAT(wire->body, HasSubstr("Sec-WebSocket-Key"));
  EXPECT_EQ(provider_, nullptr);
}

TEST_F(ChannelSessionTest, OlderSubprotocolsArePassedOnAsTheyAre) {
  const auto wire = Ask();
  wire->request.headers.back().second = "v4.channel.k8s.io";
  Send(wire);
  EXPECT_THAT(Next(), HasSubstr("{ method: \"GET\" headers { name: \"connection\""));
  Reply(absl::StatusCode::kOk);
  SendData("anything");
  EXPECT_EQ(wire->output, "anything");
}

}  // namespace
}  // namespace slicelet::shim
