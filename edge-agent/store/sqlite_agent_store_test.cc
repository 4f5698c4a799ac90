#include "edge-agent/store/sqlite_agent_store.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "common/base/encoding.h"
#include "common/base/testing/temporary_directory.h"
#include "common/loop/asio_loop.h"
#include "common/sqlite/database.h"

namespace slicelet::agent {
namespace {

class SqliteAgentStoreTest : public testing::Test {
 protected:
  [[nodiscard]] std::string path() const { return directory_.File("agent.db"); }
  std::unique_ptr<AgentStore> Open() {
    auto store = MakeSqliteAgentStore(path(), loop_);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  absl::Status Commit(AgentStore& store, AgentStore::Batch batch) {
    std::optional<absl::Status> result;
    store.Commit(std::move(batch), [&](const absl::Status& status) { result = status; });
    while (!result) static_cast<boost::asio::io_context*>(loop_.io_context())->run_one();
    return *result;
  }
  static AgentStore::Batch Everything() {
    AgentStore::Batch batch;
    batch.manifest.emplace().set_manifest("signed");
    batch.settings.emplace().set_session(7);
    batch.records[PodUid("u1")].emplace().set_uid("u1");
    batch.blobs[Sha256("content")] = "content";
    auto& credential = batch.credentials.emplace_back();
    credential.set_uid("u1");
    credential.set_name("token");
    return batch;
  }

  TemporaryDirectory directory_;
  AsioLoop loop_;
};

TEST_F(SqliteAgentStoreTest, HoldsEverythingOverAReopen) {
  {
    auto store = Open();
    ASSERT_TRUE(Commit(*store, Everything()).ok());
    EXPECT_EQ(*store->ReadBlob(Sha256("content")), "content");
  }
  auto store = Open();
  EXPECT_EQ(store->loaded().manifest->manifest(), "signed");
  EXPECT_EQ(store->loaded().settings.session(), 7u);
  EXPECT_EQ(store->loaded().records.count(PodUid("u1")), 1u);
  EXPECT_EQ(store->loaded().credentials.size(), 1u);
  ASSERT_EQ(store->loaded().blobs.size(), 1u);
  EXPECT_EQ(*store->ReadBlob(store->loaded().blobs[0]), "content");
}

TEST_F(SqliteAgentStoreTest, RemovesWhatABatchTakesBack) {
  {
    auto store = Open();
    ASSERT_TRUE(Commit(*store, Everything()).ok());
    AgentStore::Batch batch;
    batch.records[PodUid("u1")] = std::nullopt;
    batch.blobs[Sha256("content")] = std::nullopt;
    batch.drop_credentials.emplace_back("u1");
    ASSERT_TRUE(Commit(*store, std::move(batch)).ok());
    EXPECT_TRUE(absl::IsNotFound(store->ReadBlob(Sha256("content")).status()));
  }
  auto store = Open();
  EXPECT_TRUE(store->loaded().records.empty());
  EXPECT_TRUE(store->loaded().credentials.empty());
  EXPECT_TRUE(store->loaded().blobs.empty());
  EXPECT_TRUE(store->loaded().manifest);
}

TEST_F(SqliteAgentStoreTest, DropsABlobWhoseBytesChanged) {
  auto store = Open();
  AgentStore::Batch batch;
  batch.blobs[Sha256("other")] = "content";
  ASSERT_TRUE(Commit(*store, std::move(batch)).ok());
  EXPECT_TRUE(absl::IsDataLoss(store->ReadBlob(Sha256("other")).status()));
  ASSERT_TRUE(Commit(*store, {}).ok());
  EXPECT_TRUE(absl::IsNotFound(store->ReadBlob(Sha256("other")).status()));
}

TEST_F(SqliteAgentStoreTest, PutsADamagedFileAsideAndSaysItForgot) {
  {
    ASSERT_TRUE(Commit(*Open(), Everything()).ok());
  }
  std::ofstream(path(), std::ios::trunc) << "this is not a database, whatever it was before the power went";
  auto store = Open();
  EXPECT_FALSE(store->loaded().manifest);
  EXPECT_TRUE(std::filesystem::exists(path() + ".damaged"));
}

TEST_F(SqliteAgentStoreTest, RefusesASecondProcess) {
  auto store = Open();
  EXPECT_TRUE(absl::IsFailedPrecondition(MakeSqliteAgentStore(path(), loop_).status()));
}

}  // namespace
}  // namespace slicelet::agent
