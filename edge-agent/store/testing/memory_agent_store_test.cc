#include "edge-agent/store/testing/memory_agent_store.h"

#include <gtest/gtest.h>

#include "common/loop/testing/sim_loop.h"

namespace slicelet::agent {
namespace {

AgentStore::Batch WithSession(std::uint64_t session) {
  AgentStore::Batch batch;
  batch.settings.emplace().set_session(session);
  return batch;
}

TEST(MemoryAgentStore, SharesOneWriteAmongWaitingBatches) {
  SimLoop loop;
  MemoryAgentStore store(loop);
  int done = 0;
  for (int i = 1; i <= 5; ++i)
    store.Commit(WithSession(i), [&](const absl::Status& s) { done += s.ok() ? 1 : 0; });
  loop.Advance(std::chrono::milliseconds(4));
  EXPECT_EQ(done, 5);
  EXPECT_EQ(store.writes(), 2);
  EXPECT_EQ(store.settings().session(), 5u);
}

TEST(MemoryAgentStore, CrashLosesOnlyWhatWasNotDurable) {
  SimLoop loop;
  MemoryAgentStore store(loop);
  store.Commit(WithSession(1), [](const absl::Status&) {});
  loop.Advance(std::chrono::milliseconds(2));
  bool second = false;
  store.Commit(WithSession(2), [&](const absl::Status&) { second = true; });
  store.Crash();
  loop.Advance(std::chrono::seconds(1));
  EXPECT_FALSE(second);
  EXPECT_EQ(store.loaded().settings.session(), 1u);
}

TEST(MemoryAgentStore, StrikesAtTheDurablePointWithoutTellingAnybody) {
  SimLoop loop;
  MemoryAgentStore store(loop);
  store.OnCrashPoint([](auto point) { return point == MemoryAgentStore::CrashPoint::kDurable; });
  bool told = false;
  store.Commit(WithSession(7), [&](const absl::Status&) { told = true; });
  loop.Advance(std::chrono::seconds(1));
  EXPECT_FALSE(told);
  EXPECT_EQ(store.loaded().settings.session(), 7u);
}

TEST(MemoryAgentStore, FullDiskChangesNothing) {
  SimLoop loop;
  MemoryAgentStore store(loop);
  store.SetDiskFull(true);
  absl::Status status;
  store.Commit(WithSession(1), [&](const absl::Status& s) { status = s; });
  loop.Advance(std::chrono::seconds(1));
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(store.settings().session(), 0u);
}

TEST(MemoryAgentStore, DamagedBlobIsDroppedWhenRead) {
  SimLoop loop;
  MemoryAgentStore store(loop);
  AgentStore::Batch batch;
  const auto digest = Sha256("content");
  batch.blobs[digest] = "content";
  store.Commit(std::move(batch), [](const absl::Status&) {});
  loop.Advance(std::chrono::seconds(1));
  EXPECT_EQ(*store.ReadBlob(digest), "content");
  store.DamageBlob(digest);
  EXPECT_TRUE(absl::IsDataLoss(store.ReadBlob(digest).status()));
  EXPECT_TRUE(absl::IsNotFound(store.ReadBlob(digest).status()));
}

TEST(MemoryAgentStore, LostStoreIsEmpty) {
  SimLoop loop;
  MemoryAgentStore store(loop);
  store.Commit(WithSession(1), [](const absl::Status&) {});
  loop.Advance(std::chrono::seconds(1));
  store.Lose();
  EXPECT_EQ(store.loaded().settings.session(), 0u);
}

}  // namespace
}  // namespace slicelet::agent
