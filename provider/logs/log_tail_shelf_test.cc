#include "provider/logs/log_tail_shelf.h"

#include <gtest/gtest.h>

#include "common/loop/testing/sim_loop.h"
#include "provider/store/testing/memory_hub_store.h"

namespace slicelet::provider {
namespace {

constexpr std::uint64_t kMany = std::uint64_t{1} << 30;

HubStore::LogTailKey Key(const std::string& uid, const std::string& host = "gw-1",
                         const std::string& container = "main") {
  return {PodUid(uid), HostId(host), container};
}

HubStore::LogTail Tail(std::uint32_t bytes, std::int64_t taken) {
  HubStore::LogTail tail;
  auto& instance = *tail.record.add_instances();
  instance.set_container_id("c1");
  instance.set_bytes(bytes);
  instance.set_taken(taken);
  tail.lines = std::string(bytes, 'x');
  return tail;
}

class LogTailShelfTest : public testing::Test {
 protected:
  void Put(const HubStore::LogTailKey& key, HubStore::LogTail tail) {
    HubStore::Batch batch;
    shelf_->Put(key, std::move(tail), batch);
    Commit(std::move(batch));
  }
  void Commit(HubStore::Batch batch) {
    store_.Commit(std::move(batch), [](const absl::Status&) {});
    loop_.Advance(std::chrono::seconds(1));
  }
  void Open(std::uint64_t limit) {
    shelf_.reset();
    store_.Open();
    shelf_.emplace(store_, limit);
  }
  [[nodiscard]] bool Has(const HubStore::LogTailKey& key) const {
    EXPECT_EQ(shelf_->Find(key) != nullptr, store_.CopyState().log_tails.count(key) != 0);
    return shelf_->Find(key) != nullptr;
  }

  SimLoop loop_;
  MemoryHubStore store_{loop_};
  std::optional<LogTailShelf> shelf_{std::in_place, store_, kMany};
};

TEST_F(LogTailShelfTest, KeepsWhatTheStoreHolds) {
  Put(Key("u1"), Tail(100, 1));
  Open(kMany);
  ASSERT_TRUE(Has(Key("u1")));
  EXPECT_EQ(shelf_->Read(Key("u1"))->lines.size(), 100U);
  EXPECT_EQ(shelf_->bytes(), 100 + LogTailShelf::kEntryBytes);
  Put(Key("u1"), Tail(10, 2));
  EXPECT_EQ(shelf_->bytes(), 10 + LogTailShelf::kEntryBytes);
}

TEST_F(LogTailShelfTest, OfOneHostTheOldestMakesRoomAndOtherHostsDoNot) {
  const auto quarter = static_cast<std::uint32_t>(LogTailShelf::kMaxHostBytes / 4);
  Put(Key("u0", "gw-2"), Tail(quarter, 0));
  for (int i = 1; i <= 3; ++i) Put(Key("u" + std::to_string(i)), Tail(quarter, i));
  Put(Key("u1"), Tail(quarter, 9));
  EXPECT_EQ(shelf_->dropped(), 0U);
  Put(Key("u4"), Tail(quarter, 5));
  EXPECT_FALSE(Has(Key("u2"))) << "read longest ago";
  EXPECT_TRUE(Has(Key("u1")));
  EXPECT_TRUE(Has(Key("u4")));
  EXPECT_TRUE(Has(Key("u0", "gw-2")));
  EXPECT_EQ(shelf_->dropped(), 1U);
  EXPECT_LE(shelf_->BytesOf(HostId("gw-1")), LogTailShelf::kMaxHostBytes);
}

TEST_F(LogTailShelfTest, OfAllHostsTheOldestMakesRoom) {
  Open(3'000);
  Put(Key("u1", "gw-1"), Tail(700, 3));
  Put(Key("u2", "gw-2"), Tail(700, 2));
  Put(Key("u3", "gw-3"), Tail(700, 4));
  EXPECT_TRUE(Has(Key("u1", "gw-1")));
  EXPECT_FALSE(Has(Key("u2", "gw-2")));
  EXPECT_TRUE(Has(Key("u3", "gw-3")));
  Put(Key("u4", "gw-4"), Tail(5'000, 0));
  EXPECT_TRUE(Has(Key("u4", "gw-4"))) << "the new one is never its own victim";
  EXPECT_FALSE(Has(Key("u3", "gw-3")));
}

TEST_F(LogTailShelfTest, WhatIsDroppedIsOfThatPodOnThatHost) {
  Put(Key("u1", "gw-1", "a"), Tail(1, 1));
  Put(Key("u1", "gw-1", "b"), Tail(1, 1));
  Put(Key("u1", "gw-2", "a"), Tail(1, 1));
  Put(Key("u2", "gw-1", "a"), Tail(1, 1));
  HubStore::Batch batch;
  shelf_->Drop(PodUid("u1"), HostId("gw-1"), batch);
  Commit(std::move(batch));
  EXPECT_FALSE(Has(Key("u1", "gw-1", "a")));
  EXPECT_FALSE(Has(Key("u1", "gw-1", "b")));
  EXPECT_TRUE(Has(Key("u1", "gw-2", "a")));
  EXPECT_TRUE(Has(Key("u2", "gw-1", "a")));
}

TEST_F(LogTailShelfTest, ASweepLeavesWhatIsWanted) {
  Put(Key("u1"), Tail(1, 1));
  Put(Key("u2"), Tail(1, 1));
  HubStore::Batch batch;
  shelf_->Sweep([](const PodUid& uid, const HostId&) { return uid.value() == "u2"; }, batch);
  Commit(std::move(batch));
  EXPECT_FALSE(Has(Key("u1")));
  EXPECT_TRUE(Has(Key("u2")));
}

TEST_F(LogTailShelfTest, AWriteThatFailedLeavesWhatWasThere) {
  Put(Key("u1"), Tail(100, 1));
  HubStore::Batch batch;
  shelf_->Put(Key("u1"), Tail(500, 2), batch);
  shelf_->Put(Key("u2"), Tail(500, 2), batch);
  shelf_->Reload({Key("u1"), Key("u2")});
  EXPECT_TRUE(Has(Key("u1")));
  EXPECT_FALSE(Has(Key("u2")));
  EXPECT_EQ(shelf_->bytes(), 100 + LogTailShelf::kEntryBytes);
}

TEST_F(LogTailShelfTest, AReadingWithoutNewsCountsForTheAge) {
  Put(Key("u1"), Tail(1, 1));
  shelf_->SetTaken(Key("u1"), "c1", 77);
  EXPECT_EQ(shelf_->Read(Key("u1"))->record.instances(0).taken(), 77);
}

}  // namespace
}  // namespace slicelet::provider
