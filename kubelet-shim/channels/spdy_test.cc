#include "kubelet-shim/channels/spdy.h"

#include <gmock/gmock.h>

namespace slicelet::shim {
namespace {

using testing::ElementsAre;
using namespace std::string_literals;

std::vector<std::string> Texts(const std::vector<SpdyEvent>& events) {
  std::vector<std::string> all;
  for (const auto& event : events) {
    const char* kind = event.kind == SpdyEvent::Kind::kReply   ? "reply "
                       : event.kind == SpdyEvent::Kind::kReset ? "reset "
                       : event.kind == SpdyEvent::Kind::kPing  ? "ping "
                                                               : "data ";
    all.push_back(kind + std::to_string(event.id) + (event.data.empty() ? "" : " " + event.data));
  }
  return all;
}

// Byte for byte: a streaming server (Go's spdystream) took exactly this.
TEST(SpdyWriter, OpensStreamsWithOneHeader) {
  SpdyWriter writer;
  const auto headers =
      "\x00\x00\x00\x01\x00\x00\x00\x0astreamtype\x00\x00\x00\x05"
      "error"s;
  const auto stored = "\x00\x1b\x00\xe4\xff"s + headers + "\x00\x00\x00\xff\xff"s;
  EXPECT_EQ(writer.Open(1, "streamtype", "error"),
            "\x80\x03\x00\x01\x00\x00\x00\x31\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x78\x01"s + stored);
  // The compressed text goes on without a head of its own.
  EXPECT_EQ(writer.Open(3, "streamtype", "error"),
            "\x80\x03\x00\x01\x00\x00\x00\x2f\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00"s + stored);
}

TEST(SpdyWriter, WritesAndEndsStreams) {
  EXPECT_EQ(SpdyWriter::Data(5, "hi"), "\x00\x00\x00\x05\x00\x00\x00\x02hi"s);
  EXPECT_EQ(SpdyWriter::End(5), "\x00\x00\x00\x05\x01\x00\x00\x00"s);
  EXPECT_EQ(SpdyWriter::Pong(2), "\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x02"s);
}

const auto kSession =
    "\x80\x03\x00\x02\x00\x00\x00\x07\x00\x00\x00\x01zip"s               // a reply with headers
    "\x80\x03\x00\x04\x00\x00\x00\x0c............"s                      // settings
    "\x00\x00\x00\x05\x00\x00\x00\x02hi"s                                // data
    "\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x02"s                  // a ping
    "\x00\x00\x00\x07\x01\x00\x00\x00"s                                  // the end of a stream
    "\x80\x03\x00\x03\x00\x00\x00\x08\x00\x00\x00\x05\x00\x00\x00\x05"s  // a reset
    "\x80\x03\x00\x07\x00\x00\x00\x08........"s;                         // the server goes away

TEST(SpdyReader, ReadsWhatMatters) {
  SpdyReader reader;
  EXPECT_THAT(Texts(*reader.Read(kSession)), ElementsAre("reply 1", "data 5 hi", "ping 2", "reset 5"));
}

TEST(SpdyReader, BytesMayEndAnywhere) {
  SpdyReader reader;
  std::vector<std::string> all;
  for (const char byte : kSession) {
    for (auto& text : Texts(*reader.Read({&byte, 1}))) all.push_back(std::move(text));
  }
  EXPECT_THAT(all, ElementsAre("reply 1", "data 5 h", "data 5 i", "ping 2", "reset 5"));
}

TEST(SpdyReader, RefusesWhatIsNotSpdy) {
  EXPECT_TRUE(absl::IsInvalidArgument(SpdyReader().Read("\x80\x02\x00\x02\x00\x00\x00\x04"s).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(SpdyReader().Read("\x80\x03\x00\x02\x00\x00\x00\x03"s).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(SpdyReader().Read("\x00\x00\x00\x00\x00\x00\x00\x03"s).status()));
}

}  // namespace
}  // namespace slicelet::shim
