#include "common/mqtt/envelope.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "common/crypto/sealing.h"

namespace slicelet {
namespace {

constexpr std::int64_t kNow = 1'767'225'600'000'000'000;
constexpr std::uint64_t kSession = 7;

/// One route with a receiving end, and whatever senders a test invents.
class EnvelopeTest : public testing::Test {
 protected:
  EnvelopeTest() { reader_.BeginSession(kSession); }

  EnvelopeReader MakeReader(const EnvelopeRoute& route) {
    return EnvelopeReader({.route = route,
                           .verify =
                               [this](const v1::Envelope& envelope) {
                                 return envelope.key_id() == signer_->key_id() &&
                                                VerifySignature(signer_->public_key(),
                                                                SignaturePurpose::kEnvelope, envelope.body(),
                                                                envelope.signature())
                                            ? absl::OkStatus()
                                            : absl::PermissionDeniedError("bad signature");
                               },
                           .hub_now = [this] { return now_; },
                           .opener = opener_.get()},
                          faults_);
  }
  static std::vector<std::string> Write(EnvelopeWriter& writer, const std::string& message,
                                        EnvelopeWriter::Options options = {},
                                        v1::Channel channel = v1::CHANNEL_DOWN) {
    return writer.Write(channel, message, options).value();
  }
  /// The message, "" when it is not accepted or not complete.
  std::string Read(const std::string& wire, v1::Channel channel = v1::CHANNEL_DOWN) {
    const auto read = reader_.Read(channel, wire);
    return read.ok() && *read ? (*read)->bytes : "";
  }

