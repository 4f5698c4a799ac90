#include "provider/store/hub_store.h"

#include <gtest/gtest.h>

#include "common/base/testing/temporary_directory.h"
#include "common/loop/asio_loop.h"
#include "common/loop/testing/run_until.h"
#include "common/loop/testing/sim_loop.h"
#include "provider/store/sqlite_hub_store.h"
#include "provider/store/testing/memory_hub_store.h"

namespace slicelet::provider {
namespace {

const HubStore::LogTailKey kTail{PodUid("u1"), HostId("gw-1"), "main"};

HubStore::Batch Example() {
  HubStore::Batch batch;
  batch.settings.emplace().set_store_id("s1");
  batch.hosts[HostId("gw-1")].emplace().mutable_generation()->set_number(7);
  batch.nodes[NodeName("gw-1")].emplace().set_cluster_uid("c");
  batch.orphans[PodUid("u1")].emplace().set_held(true);
  batch.statuses[{PodUid("u1"), HostId("gw-1")}].emplace().set_host("gw-1");
  batch.placements[PodUid("u1")].emplace().add_hosts("gw-1");
  HubStore::LogTail& tail = batch.log_tails[kTail].emplace();
  tail.record.add_instances()->set_bytes(6);
  tail.lines = "line\n\n";
  batch.blobs[Digest("d1")] = "content";
  batch.blobs[Digest("d2")] = "";
  return batch;
}

void ExpectExample(HubStore& store) {
  const HubStore::Loaded& loaded = store.loaded();
  EXPECT_EQ(loaded.settings.store_id(), "s1");
  EXPECT_EQ(loaded.hosts.at(HostId("gw-1")).generation().number(), 7U);
  EXPECT_EQ(loaded.nodes.at(NodeName("gw-1")).cluster_uid(), "c");
  EXPECT_TRUE(loaded.orphans.at(PodUid("u1")).held());
  EXPECT_EQ(loaded.placements.at(PodUid("u1")).hosts(0), "gw-1");
  EXPECT_EQ(loaded.statuses.size(), 1U);
  EXPECT_EQ(loaded.blobs, (std::vector<Digest>{Digest("d1"), Digest("d2")}));
  EXPECT_EQ(loaded.log_tails.at(kTail).instances(0).bytes(), 6U);
  EXPECT_EQ(store.ReadLogTail(kTail)->lines, "line\n\n");
  EXPECT_EQ(store.ReadLogTail(kTail)->record.instances(0).bytes(), 6U);
  EXPECT_TRUE(absl::IsNotFound(store.ReadLogTail({PodUid("u1"), HostId("gw-1"), "other"}).status()));
  EXPECT_EQ(*store.ReadBlob(Digest("d1")), "content");
  EXPECT_EQ(*store.ReadBlob(Digest("d2")), "");
  EXPECT_EQ(store.ReadBlob(Digest("d3")).status().code(), absl::StatusCode::kNotFound);
}

class SqliteHubStoreTest : public testing::Test {
 protected:
  std::unique_ptr<HubStore> Open() {
    auto store = MakeSqliteHubStore(directory_.File("hub.db"), loop_);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? std::move(*store) : nullptr;
  }
  void Commit(HubStore& store, HubStore::Batch batch) {
    bool done = false;
    store.Commit(std::move(batch), [&done](const absl::Status& status) {
      EXPECT_TRUE(status.ok()) << status;
      done = true;
    });
    EXPECT_TRUE(RunLoopUntil(loop_, [&done] { return done; }));
  }

  AsioLoop loop_;
  TemporaryDirectory directory_;
};

TEST_F(SqliteHubStoreTest, EverythingIsThereAfterReopening) {
  {
    const auto store = Open();
    EXPECT_TRUE(store->created());
    Commit(*store, Example());
    EXPECT_EQ(*store->ReadBlob(Digest("d1")), "content");
  }
  const auto store = Open();
  EXPECT_FALSE(store->created());
  ExpectExample(*store);
}

TEST_F(SqliteHubStoreTest, ALogIsReplacedAndRemoved) {
  const auto store = Open();
  Commit(*store, Example());
  HubStore::Batch newer;
  newer.log_tails[kTail].emplace().lines = "other\n";
  Commit(*store, std::move(newer));
  EXPECT_EQ(store->ReadLogTail(kTail)->lines, "other\n");
  EXPECT_EQ(store->ReadLogTail(kTail)->record.instances_size(), 0);
  HubStore::Batch none;
  none.log_tails[kTail] = std::nullopt;
  Commit(*store, std::move(none));
  EXPECT_TRUE(absl::IsNotFound(store->ReadLogTail(kTail).status()));
}

TEST(MemoryHubStore, LosesWhatWasNotDurableAndKeepsTheRest) {
  SimLoop loop;
  MemoryHubStore store(loop);
  int done = 0;
  store.Commit(Example(), [&done](const absl::Status&) { ++done; });
  loop.Advance(std::chrono::milliseconds(2));
  EXPECT_EQ(done, 1);
  HubStore::Batch lost;
  lost.settings.emplace().set_store_id("lost");
  store.Commit(std::move(lost), [&done](const absl::Status&) { ++done; });
  store.Open();
  loop.Advance(std::chrono::seconds(1));
  EXPECT_EQ(done, 1);
  ExpectExample(store);
}

TEST(MemoryHubStore, ACrashBetweenDurableAndDoneKeepsTheDataAndSwallowsTheAnswer) {
  SimLoop loop;
  MemoryHubStore store(loop);
  store.OnPoint([&store](MemoryHubStore::Point point) {
    if (point == MemoryHubStore::Point::kDurable) store.Crash();
  });
  bool done = false;
  store.Commit(Example(), [&done](const absl::Status&) { done = true; });
  loop.Advance(std::chrono::seconds(1));
  EXPECT_FALSE(done);
  store.Open();
  ExpectExample(store);
}

}  // namespace
}  // namespace slicelet::provider
