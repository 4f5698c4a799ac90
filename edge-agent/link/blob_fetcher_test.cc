#include "edge-agent/link/blob_fetcher.h"

#include <gtest/gtest.h>

#include "edge-agent/link/testing/hub_session_fixture.h"

namespace slicelet::agent {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class BlobFetcherTest : public HubSessionFixture {
 protected:
  /// Runs for `time` with a hub that answers what is fetched, of a workload "a" alone, and offers `offered`
  /// again each minute, as long as it is not accepted.
  void RunHub(minutes time, const v1::HubMessage& offered = {}) {
    for (int second = 1; second <= seconds(time).count(); ++second) {
      Run(seconds(1));
      if (second % 10 == 0) {
        v1::HubMessage alive;
        alive.mutable_heartbeat_ack();
        Say(alive);
      }
      if (second % 60 == 0 && offered.has_desired()) Say(offered);
      const int fetches = Count(v1::HostMessage::kFetch);
      for (; answered_ < fetches; ++answered_) SendBlob("workload a", 0, 10, "workload a");
    }
  }

  int answered_ = 0;
};

TEST_F(BlobFetcherTest, JoinsChunksAndStoresTheBlob) {
  Settle({"a"});
  const std::string content = "workload a";
  SendBlob(content, 0, 4, content);
  SendBlob(content, 2, 6, content);   // overlaps
  SendBlob(content, 8, 10, content);  // beyond a gap
  EXPECT_TRUE(store_.blobs().empty());
  SendBlob(content, 6, 10, content);
  EXPECT_EQ(store_.blobs().at(Sha256(content)), content);
  EXPECT_EQ(runner_->blobs_stored, 1);
}

TEST_F(BlobFetcherTest, ABlobThatCameBeforeItsManifestIsStoredInTheSameWrite) {
  Settle();
  heard_.clear();
  SendBlob("workload a", 0, 10, "workload a");
  EXPECT_TRUE(store_.blobs().empty());
  const int writes = store_.writes();
  Say(Signed(Manifest(1, 2, {"a"})));
  EXPECT_EQ(session_->accepted(), (Generation{1, 2}));
  EXPECT_EQ(store_.writes(), writes + 1);
  EXPECT_EQ(store_.blobs().at(Sha256("workload a")), "workload a");
  EXPECT_EQ(runner_->blobs_stored, 1);
  Run(minutes(2));
  EXPECT_EQ(Count(v1::HostMessage::kFetch), 0);
  EXPECT_EQ(store_.blobs().size(), 1u);
}

TEST_F(BlobFetcherTest, WhatCameEarlyAndIsNoUseIsFetched) {
  Settle();
  SendBlob("workload b", 0, 10, "workload a");  // another content
  SendBlob("workload c", 0, 4, "workload c");   // a part
  SendBlob("workload d", 0, 10, "workload d");  // not named
  Say(Signed(Manifest(1, 2, {"a", "c"})));
  EXPECT_TRUE(store_.blobs().empty());
  ASSERT_NE(Last(v1::HostMessage::kFetch), nullptr);
  EXPECT_EQ(Last(v1::HostMessage::kFetch)->fetch().wants_size(), 2);
  SendBlob("workload a", 0, 10, "workload a");
  EXPECT_EQ(store_.blobs().size(), 1u);
}

TEST_F(BlobFetcherTest, WhatCameEarlyIsBounded) {
  Settle();
  const std::string large(kMaxEarlyBytes, 'x');
  SendBlob(large, 0, large.size(), large);
  SendBlob("workload a", 0, 10, "workload a");
  Say(Signed(Manifest(1, 2, {"a"})));
  EXPECT_TRUE(store_.blobs().empty());
  EXPECT_EQ(Last(v1::HostMessage::kFetch)->fetch().wants_size(), 1);
}

TEST_F(BlobFetcherTest, WhatCameEarlyIsFetchedWhenTheDiskWasFull) {
  Settle();
  store_.SetDiskFull(true);
  SendBlob("workload a", 0, 10, "workload a");
  Say(Signed(Manifest(1, 2, {"a"})));
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::STORE_FULL);
  store_.SetDiskFull(false);
  Say(Signed(Manifest(1, 2, {"a"})));
  EXPECT_EQ(session_->accepted(), (Generation{1, 2}));
  Run(seconds(15));
  ASSERT_NE(Last(v1::HostMessage::kFetch), nullptr);
  SendBlob("workload a", 0, 10, "workload a");
  EXPECT_EQ(store_.blobs().size(), 1u);
}