  const EnvelopeRoute route_{"hub-1", HostId("gw-1")};
  std::unique_ptr<Signer> signer_ = MakeSigner(GenerateSigningKeyPem()).value();
  std::unique_ptr<Signer> stranger_ = MakeSigner(GenerateSigningKeyPem()).value();
  std::unique_ptr<Opener> opener_ = MakeOpener(GenerateSealingKeyPem()).value();
  std::optional<std::int64_t> now_ = kNow;
  EnvelopeFaults faults_;
  EnvelopeReader reader_ = MakeReader(route_);
  EnvelopeWriter writer_{route_, *signer_, kSession};
};

TEST_F(EnvelopeTest, AMessageIsAcceptedOnce) {
  const std::string wire = Write(writer_, "hello").front();
  EXPECT_EQ(Read(wire), "hello");
  EXPECT_EQ(Read(wire), "");
  EXPECT_EQ(faults_.Of(EnvelopeFault::kReplayed), 1U);
  EXPECT_EQ(faults_.Total(), 1U);
}

TEST_F(EnvelopeTest, OrderDoesNotMatterWithinTheWindow) {
  std::vector<std::string> wires;
  for (std::size_t i = 0; i < SequenceWindow::kSize + 1; ++i)
    wires.push_back(Write(writer_, std::to_string(i)).front());
  EXPECT_EQ(Read(wires.back()), std::to_string(wires.size() - 1));
  // The first is 1,024 behind; the second is the oldest that counts.
  EXPECT_EQ(Read(wires[0]), "");
  EXPECT_EQ(Read(wires[1]), "1");
  EXPECT_EQ(Read(wires[1]), "");
  EXPECT_EQ(faults_.Of(EnvelopeFault::kReplayed), 2U);
}

TEST_F(EnvelopeTest, WhatIsSealedOnlyTheReceiverReads) {
  const auto other = MakeOpener(GenerateSealingKeyPem()).value();
  const auto wires = Write(writer_, "log line with a password", {.seal_for = opener_->public_key()});
  EXPECT_EQ(wires.front().find("password"), std::string::npos);
  EXPECT_EQ(Read(wires.front()), "log line with a password");
  EXPECT_EQ(Read(Write(writer_, "x", {.seal_for = other->public_key()}).front()), "");
  EXPECT_EQ(faults_.Of(EnvelopeFault::kNotForUs), 1U);
}

TEST_F(EnvelopeTest, LargeMessagesTravelInPartsInAnyOrder) {
  const std::string large(1'000'000, 'x');
  auto wires = Write(writer_, large, {.seal_for = opener_->public_key()});
  ASSERT_GT(wires.size(), 10U);
  for (const auto& wire : wires) EXPECT_LE(wire.size(), kMaxEnvelopeBytes);
  std::reverse(wires.begin(), wires.end());
  std::string joined;
  for (const auto& wire : wires) {
    EXPECT_EQ(joined, "");
    joined = Read(wire);
  }
  EXPECT_EQ(joined, large);
  EXPECT_FALSE(
      writer_.Write(v1::CHANNEL_DOWN, std::string(PartJoiner::kMaxParts * kMaxSliceBytes + 1, 'x'), {}).ok());
}

TEST_F(EnvelopeTest, ASetThatLostAPartGivesWay) {
  const std::string large(kMaxSliceBytes + 1, 'x');
  for (std::size_t i = 0; i < PartJoiner::kMaxSets; ++i) EXPECT_EQ(Read(Write(writer_, large).front()), "");
  const auto wires = Write(writer_, large);
  EXPECT_EQ(Read(wires[0]), "");
  EXPECT_EQ(Read(wires[1]), large);
}

TEST_F(EnvelopeTest, ANewSessionForgetsTheOldOne) {
  const auto halves = Write(writer_, std::string(kMaxSliceBytes + 1, 'x'));
  EXPECT_EQ(Read(halves[0]), "");
  reader_.BeginSession(kSession + 1);
  EXPECT_EQ(Read(halves[1]), "");
  EXPECT_EQ(faults_.Of(EnvelopeFault::kOldSession), 1U);
  EnvelopeWriter next(route_, *signer_, kSession + 1);
  EXPECT_EQ(Read(Write(next, "hello").front()), "hello");
}

TEST_F(EnvelopeTest, ABirthBeginsANewerSessionOnly) {
  EnvelopeWriter old(route_, *signer_, kSession - 1);
  EXPECT_EQ(Read(Write(old, "birth", {}, v1::CHANNEL_BIRTH).front(), v1::CHANNEL_BIRTH), "");
  EXPECT_EQ(faults_.Of(EnvelopeFault::kOldSession), 1U);

  EnvelopeWriter next(route_, *signer_, kSession + 5);
  const std::string early = Write(next, "status", {}, v1::CHANNEL_UP).front();
  EXPECT_EQ(Read(early, v1::CHANNEL_UP), "");
  EXPECT_EQ(faults_.Of(EnvelopeFault::kUnborn), 1U);
  EXPECT_EQ(reader_.unborn_session(), kSession + 5);
  const std::string birth = Write(next, "birth", {}, v1::CHANNEL_BIRTH).front();
  EXPECT_EQ(Read(birth, v1::CHANNEL_BIRTH), "birth");
  EXPECT_EQ(Read(early, v1::CHANNEL_UP), "status");
  // Kept by the broker and sent again: says nothing about being alive.
  EXPECT_EQ(Read(birth, v1::CHANNEL_BIRTH), "");
  EXPECT_EQ(reader_.session(), kSession + 5);
}

TEST_F(EnvelopeTest, ExpiryIsJudgedInHubTimeAndNotBeforeItIsKnown) {
  const std::string wire = Write(writer_, "command", {.expires = kNow + 1'000}).front();
  now_.reset();
  EXPECT_EQ(Read(wire), "");
  now_ = kNow + 1'001;
  EXPECT_EQ(Read(wire), "");
  EXPECT_EQ(faults_.Of(EnvelopeFault::kExpired), 2U);
  now_ = kNow + 1'000;
  EXPECT_EQ(Read(wire), "command");
}

TEST_F(EnvelopeTest, WhatIsOrderedByItsGenerationMayComeAgain) {
  const std::string wire = Write(writer_, "desired", {}, v1::CHANNEL_DESIRED).front();
  EXPECT_EQ(Read(wire, v1::CHANNEL_DESIRED), "desired");
  reader_.BeginSession(kSession + 1);
  EXPECT_EQ(Read(wire, v1::CHANNEL_DESIRED), "desired");
}

// ---- What somebody with the broker's full rights can try ----

class AttackTest : public EnvelopeTest {
 protected:
  struct Case {
    const char* name;
    EnvelopeFault fault;
    std::string wire;
    v1::Channel channel = v1::CHANNEL_DOWN;
  };

  std::string Good() { return Write(writer_, "run this").front(); }
  std::string One(EnvelopeWriter&& writer, EnvelopeWriter::Options options = {},
                  v1::Channel channel = v1::CHANNEL_DOWN) {
    return Write(writer, "run this", std::move(options), channel).front();
  }
  /// The envelope with its body or its frame changed, signed as it was.
  std::string Change(const std::function<void(v1::Envelope&, v1::EnvelopeBody&)>& change) {
    v1::Envelope envelope;
    v1::EnvelopeBody body;
    EXPECT_TRUE(envelope.ParseFromString(Good()));
    EXPECT_TRUE(body.ParseFromString(envelope.body()));
    change(envelope, body);
    envelope.set_body(body.SerializeAsString());
    return envelope.SerializeAsString();
  }
  /// Signed by the peer, but not as an envelope.
  std::string OtherPurpose(SignaturePurpose purpose) {
    return Change([&](v1::Envelope& envelope, v1::EnvelopeBody&) {
      envelope.set_signature(signer_->Sign(purpose, envelope.body()));
    });
  }
  /// Properly signed, whatever the body says: a peer that is wrong.
  std::string Signed(const std::function<void(v1::EnvelopeBody&)>& change) {
    return Change([&](v1::Envelope& envelope, v1::EnvelopeBody& body) {
      change(body);
      envelope.set_signature(signer_->Sign(SignaturePurpose::kEnvelope, body.SerializeAsString()));
    });
  }

  std::vector<Case> Cases() {
    const std::string good = Good();
    std::vector<Case> cases = {
        {"empty", EnvelopeFault::kMalformed, ""},
        {"garbage", EnvelopeFault::kMalformed, std::string(200, '\xff')},
        {"huge", EnvelopeFault::kTooLarge, std::string(kMaxEnvelopeBytes + 1, 'x')},
        {"cut short", EnvelopeFault::kMalformed, good.substr(0, good.size() - 1)},
        {"signed by a stranger", EnvelopeFault::kForged, One(EnvelopeWriter(route_, *stranger_, kSession))},
        {"signature removed", EnvelopeFault::kForged,
         Change([](v1::Envelope& envelope, v1::EnvelopeBody&) { envelope.clear_signature(); })},
        {"content exchanged", EnvelopeFault::kForged,
         Change([](v1::Envelope&, v1::EnvelopeBody& body) { body.set_content("other"); })},
        {"sequence raised", EnvelopeFault::kForged,
         Change([](v1::Envelope&, v1::EnvelopeBody& body) { body.set_sequence(99); })},
        {"expiry put off", EnvelopeFault::kForged,
         Change([](v1::Envelope&, v1::EnvelopeBody& body) { body.set_expires(kNow * 2); })},
        {"meant for another host", EnvelopeFault::kMisplaced,
         One(EnvelopeWriter({"hub-1", HostId("gw-2")}, *signer_, kSession))},
        {"meant for another hub", EnvelopeFault::kMisplaced,
         One(EnvelopeWriter({"hub-2", HostId("gw-1")}, *signer_, kSession))},
        {"sent back where it came from", EnvelopeFault::kMisplaced, good, v1::CHANNEL_UP},
        {"put on another topic", EnvelopeFault::kMisplaced, good, v1::CHANNEL_DESIRED},
        {"down passed off as a blob", EnvelopeFault::kMisplaced, good, v1::CHANNEL_BLOB},
        {"of the session before", EnvelopeFault::kOldSession,
         One(EnvelopeWriter(route_, *signer_, kSession - 1))},
        {"of a session to come", EnvelopeFault::kUnborn, One(EnvelopeWriter(route_, *signer_, kSession + 1))},
        {"held back beyond its expiry", EnvelopeFault::kExpired,
         One(EnvelopeWriter(route_, *signer_, kSession), {.expires = kNow - 1})},
        {"without a sequence", EnvelopeFault::kReplayed,
         Signed([](v1::EnvelopeBody& body) { body.clear_sequence(); })},
        {"with a body that is none", EnvelopeFault::kMalformed,
         Signed([](v1::EnvelopeBody& body) { body.set_content("\xff\xff"); })},
        {"without content", EnvelopeFault::kMalformed,
         Signed([](v1::EnvelopeBody& body) { body.clear_content(); })},
        {"part of nothing", EnvelopeFault::kMalformed,
         Signed([](v1::EnvelopeBody& body) { body.mutable_part()->set_parts(1); })},
        {"part beyond its set", EnvelopeFault::kMalformed, Signed([](v1::EnvelopeBody& body) {
           body.mutable_part()->set_parts(3);
           body.mutable_part()->set_part(3);
         })},
        {"a set without end", EnvelopeFault::kMalformed,
         Signed([](v1::EnvelopeBody& body) { body.mutable_part()->set_parts(1'000'000); })},
    };
    for (const auto purpose : {SignaturePurpose::kManifest, SignaturePurpose::kPointer,
                               SignaturePurpose::kKey, SignaturePurpose::kHub}) {
      cases.push_back({"signed for another use", EnvelopeFault::kForged, OtherPurpose(purpose)});
    }
    for (std::size_t at = 0; at < good.size(); at += 3) {
      std::string flipped = good;
      flipped[at] = static_cast<char>(flipped[at] ^ 0x20);
      // Whatever it is then called, it is not accepted.
      cases.push_back({"one bit changed", EnvelopeFault::kForged, flipped});
    }
    return cases;
  }
};

TEST_F(AttackTest, NothingIsAcceptedAndEverythingIsCounted) {
  for (const Case& attack : Cases()) {
    EnvelopeFaults before = faults_;
    EXPECT_EQ(Read(attack.wire, attack.channel), "") << attack.name;
    EXPECT_EQ(faults_.Total(), before.Total() + 1) << attack.name;
    if (std::string_view(attack.name) == "one bit changed") continue;
    EXPECT_EQ(faults_.Of(attack.fault), before.Of(attack.fault) + 1) << attack.name;
  }
  // None of it harmed the real traffic.
  EXPECT_EQ(Read(Write(writer_, "hello").front()), "hello");
}

}  // namespace
}  // namespace slicelet
