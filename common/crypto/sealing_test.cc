#include "common/crypto/sealing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/crypto/hpke.h"
#include "common/crypto/signing.h"

namespace slicelet {
namespace {

using ::testing::HasSubstr;

std::string Unhex(const char* text) { return HexDecode(text).value(); }

// RFC 9180 appendix A.1.1.
constexpr char kRfcInfo[] = "4f6465206f6e2061204772656369616e2055726e";
constexpr char kRfcRecipientPrivate[] = "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8";
constexpr char kRfcRecipientPublic[] = "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d";
constexpr char kRfcEphemeralPrivate[] = "52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736";
constexpr char kRfcEnc[] = "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431";
constexpr char kRfcPlain[] = "4265617574792069732074727574682c20747275746820626561757479";
constexpr char kRfcAad[] = "436f756e742d30";
constexpr char kRfcCiphertext[] =
    "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a";

TEST(Hpke, SealsAsTheStandardsVector) {
  const auto sealed = hpke::Seal(hpke::Aead::kAes128Gcm, Unhex(kRfcRecipientPublic), Unhex(kRfcInfo),
                                 Unhex(kRfcAad), Unhex(kRfcPlain), Unhex(kRfcEphemeralPrivate));

  ASSERT_TRUE(sealed.ok()) << sealed.status();
  EXPECT_EQ(HexEncode(sealed->enc), kRfcEnc);
  EXPECT_EQ(HexEncode(sealed->ciphertext), kRfcCiphertext);
}

TEST(Hpke, OpensTheStandardsVector) {
  const auto plain = hpke::Open(hpke::Aead::kAes128Gcm, Unhex(kRfcRecipientPrivate), Unhex(kRfcEnc),
                                Unhex(kRfcInfo), Unhex(kRfcAad), Unhex(kRfcCiphertext));

  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(HexEncode(*plain), kRfcPlain);
}

// The RFC has no vector of exactly our suite: this one was sealed by pyca/cryptography 48, for the RFC's
// recipient.
TEST(Hpke, OpensWhatAnotherImplementationSealedWithAes256) {
  const std::string info("slicelet/v1/seal\0hub-1\0edge-1\0uid-1", 35);
  const auto plain = hpke::Open(
      hpke::Aead::kAes256Gcm, Unhex(kRfcRecipientPrivate),
      Unhex("1d15775f7da8f77ea1789ac1f1715a4bfd506f43f78b20b6440bff42f4a97e07"), info, "",
      Unhex("92893c51a7ef7f1d413848920c70763205216924ad61867f51db407a52214e06c08d392009836fa3c6af91bcb8"));

  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(*plain, "Beauty is truth, truth beauty");
}

TEST(Hpke, RefusesAKeyThatWouldGiveAKnownSecret) {
  EXPECT_FALSE(hpke::Seal(hpke::Aead::kAes256Gcm, std::string(32, '\0'), "", "", "plain").ok());
}

class SealingTest : public ::testing::Test {
 protected:
  std::unique_ptr<Opener> opener_ = MakeOpener(GenerateSealingKeyPem()).value();
  SealContext context_{
      .hub_id = "hub-1", .host = HostId("edge-1"), .pod = PodUid("uid-1"), .content = ContentId("secret/db")};
  v1::SealedBlob sealed_ = Seal(opener_->public_key(), context_, "password").value();
};

TEST_F(SealingTest, TheHostOpensWhatWasSealedForIt) {
  EXPECT_EQ(sealed_.key_id(), KeyIdOf(opener_->public_key()));
  EXPECT_EQ(opener_->Open(context_, sealed_).value(), "password");
  EXPECT_THAT(sealed_.SerializeAsString(), ::testing::Not(HasSubstr("password")));
}

TEST_F(SealingTest, SealsNothingAndMuch) {
  for (const std::string& plain : {std::string(), std::string(1'000'000, 'x')}) {
    EXPECT_EQ(opener_->Open(context_, Seal(opener_->public_key(), context_, plain).value()).value(), plain);
  }
}

TEST_F(SealingTest, SealingTwiceGivesDifferentBytes) {
  EXPECT_NE(Seal(opener_->public_key(), context_, "password").value().ciphertext(), sealed_.ciphertext());
}

TEST_F(SealingTest, OpensInNoOtherContext) {
  for (int i = 0; i < 4; ++i) {
    SealContext other = context_;
    if (i == 0) other.hub_id = "hub-2";
    if (i == 1) other.host = HostId("edge-2");
    if (i == 2) other.pod = PodUid("uid-2");
    if (i == 3) other.content = ContentId("secret/dc");
    EXPECT_TRUE(absl::IsPermissionDenied(opener_->Open(other, sealed_).status())) << i;
  }
}

TEST_F(SealingTest, NamesCannotBeShiftedBetweenTheParts) {
  SealContext shifted = context_;
  shifted.hub_id = "hub-1e";
  shifted.host = HostId("dge-1");

  EXPECT_TRUE(absl::IsPermissionDenied(opener_->Open(shifted, sealed_).status()));
}

TEST_F(SealingTest, EveryChangedByteIsSeen) {
  for (std::size_t i = 0; i < sealed_.ciphertext().size(); ++i) {
    v1::SealedBlob changed = sealed_;
    (*changed.mutable_ciphertext())[i] = static_cast<char>(changed.ciphertext()[i] ^ 1);
    EXPECT_TRUE(absl::IsPermissionDenied(opener_->Open(context_, changed).status())) << i;
  }
  v1::SealedBlob changed = sealed_;
  (*changed.mutable_enc())[0] = static_cast<char>(changed.enc()[0] ^ 1);
  EXPECT_TRUE(absl::IsPermissionDenied(opener_->Open(context_, changed).status()));
}

TEST_F(SealingTest, RefusesImpossibleBlobs) {
  v1::SealedBlob blob = sealed_;
  blob.set_ciphertext("short");
  EXPECT_TRUE(absl::IsPermissionDenied(opener_->Open(context_, blob).status()));
  blob = sealed_;
  blob.set_enc("");
  EXPECT_TRUE(absl::IsPermissionDenied(opener_->Open(context_, blob).status()));
  blob = sealed_;
  blob.set_algorithm("rot13");
  EXPECT_THAT(Message(opener_->Open(context_, blob).status()), HasSubstr("rot13"));
}

TEST_F(SealingTest, AnotherHostCannotOpenIt) {
  const auto other = MakeOpener(GenerateSealingKeyPem()).value();
  EXPECT_THAT(Message(other->Open(context_, sealed_).status()), HasSubstr(opener_->key_id()));
  v1::SealedBlob renamed = sealed_;
  renamed.set_key_id(other->key_id());

  EXPECT_TRUE(absl::IsPermissionDenied(other->Open(context_, renamed).status()));
}

TEST(Opener, RefusesKeysOfAnotherKind) {
  EXPECT_TRUE(absl::IsInvalidArgument(MakeOpener(GenerateSigningKeyPem()).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MakeOpener("no key").status()));
}

TEST(Seal, RefusesAKeyOfTheWrongSize) {
  EXPECT_TRUE(absl::IsInvalidArgument(Seal("short", {}, "x").status()));
}

// RFC 4231 test case 2.
TEST(KeyedTag, IsHmacSha256) {
  EXPECT_EQ(HexEncode(KeyedTag("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

}  // namespace
}  // namespace slicelet
