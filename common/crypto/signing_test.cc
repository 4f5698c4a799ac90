#include "common/crypto/signing.h"

#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/crypto/sealing.h"

namespace slicelet {
namespace {

constexpr char kHub[] = "hub-1";

TEST(Signer, TheSameSeedGivesTheKeyOfTheStandard) {
  // RFC 8032 section 7.1, test 1.
  const auto signer = MakeSignerFromSeed(
      HexDecode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").value());

  EXPECT_EQ(HexEncode(signer->public_key()),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  EXPECT_EQ(signer->key_id(), KeyIdOf(signer->public_key()));
  EXPECT_EQ(signer->key_id().size(), 16u);
}

TEST(Signer, AKeySurvivesItsPem) {
  const std::string pem = GenerateSigningKeyPem();
  const auto first = MakeSigner(pem).value();
  const auto second = MakeSigner(pem).value();

  EXPECT_EQ(first->public_key(), second->public_key());
  EXPECT_TRUE(VerifySignature(first->public_key(), SignaturePurpose::kManifest, "bytes",
                              second->Sign(SignaturePurpose::kManifest, "bytes")));
}

TEST(Signer, RefusesKeysOfAnotherKind) {
  EXPECT_TRUE(absl::IsInvalidArgument(MakeSigner("garbage").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MakeSigner("").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MakeSigner(GenerateSealingKeyPem()).status()));
}

TEST(VerifySignature, ASignatureForOneUsePassesForNoOther) {
  const auto signer = MakeSigner(GenerateSigningKeyPem()).value();
  const std::string signature = signer->Sign(SignaturePurpose::kManifest, "bytes");

  EXPECT_TRUE(VerifySignature(signer->public_key(), SignaturePurpose::kManifest, "bytes", signature));
  for (const auto other : {SignaturePurpose::kEnvelope, SignaturePurpose::kPointer, SignaturePurpose::kKey,
                           SignaturePurpose::kHub}) {
    EXPECT_FALSE(VerifySignature(signer->public_key(), other, "bytes", signature));
  }
}

TEST(VerifySignature, EveryChangeIsSeen) {
  const auto signer = MakeSigner(GenerateSigningKeyPem()).value();
  const std::string signature = signer->Sign(SignaturePurpose::kManifest, "bytes");

  EXPECT_FALSE(VerifySignature(signer->public_key(), SignaturePurpose::kManifest, "byteS", signature));
  EXPECT_FALSE(VerifySignature(signer->public_key(), SignaturePurpose::kManifest, "bytes", ""));
  EXPECT_FALSE(VerifySignature("", SignaturePurpose::kManifest, "bytes", signature));
  for (std::size_t i = 0; i < signature.size(); ++i) {
    std::string changed = signature;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(VerifySignature(signer->public_key(), SignaturePurpose::kManifest, "bytes", changed)) << i;
  }
}

class KeyRingTest : public ::testing::Test {
 protected:
  static v1::SignedManifest Sign(const Signer& signer, const std::string& bytes) {
    v1::SignedManifest manifest;
    manifest.set_manifest(bytes);
    manifest.set_key_id(signer.key_id());
    manifest.set_signature(signer.Sign(SignaturePurpose::kManifest, bytes));
    return manifest;
  }

  [[nodiscard]] v1::KeyCertificate Certify(const Signer& key, std::uint64_t number,
                                           const std::string& hub = kHub,
                                           const std::string& purpose = "manifest") const {
    return CertifyKey(*root_, hub, key.public_key(), purpose, number);
  }

  std::unique_ptr<Signer> root_ = MakeSignerFromSeed(std::string(32, 'r'));
  std::unique_ptr<Signer> first_ = MakeSignerFromSeed(std::string(32, '1'));
  std::unique_ptr<Signer> second_ = MakeSignerFromSeed(std::string(32, '2'));
  KeyRing ring_{kHub, root_->public_key()};
};

TEST_F(KeyRingTest, TrustsManifestsOfACertifiedKey) {
  ASSERT_TRUE(ring_.Add(Certify(*first_, 1)).ok());

  EXPECT_TRUE(ring_.VerifyManifest(Sign(*first_, "manifest")).ok());
  EXPECT_TRUE(absl::IsNotFound(ring_.VerifyManifest(Sign(*second_, "manifest"))));
}

TEST_F(KeyRingTest, RefusesAChangedManifest) {
  ASSERT_TRUE(ring_.Add(Certify(*first_, 1)).ok());
  v1::SignedManifest manifest = Sign(*first_, "manifest");
  manifest.set_manifest("manifesT");

  EXPECT_TRUE(absl::IsPermissionDenied(ring_.VerifyManifest(manifest)));
}

TEST_F(KeyRingTest, AManifestUnderAnotherKeysNameIsRefused) {
  ASSERT_TRUE(ring_.Add(Certify(*first_, 1)).ok());
  ASSERT_TRUE(ring_.Add(Certify(*second_, 1)).ok());
  v1::SignedManifest manifest = Sign(*second_, "manifest");
  manifest.set_key_id(first_->key_id());

  EXPECT_TRUE(absl::IsPermissionDenied(ring_.VerifyManifest(manifest)));
}

TEST_F(KeyRingTest, RefusesCertificatesThatTheRootDidNotMakeForThisHubAndUse) {
  EXPECT_TRUE(
      absl::IsPermissionDenied(ring_.Add(CertifyKey(*first_, kHub, first_->public_key(), "manifest", 1))));
  EXPECT_TRUE(absl::IsPermissionDenied(ring_.Add(Certify(*first_, 1, "hub-2"))));
  EXPECT_TRUE(absl::IsPermissionDenied(ring_.Add(Certify(*first_, 1, kHub, "hub"))));
  v1::KeyCertificate changed = Certify(*first_, 1);
  changed.mutable_body()->back() = static_cast<char>(changed.body().back() ^ 1);
  EXPECT_TRUE(absl::IsPermissionDenied(ring_.Add(changed)));
  EXPECT_TRUE(ring_.certificates().empty());
  // Also beside one that is known.
  ASSERT_TRUE(ring_.Add(Certify(*first_, 1)).ok());
  ASSERT_TRUE(ring_.Add(Certify(*first_, 1)).ok());
  changed = Certify(*first_, 1);
  changed.mutable_signature()->back() = static_cast<char>(changed.signature().back() ^ 1);
  EXPECT_TRUE(absl::IsPermissionDenied(ring_.Add(changed)));
}

TEST_F(KeyRingTest, AHigherNumberWithdrawsLowerOnes) {
  ASSERT_TRUE(ring_.Add(Certify(*first_, 1)).ok());
  ASSERT_TRUE(ring_.Add(Certify(*second_, 2)).ok());

  EXPECT_TRUE(absl::IsPermissionDenied(ring_.Add(Certify(*first_, 1))));
  EXPECT_TRUE(absl::IsNotFound(ring_.VerifyManifest(Sign(*first_, "manifest"))));
  EXPECT_TRUE(ring_.VerifyManifest(Sign(*second_, "manifest")).ok());
  EXPECT_EQ(ring_.certificates().size(), 1u);
}

TEST_F(KeyRingTest, AWithdrawnKeyStillProvesWhatWasAccepted) {
  ASSERT_TRUE(ring_.Add(Certify(*first_, 1)).ok());
  ASSERT_TRUE(ring_.Add(Certify(*second_, 2)).ok());
  EXPECT_TRUE(ring_.VerifyAccepted(Sign(*first_, "manifest")).ok());
  EXPECT_TRUE(ring_.VerifyAccepted(Sign(*second_, "manifest")).ok());
  EXPECT_TRUE(absl::IsNotFound(ring_.VerifyAccepted(Sign(*root_, "manifest"))));

  // Also when the keys are read back in another order.
  KeyRing again(kHub, root_->public_key());
  ASSERT_TRUE(again.Add(Certify(*second_, 2)).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(again.Add(Certify(*first_, 1))));
  EXPECT_TRUE(again.VerifyAccepted(Sign(*first_, "manifest")).ok());
  EXPECT_TRUE(absl::IsNotFound(again.VerifyManifest(Sign(*first_, "manifest"))));

  for (std::uint64_t number = 3; number < 20; ++number) {
    const auto key = MakeSignerFromSeed(std::string(32, static_cast<char>('A' + number)));
    ASSERT_TRUE(ring_.Add(Certify(*key, number)).ok());
  }
  EXPECT_EQ(ring_.withdrawn().size(), KeyRing::kMaxWithdrawn);
  EXPECT_EQ(ring_.withdrawn().begin()->first, 15u) << "the latest are kept";
}

}  // namespace
}  // namespace slicelet
