#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <vector>

#include "common/base/testing/temporary_directory.h"
#include "common/sqlite/batch_writer.h"
#include "common/sqlite/open.h"

namespace slicelet::sqlite {
namespace {

const std::vector<std::string> kMigrations = {"CREATE TABLE kv (k TEXT PRIMARY KEY, v BLOB NOT NULL) STRICT"};

// Runs posted tasks on the test's thread.
class TestLoop : public Loop {
 public:
  void Post(Task task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    wake_.notify_one();
  }
  TimerId RunAfter(Duration, Task) override { std::abort(); }
  void Cancel(TimerId) override {}
  [[nodiscard]] MonotonicTime Now() const override { return MonotonicTime{}; }

  template <typename Predicate>
  void RunUntil(Predicate done) {
    while (!done()) {
      std::vector<Task> tasks;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return !tasks_.empty(); });
        tasks.swap(tasks_);
      }
      for (Task& task : tasks) task();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Task> tasks_;
};

class SqliteTest : public testing::Test {
 protected:
  absl::StatusOr<Opened> Open(const std::vector<std::string>& migrations = kMigrations) {
    rows_.clear();
    return OpenStore(path_, migrations, [this](Database& database) -> absl::Status {
      rows_.clear();
      SLICELET_ASSIGN_OR_RETURN(Statement read, database.Prepare("SELECT k FROM kv ORDER BY k"));
      while (true) {
        SLICELET_ASSIGN_OR_RETURN(const bool row, read.Step());
        if (!row) return absl::OkStatus();
        rows_.push_back(read.Bytes(0));
        if (rows_.back() == "undecodable") return absl::DataLossError("kv: undecodable");
      }
    });
  }

