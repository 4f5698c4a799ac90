#include "common/crypto/tls_signing.h"

#include <gtest/gtest.h>

#include "common/crypto/sealing.h"
#include "common/tls/pki.h"

namespace slicelet {
namespace {

const WallTime kNow = FromUnixNanos(1'767'225'600'000'000'000);

TEST(TlsSigner, TheCertificateTellsWhoseSignatureItIs) {
  const auto authority = MakeAuthority("hub", kNow, std::chrono::hours(24)).value();
  const auto host = IssueCertificate(authority, {.common_name = "gw-1"}, kNow, std::chrono::hours(1)).value();
  const auto other =
      IssueCertificate(authority, {.common_name = "gw-2"}, kNow, std::chrono::hours(1)).value();
  const auto signer = MakeTlsSigner(host.key_pem).value();
  const auto key = TlsPublicKey::OfCertificate(host.certificate_pem).value();
  const std::string signature = signer->Sign(SignaturePurpose::kEnvelope, "bytes");

  EXPECT_EQ(signer->public_key(), key.der());
  EXPECT_EQ(signer->key_id(), key.id());
  EXPECT_TRUE(key.Verifies(SignaturePurpose::kEnvelope, "bytes", signature));
  EXPECT_FALSE(key.Verifies(SignaturePurpose::kManifest, "bytes", signature));
  EXPECT_FALSE(key.Verifies(SignaturePurpose::kEnvelope, "byteS", signature));
  EXPECT_FALSE(key.Verifies(SignaturePurpose::kEnvelope, "bytes", ""));
  EXPECT_FALSE(TlsPublicKey::OfCertificate(other.certificate_pem)
                   ->Verifies(SignaturePurpose::kEnvelope, "bytes", signature));
}

TEST(TlsSigner, RefusesKeysOfAnotherKind) {
  EXPECT_TRUE(absl::IsInvalidArgument(MakeTlsSigner("garbage").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MakeTlsSigner(GenerateSigningKeyPem()).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MakeTlsSigner(GenerateSealingKeyPem()).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(TlsPublicKey::OfCertificate("garbage").status()));
}

TEST(KeyRing, AKeyForOneUseIsNoneForAnother) {
  const auto root = MakeSigner(GenerateSigningKeyPem()).value();
  const auto signer = MakeSigner(GenerateSigningKeyPem()).value();
  KeyRing envelopes("hub-1", root->public_key(), "envelope");
  EXPECT_FALSE(envelopes.Add(CertifyKey(*root, "hub-1", signer->public_key(), "manifest", 1)).ok());
  ASSERT_TRUE(envelopes.Add(CertifyKey(*root, "hub-1", signer->public_key(), "envelope", 1)).ok());
  const std::string signature = signer->Sign(SignaturePurpose::kEnvelope, "bytes");
  EXPECT_TRUE(envelopes.Verify(SignaturePurpose::kEnvelope, signer->key_id(), "bytes", signature).ok());
  EXPECT_FALSE(envelopes.Verify(SignaturePurpose::kHub, signer->key_id(), "bytes", signature).ok());
  EXPECT_TRUE(absl::IsNotFound(envelopes.Verify(SignaturePurpose::kEnvelope, "0123", "bytes", signature)));
}

}  // namespace
}  // namespace slicelet
