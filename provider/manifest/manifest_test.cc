#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/base/testing/fake_clock.h"
#include "common/crypto/sealing.h"
#include "common/loop/testing/sim_loop.h"
#include "provider/manifest/content_sealer.h"
#include "provider/manifest/generation.h"
#include "provider/manifest/host_manifest.h"
#include "provider/manifest/manifest_proof.h"
#include "provider/store/testing/memory_hub_store.h"

namespace slicelet::provider {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class HostManifestTest : public testing::Test {
 protected:
  HostManifestTest()
      : clock_(loop_), store_(loop_), shelf_(store_), signer_(MakeSignerFromSeed(std::string(32, 's'))) {
    Make({});
  }

  void Make(v1::HostRecord stored) {
    manifest_ = std::make_unique<HostManifest>(
        "hub-1", HostId("gw-1"), std::move(stored),
        HostManifest::Dependencies{loop_, clock_, store_, shelf_, *signer_},
        HostManifest::Callbacks{[this](ManifestDraft& draft) {
                                  if (!ready_) return false;
                                  draft.deployments = keep_base_ ? draft.base : wanted_;
                                  for (const auto& [uid, deployment] : draft.deployments) {
                                    draft.blobs[Digest(deployment.digest())] =
                                        sizes_.count(uid) == 0 ? "bytes of " + uid.value()
                                                               : std::string(sizes_.at(uid), 'x');
                                  }
                                  return true;
                                },
                                [this](const std::map<Digest, std::string>& fresh) {
                                  ++durable_;
                                  fresh_ = fresh;
                                }});
  }
  void Want(const std::string& uid, const std::string& digest) {
    v1::Deployment& deployment = wanted_[PodUid(uid)];
    deployment.set_uid(uid);
    deployment.set_digest(digest);
    manifest_->Touch();
  }