TEST_F(BlobFetcherTest, AManifestThatTheStoreDoesNotTakeBringsNoBlobs) {
  Settle();
  store_.SetDiskFull(true);
  const v1::HubMessage offered = Signed(Manifest(1, 2, {"a"}));
  Say(offered);
  RunHub(minutes(10), offered);
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::STORE_FULL);
  // Before anybody knew that the disk is full.
  EXPECT_LE(Count(v1::HostMessage::kFetch), 1);
  store_.SetDiskFull(false);
  RunHub(minutes(2), offered);
  EXPECT_EQ(session_->accepted(), (Generation{1, 2}));
  EXPECT_EQ(store_.blobs().size(), 1u);
}

TEST_F(BlobFetcherTest, ABlobThatTheStoreDoesNotTakeComesAgainWithPauses) {
  Settle({"a"});
  store_.SetDiskFull(true);
  RunHub(minutes(10));
  // 10 s, 20 s, ... and up to 10 s until somebody looks.
  EXPECT_GE(Count(v1::HostMessage::kFetch), 4);
  EXPECT_LE(Count(v1::HostMessage::kFetch), 7);
  store_.SetDiskFull(false);
  RunHub(minutes(6));
  EXPECT_EQ(store_.blobs().size(), 1u);
}

TEST_F(BlobFetcherTest, ABlobOfAManifestThatWasRefusedMeanwhileIsNotAskedForAgain) {
  Settle();
  store_.SetStalled(true);
  Say(Signed(Manifest(1, 2, {"a"})));
  ASSERT_EQ(Count(v1::HostMessage::kFetch), 1);
  SendBlob("workload a", 0, 10, "workload a");
  store_.SetDiskFull(true);
  store_.SetStalled(false);
  RunHub(minutes(10));
  EXPECT_EQ(Last(v1::HostMessage::kRejected)->rejected().code(), v1::Rejected::STORE_FULL);
  EXPECT_EQ(Count(v1::HostMessage::kFetch), 1);
}

TEST_F(BlobFetcherTest, ResumesABlobOnTheNextConnection) {
  Settle({"a"});
  const std::string content = "workload a";
  SendBlob(content, 0, 4, content);
  heard_.clear();
  link_.Break("gw-1");
  Run(seconds(3));
  Say(Welcome());
  const auto* fetch = Last(v1::HostMessage::kFetch);
  ASSERT_NE(fetch, nullptr);
  ASSERT_EQ(fetch->fetch().wants_size(), 1);
  EXPECT_EQ(fetch->fetch().wants(0).offset(), 4u);
}

TEST_F(BlobFetcherTest, AsksAgainForABlobWithTheWrongContent) {
  Settle({"a"});
  SendBlob("workload b", 0, 10, "workload a");
  EXPECT_TRUE(store_.blobs().empty());
  heard_.clear();
  Run(seconds(30));
  ASSERT_NE(Last(v1::HostMessage::kFetch), nullptr);
  EXPECT_EQ(Last(v1::HostMessage::kFetch)->fetch().wants(0).offset(), 0u);
}

TEST_F(BlobFetcherTest, DropsBlobsNobodyNeeds) {
  Settle({"a"});
  SendBlob("workload a", 0, 10, "workload a");
  ASSERT_EQ(store_.blobs().size(), 1u);
  Say(Signed(Manifest(1, 2)));
  runner_->live = {Sha256("workload a")};
  Run(minutes(2));
  EXPECT_EQ(store_.blobs().size(), 1u);
  runner_->live.clear();
  Run(hours(1));
  EXPECT_TRUE(store_.blobs().empty());
}

}  // namespace
}  // namespace slicelet::agent
