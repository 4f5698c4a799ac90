#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "common/base/encoding.h"
#include "common/base/testing/temporary_directory.h"
#include "common/sqlite/database.h"
#include "edge-agent/senml-export/outbox.h"

namespace slicelet::senml {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kLimit = 10'000;

class SqliteOutboxTest : public testing::Test {
 protected:
  [[nodiscard]] std::string Path() const { return directory_.File("outbox.db"); }
  [[nodiscard]] std::unique_ptr<Outbox> Open(std::uint64_t limit = kLimit) const {
    auto opened = OpenSqliteOutbox(Path(), limit);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : nullptr;
  }
  /// Made of a message of its own.
  static bool Add(Outbox& outbox, const std::string& pack) {
    static int messages = 0;
    return outbox.Add(pack, Sha256(std::to_string(++messages))).value_or(false);
  }
  static std::vector<std::string> Packs(Outbox& outbox) {
    std::vector<std::string> packs;
    const auto items = outbox.After(0, 1'000);
    EXPECT_TRUE(items.ok()) << items.status();
    for (const auto& item : *items) packs.push_back(item.pack);
    return packs;
  }

  TemporaryDirectory directory_;
};

TEST_F(SqliteOutboxTest, KeepsPacksInOrderUntilTheyAreRemoved) {
  const auto outbox = Open();
  for (const char* pack : {"one", "two", "three"}) ASSERT_TRUE(Add(*outbox, pack));
  EXPECT_THAT(Packs(*outbox), ElementsAre("one", "two", "three"));
  const auto items = outbox->After(0, 2).value();
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(outbox->After(items[1].id, 2).value().front().pack, "three");

  ASSERT_TRUE(outbox->Remove(items[0].id).ok());
  ASSERT_TRUE(outbox->Remove(items[0].id).ok());
  EXPECT_THAT(Packs(*outbox), ElementsAre("two", "three"));
  EXPECT_EQ(outbox->totals().packs, 2U);
}

TEST_F(SqliteOutboxTest, OutlivesAKilledProcess) {
  const pid_t child = fork();
  if (child == 0) {
    const auto outbox = OpenSqliteOutbox(Path(), kLimit);
    if (!outbox.ok() || !Add(**outbox, "one") || !Add(**outbox, "two")) _exit(1);
    if (!(*outbox)->Remove((*outbox)->After(0, 1).value().front().id).ok()) _exit(1);
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  const auto outbox = Open();
  EXPECT_THAT(Packs(*outbox), ElementsAre("two"));
  EXPECT_EQ(outbox->totals().packs, 1U);
}

TEST_F(SqliteOutboxTest, AnIdIsNeverUsedTwice) {
  std::uint64_t first = 0;
  {
    const auto outbox = Open();
    ASSERT_TRUE(Add(*outbox, "one"));
    first = outbox->After(0, 1).value().front().id;
    ASSERT_TRUE(outbox->Remove(first).ok());
  }
  const auto outbox = Open();
  ASSERT_TRUE(Add(*outbox, "two"));
  EXPECT_GT(outbox->After(0, 1).value().front().id, first);
}

TEST_F(SqliteOutboxTest, AFullOneDropsItsOldestAndCountsThem) {
  const auto outbox = Open();
  const std::string quarter(kLimit / 4 - 100, 'x');
  for (const char* name : {"1", "2", "3", "4"}) ASSERT_TRUE(Add(*outbox, name + quarter));
  EXPECT_EQ(outbox->totals().dropped, 0U);
  ASSERT_TRUE(Add(*outbox, "5" + quarter + quarter));
  EXPECT_THAT(Packs(*outbox), ElementsAre("3" + quarter, "4" + quarter, "5" + quarter + quarter));
  EXPECT_EQ(outbox->totals().dropped, 2U);
  EXPECT_LE(outbox->totals().bytes, kLimit);
}

TEST_F(SqliteOutboxTest, OnAFullVolumeItDropsItsOldestAndCanBeEmptied) {
  std::uint64_t room = std::uint64_t{256} * 1024;
  const auto outbox = OpenSqliteOutbox(Path(), std::uint64_t{1} << 30, std::chrono::milliseconds(1), [&] {
                        return Outbox::kReserve + room - std::filesystem::file_size(Path());
                      }).value();
  const std::string tail(1'000, 'x');
  constexpr int kPacks = 1'000;
  for (int i = 0; i < kPacks; ++i) ASSERT_TRUE(Add(*outbox, std::to_string(i) + tail)) << i;
  EXPECT_GT(outbox->totals().dropped, 700U);
  EXPECT_EQ(outbox->totals().packs + outbox->totals().dropped, 0U + kPacks);
  EXPECT_GT(outbox->totals().packs, 100U) << "not more than needed";
  EXPECT_LE(std::filesystem::file_size(Path()), room);
  const auto kept = Packs(*outbox);
  ASSERT_EQ(kept.size(), outbox->totals().packs);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    EXPECT_EQ(kept[i], std::to_string(kPacks - kept.size() + i) + tail);
  }
  // One that takes much of it, and one that takes more than there is: nothing is dropped for that.
  EXPECT_TRUE(Add(*outbox, std::string(100'000, 'y')));
  const auto before = outbox->totals();
  const auto refused = outbox->Add(std::string(room, 'z'), Sha256("z"));
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status())) << refused.status();
  EXPECT_EQ(outbox->totals().packs, before.packs);
  EXPECT_EQ(outbox->totals().dropped, before.dropped);
  EXPECT_TRUE(outbox->CanAdd().ok()) << "there is room for others";

  // More room is used at once.
  room *= 2;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Add(*outbox, tail));
  EXPECT_EQ(outbox->totals().dropped, before.dropped);
  const auto waiting = outbox->After(0, kPacks).value();
  for (const auto& item : waiting) ASSERT_TRUE(outbox->Remove(item.id).ok());
  EXPECT_EQ(outbox->totals().packs, 0U);
}

TEST_F(SqliteOutboxTest, ALowerLimitCountsFromTheNextPackOn) {
  {
    const auto outbox = Open();
    for (const char* name : {"1", "2", "3"}) ASSERT_TRUE(Add(*outbox, name + std::string(1'000, 'x')));
  }
  const auto outbox = Open(1'500);
  ASSERT_TRUE(Add(*outbox, "4"));
  EXPECT_THAT(Packs(*outbox), ElementsAre(HasSubstr("3x"), "4"));
}

TEST_F(SqliteOutboxTest, TheFileDoesNotGrowForEver) {
  const auto outbox = OpenSqliteOutbox(Path(), kLimit, std::chrono::milliseconds(1)).value();
  const std::string pack(kLimit / 10, 'x');
  for (int i = 0; i < 2'000; ++i) {
    ASSERT_TRUE(Add(*outbox, pack));
    ASSERT_TRUE(outbox->Remove(outbox->After(0, 1).value().front().id).ok());
  }
  EXPECT_LT(std::filesystem::file_size(Path()), 10 * kLimit);
}

TEST_F(SqliteOutboxTest, AMessageIsKeptOnceAlsoOverARestart) {
  const Digest message = Sha256("message");
  {
    const auto outbox = Open();
    EXPECT_TRUE(outbox->Add("one", message).value());
    EXPECT_FALSE(outbox->Add("one", message).value());
    ASSERT_TRUE(outbox->Remove(outbox->After(0, 1).value().front().id).ok());
  }
  const auto outbox = Open();
  EXPECT_FALSE(outbox->Add("one", message).value());
  EXPECT_THAT(Packs(*outbox), IsEmpty());

  // No longer than it can matter.
  for (std::size_t i = 0; i + 1 < Outbox::kRemembered; ++i) ASSERT_TRUE(Add(*outbox, "other"));
  EXPECT_FALSE(outbox->Add("one", message).value());
  ASSERT_TRUE(Add(*outbox, "other"));
  EXPECT_TRUE(outbox->Add("one", message).value());
}

TEST_F(SqliteOutboxTest, APackThatCouldNotBeKeptMayComeAgain) {
  const Digest message = Sha256("message");
  const auto outbox = Open();
  auto second = sqlite::Database::Open(Path(), sqlite::Database::Mode::kReadWrite).value();
  ASSERT_TRUE(
      second->Execute("CREATE TRIGGER full BEFORE INSERT ON recent BEGIN SELECT RAISE(ABORT, 'full'); END")
          .ok());
  EXPECT_FALSE(outbox->Add("one", message).ok());
  ASSERT_TRUE(second->Execute("DROP TRIGGER full").ok());
  EXPECT_TRUE(outbox->Add("one", message).value());
  EXPECT_THAT(Packs(*outbox), ElementsAre("one"));
}

TEST_F(SqliteOutboxTest, WhetherSomethingCanBeAddedIsTriedByWriting) {
  const Digest message = Sha256("message");
  {
    const auto outbox = OpenSqliteOutbox(Path(), kLimit, std::chrono::hours(1)).value();
    EXPECT_TRUE(outbox->CanAdd().ok());
    EXPECT_TRUE(outbox->Add("one", message).value());
    auto second = sqlite::Database::Open(Path(), sqlite::Database::Mode::kReadWrite).value();
    ASSERT_TRUE(second->Execute("PRAGMA wal_checkpoint(TRUNCATE)").ok());
    ASSERT_EQ(std::filesystem::file_size(Path() + "-wal"), 0U);
    EXPECT_TRUE(outbox->CanAdd().ok());
    EXPECT_GT(std::filesystem::file_size(Path() + "-wal"), 0U);

    ASSERT_TRUE(
        second->Execute("CREATE TRIGGER full BEFORE UPDATE ON recent BEGIN SELECT RAISE(ABORT, 'full'); END")
            .ok());
    EXPECT_FALSE(outbox->CanAdd().ok());
    ASSERT_TRUE(second->Execute("DROP TRIGGER full").ok());
    EXPECT_TRUE(outbox->CanAdd().ok());
  }
  // Nothing is different for it.
  const auto outbox = Open();
  EXPECT_FALSE(outbox->Add("one", message).value());
  EXPECT_THAT(Packs(*outbox), ElementsAre("one"));
}

TEST_F(SqliteOutboxTest, OnlyOneProcessMayOpenIt) {
  const auto outbox = Open();
  EXPECT_THAT(Message(OpenSqliteOutbox(Path(), kLimit).status()), HasSubstr("in use by another process"));
}

TEST_F(SqliteOutboxTest, ADamagedFileIsPutAside) {
  std::ofstream(Path()) << "this is no database, and long enough to be looked at";
  const auto outbox = Open();
  EXPECT_THAT(Packs(*outbox), IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(Path() + ".damaged"));
}

}  // namespace
}  // namespace slicelet::senml