  static BatchWriter::Write Put(const std::string& key, const std::string& value) {
    return [key, value](Database& database) -> absl::Status {
      SLICELET_ASSIGN_OR_RETURN(Statement put, database.Prepare("INSERT INTO kv VALUES (?, ?)"));
      return put.BindText(1, key).BindBlob(2, value).Run();
    };
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.File("store.db");
  std::vector<std::string> rows_;
};

TEST_F(SqliteTest, WritesAreThereAfterReopeningAndDoneComesInOrder) {
  TestLoop loop;
  std::vector<int> done;
  {
    auto opened = Open();
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_TRUE(opened->created);
    BatchWriter writer(std::move(opened->database), loop, "test-store");
    for (int i = 0; i < 3; ++i) {
      writer.Submit(Put("k" + std::to_string(i), ""), [&done, i](const absl::Status& status) {
        EXPECT_TRUE(status.ok()) << status;
        done.push_back(i);
      });
    }
    loop.RunUntil([&done] { return done.size() == 3; });
  }
  EXPECT_EQ(done, (std::vector<int>{0, 1, 2}));
  auto again = Open();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->created);
  EXPECT_EQ(rows_, (std::vector<std::string>{"k0", "k1", "k2"}));
}

TEST_F(SqliteTest, AWriteThatFailsIsUndoneAlone) {
  TestLoop loop;
  std::vector<absl::Status> results;
  {
    auto opened = Open();
    ASSERT_TRUE(opened.ok()) << opened.status();
    BatchWriter writer(std::move(opened->database), loop, "test-store");
    const auto keep = [&results](const absl::Status& status) { results.push_back(status); };
    writer.Submit(Put("a", "1"), keep);
    writer.Submit(
        [](Database& database) -> absl::Status {
          SLICELET_RETURN_IF_ERROR(Put("half", "1")(database));
          return absl::InvalidArgumentError("no");
        },
        keep);
    writer.Submit(Put("b", "1"), keep);
    loop.RunUntil([&results] { return results.size() == 3; });
  }
  EXPECT_TRUE(results[0].ok());
  EXPECT_EQ(results[1].code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(results[2].ok());
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(rows_, (std::vector<std::string>{"a", "b"}));
}

TEST_F(SqliteTest, AFullDiskIsResourceExhaustedAndWritingGoesOnAfterwards) {
  TestLoop loop;
  std::vector<absl::Status> results;
  auto opened = Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  BatchWriter writer(std::move(opened->database), loop, "test-store");
  const auto keep = [&results](const absl::Status& status) { results.push_back(status); };
  // A page limit gives the same SQLITE_FULL as a full disk.
  writer.Submit([](Database& database) { return database.Execute("PRAGMA max_page_count=4"); }, keep);
  loop.RunUntil([&results] { return results.size() == 1; });
  writer.Submit(Put("big", std::string(100'000, 'x')), keep);
  loop.RunUntil([&results] { return results.size() == 2; });
  EXPECT_EQ(results[1].code(), absl::StatusCode::kResourceExhausted) << results[1];
  writer.Submit([](Database& database) { return database.Execute("PRAGMA max_page_count=1000"); }, keep);
  writer.Submit(Put("big", std::string(100'000, 'x')), keep);
  loop.RunUntil([&results] { return results.size() == 4; });
  EXPECT_TRUE(results[3].ok()) << results[3];
}

TEST_F(SqliteTest, OnlyOneProcessAtATimeMayOpenIt) {
  auto opened = Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SqliteTest, ADamagedFileIsKeptAsideAndReplaced) {
  {
    ASSERT_TRUE(Open().ok());
  }
  std::ofstream(path_, std::ios::binary) << "this is not a database, and long enough to be looked at as one";
  auto opened = Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(opened->created);
  EXPECT_TRUE(std::filesystem::exists(path_ + ".damaged"));
}

TEST_F(SqliteTest, ATruncatedFileIsKeptAsideAndReplaced) {
  {
    auto opened = Open();
    ASSERT_TRUE(opened.ok());
    ASSERT_TRUE(Put("k", std::string(50'000, 'x'))(*opened->database).ok());
  }
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) / 2);
  auto opened = Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(opened->created);
}

TEST_F(SqliteTest, AFileOfLessThanAPageIsNotTakenForAnEmptyOne) {
  for (const std::uintmax_t left : {1U, 99U, 1'365U, 2'048U}) {
    const std::string kept = path_ + ".damaged";
    {
      ASSERT_TRUE(Open().ok());
    }
    std::filesystem::resize_file(path_, left);
    const auto opened = Open();
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_TRUE(opened->created);
    ASSERT_TRUE(std::filesystem::exists(kept)) << left;
    EXPECT_EQ(std::filesystem::file_size(kept), left);
    std::filesystem::remove(kept);
  }
  // Nothing was ever written: it is new, not damaged.
  std::filesystem::remove(path_);
  std::ofstream(path_, std::ios::binary).flush();
  ASSERT_TRUE(Open().ok());
  EXPECT_FALSE(std::filesystem::exists(path_ + ".damaged"));
}

TEST_F(SqliteTest, WhatIsStillInTheLogOfWritesIsNoDamage) {
  auto opened = Open();
  ASSERT_TRUE(opened.ok());
  ASSERT_TRUE(Put("k", "v")(*opened->database).ok());
  // As after a crash.
  for (const char* suffix : {"", "-wal"}) {
    std::filesystem::copy_file(path_ + suffix, directory_.File("copy.db") + suffix);
  }
  std::filesystem::resize_file(directory_.File("copy.db"), 1'365);
  std::vector<std::string> read;
  const auto copy =
      OpenStore(directory_.File("copy.db"), kMigrations, [&](Database& database) -> absl::Status {
        SLICELET_ASSIGN_OR_RETURN(Statement keys, database.Prepare("SELECT k FROM kv"));
        SLICELET_ASSIGN_OR_RETURN(const bool row, keys.Step());
        if (row) read.push_back(keys.Bytes(0));
        return absl::OkStatus();
      });
  ASSERT_TRUE(copy.ok()) << copy.status();
  EXPECT_EQ(read, std::vector<std::string>{"k"});
  EXPECT_FALSE(std::filesystem::exists(directory_.File("copy.db") + ".damaged"));
}

TEST_F(SqliteTest, ARowThatCannotBeDecodedCountsAsDamage) {
  {
    auto opened = Open();
    ASSERT_TRUE(opened.ok());
    ASSERT_TRUE(Put("undecodable", "")(*opened->database).ok());
  }
  auto opened = Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(opened->created);
  EXPECT_TRUE(rows_.empty());
}

TEST_F(SqliteTest, MigratesForwardAndRefusesANewerFile) {
  {
    ASSERT_TRUE(Open().ok());
  }
  {
    auto newer = Open({kMigrations[0], "CREATE TABLE more (k TEXT PRIMARY KEY) STRICT"});
    ASSERT_TRUE(newer.ok()) << newer.status();
    EXPECT_FALSE(newer->created);
  }
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace slicelet::sqlite