  SimLoop loop_;
  FakeClock clock_;
  MemoryHubStore store_;
  BlobShelf shelf_;
  std::unique_ptr<Signer> signer_;
  std::unique_ptr<HostManifest> manifest_;
  Deployments wanted_;
  bool ready_ = true;
  bool keep_base_ = false;
  int durable_ = 0;
  std::map<Digest, std::string> fresh_;
  std::map<PodUid, std::size_t> sizes_;
};

TEST_F(HostManifestTest, TenChangesAtOnceAreOneGenerationAndLaterOnesShareTheNext) {
  for (int i = 0; i < 10; ++i) Want("pod-" + std::to_string(i), "d" + std::to_string(i));
  loop_.RunReady();
  Want("late-1", "l1");
  Want("late-2", "l2");
  loop_.Advance(seconds(1));
  EXPECT_EQ(durable_, 2);
  EXPECT_EQ(manifest_->generation(), (Generation{1, 2}));
  EXPECT_EQ(manifest_->deployments().size(), 12U);
}

TEST_F(HostManifestTest, NothingChangedIsNoNewGeneration) {
  Want("a", "d");
  loop_.Advance(seconds(1));
  manifest_->Touch();
  loop_.Advance(seconds(1));
  EXPECT_EQ(durable_, 1);
}

TEST_F(HostManifestTest, HandsOnTheSmallBlobsThatAreNew) {
  Want("a", "d");
  loop_.Advance(seconds(1));
  EXPECT_EQ(fresh_, (std::map<Digest, std::string>{{Digest("d"), "bytes of a"}}));
  sizes_[PodUid("large")] = HostManifest::kMaxFreshBytes + 1;
  Want("large", "l");
  Want("b", "e");
  loop_.Advance(seconds(1));
  EXPECT_EQ(fresh_, (std::map<Digest, std::string>{{Digest("e"), "bytes of b"}}));
  EXPECT_TRUE(shelf_.Has(Digest("l")));
}

TEST_F(HostManifestTest, WhatItHandsOnIsBounded) {
  for (int i = 0; i < 3; ++i) {
    const std::string uid = "pod-" + std::to_string(i);
    sizes_[PodUid(uid)] = HostManifest::kMaxFreshBytes / 2;
    Want(uid, "d" + std::to_string(i));
  }
  loop_.Advance(seconds(1));
  EXPECT_EQ(fresh_.size(), 2U);
}

TEST_F(HostManifestTest, ARotatedKeySignsEverythingAnew) {
  Want("a", "d");
  loop_.Advance(seconds(1));
  const v1::HostRecord stored = manifest_->record();
  Make(stored);
  manifest_->Touch();
  loop_.Advance(seconds(1));
  EXPECT_EQ(manifest_->generation(), (Generation{1, 1})) << "the same key";

  signer_ = MakeSignerFromSeed(std::string(32, 't'));
  Make(stored);
  manifest_->Touch();
  loop_.Advance(seconds(1));
  EXPECT_EQ(manifest_->generation(), (Generation{1, 2}));
  EXPECT_EQ(manifest_->record().manifest().key_id(), signer_->key_id());
  EXPECT_EQ(manifest_->deployments().size(), 1U);
}

TEST_F(HostManifestTest, ItIsDurableBeforeItCounts) {
  bool durable_before_done = false;
  store_.OnPoint([&](MemoryHubStore::Point point) {
    if (point == MemoryHubStore::Point::kDurable) durable_before_done = durable_ == 0;
  });
  Want("a", "d");
  loop_.Advance(seconds(1));
  EXPECT_TRUE(durable_before_done);
  store_.Open();
  const v1::HostRecord stored = store_.loaded().hosts.at(HostId("gw-1"));
  v1::Manifest read;
  ASSERT_TRUE(read.ParseFromString(stored.manifest().manifest()));
  EXPECT_EQ(read.deployments(0).uid(), "a");
  EXPECT_TRUE(VerifySignature(signer_->public_key(), SignaturePurpose::kManifest,
                              stored.manifest().manifest(), stored.manifest().signature()));
}

TEST_F(HostManifestTest, GoesOnFromTheStoredGeneration) {
  Want("a", "d");
  loop_.Advance(seconds(1));
  store_.Open();
  Make(store_.loaded().hosts.at(HostId("gw-1")));
  EXPECT_EQ(manifest_->generation(), (Generation{1, 1}));
  manifest_->Touch();
  loop_.Advance(seconds(1));
  EXPECT_EQ(manifest_->generation(), (Generation{1, 1})) << "the same set after a restart makes no new one";
  Want("b", "e");
  loop_.Advance(seconds(1));
  EXPECT_EQ(manifest_->generation(), (Generation{1, 2}));
}

TEST_F(HostManifestTest, AFullDiskKeepsTheLastOneAndIsTriedAgain) {
  Want("a", "d");
  loop_.Advance(seconds(1));
  store_.SetDiskFull(true);
  Want("b", "e");
  loop_.Advance(seconds(1));
  EXPECT_EQ(durable_, 1);
  EXPECT_FALSE(shelf_.Has(Digest("e")));
  store_.SetDiskFull(false);
  loop_.Advance(seconds(6));
  EXPECT_EQ(durable_, 2);
  EXPECT_EQ(manifest_->deployments().size(), 2U);
  EXPECT_EQ(*store_.ReadBlob(Digest("e")), "bytes of b");
}

TEST_F(HostManifestTest, AProvedUnknownManifestOpensAnEpochAboveIt) {
  Want("a", "d");
  loop_.Advance(seconds(1));
  v1::Manifest proved;
  *proved.mutable_generation() = ToProto({4, 9});
  proved.add_deployments()->set_uid("held");
  keep_base_ = true;
  manifest_->Relearn(proved);
  EXPECT_TRUE(manifest_->Surpasses({4, 9}));
  loop_.Advance(seconds(1));
  EXPECT_EQ(manifest_->generation(), (Generation{5, 1}));
  EXPECT_TRUE(manifest_->Holds(PodUid("held")));
  EXPECT_FALSE(manifest_->Holds(PodUid("a")));
  EXPECT_TRUE(manifest_->record().relearnt());
}

TEST_F(HostManifestTest, AProofThatComesDuringACommitWinsAndTheCommitIsNotSent) {
  Want("a", "d");
  loop_.RunReady();
  v1::Manifest proved;
  *proved.mutable_generation() = ToProto({2, 3});
  proved.add_deployments()->set_uid("held");
  keep_base_ = true;
  manifest_->Relearn(proved);
  loop_.Advance(seconds(1));
  EXPECT_EQ(durable_, 1);
  EXPECT_EQ(manifest_->generation(), (Generation{3, 1}));
  EXPECT_TRUE(manifest_->Holds(PodUid("held")));
}

TEST_F(HostManifestTest, AnAmnesiacHostGetsItsNonce) {
  Want("a", "d");
  loop_.Advance(seconds(1));
  manifest_->SetHostStore("n1", true);
  loop_.Advance(seconds(1));
  EXPECT_EQ(manifest_->nonce(), "n1");
  EXPECT_EQ(manifest_->generation(), (Generation{1, 2}));
  manifest_->SetHostStore("n1", false);
  Want("b", "e");
  loop_.Advance(seconds(1));
  EXPECT_EQ(manifest_->nonce(), "n1") << "it stays for this store alone";
  // An agent that is newer than what it holds names its store for the first time.
  manifest_->SetHostStore("n2", false);
  manifest_->Touch();
  loop_.Advance(seconds(1));
  EXPECT_EQ(manifest_->generation(), (Generation{1, 3}));
}

TEST_F(HostManifestTest, BlobsThatNoManifestNamesAreSwept) {
  Want("a", "d1");
  loop_.Advance(seconds(1));
  Want("a", "d2");
  loop_.Advance(seconds(1));
  Want("b", "e");
  loop_.Advance(seconds(1));
  EXPECT_FALSE(store_.ReadBlob(Digest("d1")).ok());
  EXPECT_TRUE(store_.ReadBlob(Digest("d2")).ok());
}

TEST_F(HostManifestTest, DraftsAgainAfterNotNow) {
  ready_ = false;
  Want("a", "d");
  loop_.Advance(seconds(1));
  EXPECT_EQ(durable_, 0);
  ready_ = true;
  manifest_->Touch();
  loop_.Advance(seconds(1));
  EXPECT_EQ(durable_, 1);
}

TEST(ContentSealer, KeepsASealedBlobUntilContentOrKeyChange) {
  const auto opener = MakeOpener(GenerateSealingKeyPem());
  ASSERT_TRUE(opener.ok());
  const ContentSealer sealer("hub-1", "tag key");
  const SealTo to{HostId("gw-1"), (*opener)->key_id(), (*opener)->public_key()};
  std::map<Digest, std::string> blobs;
  const auto seal = [&](const SealTo& host, const std::string& bytes, const v1::BlobRef* former) {
    const auto ref = sealer.Sealed(host, PodUid("u"), ContentId("secret/s"), bytes, former, blobs);
    EXPECT_TRUE(ref.ok()) << ref.status();
    return *ref;
  };
  const v1::BlobRef first = seal(to, "plain", nullptr);
  ASSERT_EQ(blobs.size(), 1U);
  v1::SealedBlob sealed;
  ASSERT_TRUE(sealed.ParseFromString(blobs.at(Digest(first.digest()))));
  const auto opened = (*opener)->Open({"hub-1", HostId("gw-1"), PodUid("u"), ContentId("secret/s")}, sealed);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(*opened, "plain");

  EXPECT_EQ(seal(to, "plain", &first).digest(), first.digest());
  EXPECT_EQ(blobs.size(), 1U);
  EXPECT_NE(seal(to, "other", &first).digest(), first.digest());
  EXPECT_NE(seal({to.host, "another key", to.public_key}, "plain", &first).digest(), first.digest());
}

TEST(ManifestProof, CountsOnlyWhatThisHubSignedForThisHost) {
  const auto signer = MakeSignerFromSeed(std::string(32, 'a'));
  const auto stranger = MakeSignerFromSeed(std::string(32, 'b'));
  const ManifestProof proof("hub-1", *signer, {});
  v1::Manifest manifest;
  manifest.set_hub_id("hub-1");
  manifest.set_host_id("gw-1");
  const auto sign = [&manifest](const Signer& by) {
    v1::SignedManifest signed_manifest;
    signed_manifest.set_manifest(manifest.SerializeAsString());
    signed_manifest.set_key_id(by.key_id());
    signed_manifest.set_signature(by.Sign(SignaturePurpose::kManifest, signed_manifest.manifest()));
    return signed_manifest;
  };
  EXPECT_TRUE(proof.Check(HostId("gw-1"), sign(*signer)).ok());
  EXPECT_FALSE(proof.Check(HostId("gw-2"), sign(*signer)).ok());
  EXPECT_FALSE(proof.Check(HostId("gw-1"), sign(*stranger)).ok());
  v1::SignedManifest forged = sign(*signer);
  forged.mutable_manifest()->append("x");
  EXPECT_FALSE(proof.Check(HostId("gw-1"), forged).ok());
}

struct ClaimCase {
  Generation stored;
  std::string stored_digest;
  Generation claimed;
  std::string claimed_digest;
  Claim expected;
};

class Claims : public testing::TestWithParam<ClaimCase> {};

TEST_P(Claims, AreJudged) {
  const ClaimCase& c = GetParam();
  EXPECT_EQ(Judge(c.stored, Digest(c.stored_digest), c.claimed, Digest(c.claimed_digest)), c.expected);
}

INSTANTIATE_TEST_SUITE_P(Cases, Claims,
                         testing::Values(ClaimCase{{1, 5}, "x", {1, 5}, "x", Claim::kNewest},
                                         ClaimCase{{1, 5}, "x", {1, 4}, "y", Claim::kOlder},
                                         ClaimCase{{1, 5}, "x", {0, 0}, "", Claim::kOlder},
                                         ClaimCase{{2, 1}, "x", {1, 9}, "y", Claim::kOlder},
                                         ClaimCase{{1, 5}, "x", {1, 6}, "y", Claim::kUnknown},
                                         ClaimCase{{1, 5}, "x", {1, 5}, "y", Claim::kUnknown},
                                         ClaimCase{{0, 0}, "", {1, 1}, "y", Claim::kUnknown},
                                         ClaimCase{{0, 0}, "", {0, 0}, "", Claim::kOlder}));

}  // namespace
}  // namespace slicelet::provider
