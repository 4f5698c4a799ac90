#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "common/log/log.h"
#include "common/sqlite/database.h"
#include "common/sqlite/open.h"
#include "edge-agent/senml-export/outbox.h"
#include "edge-agent/senml-export/recent_messages.h"

namespace slicelet::senml {
namespace {

using sqlite::Database;
using sqlite::Statement;

/// What a row costs beside its pack.
constexpr std::uint64_t kRowBytes = 32;
/// Dropped at least when the volume is full: a page is free once all its rows are gone.
constexpr std::uint64_t kDroppedAtOnce = std::uint64_t{64} * 1024;
/// Between two looks at the room on the volume.
constexpr std::chrono::seconds kBoundPeriod{1};
/// SQLite's default since 2016.
constexpr std::uint64_t kPageBytes = 4'096;
/// What SQLite allows by itself.
constexpr std::uint64_t kMostPages = 1'000'000'000;
/// AUTOINCREMENT: an id that was removed is never given again, because an answer for it may still be on its
/// way.
constexpr char kSchema[] = "CREATE TABLE packs (id INTEGER PRIMARY KEY AUTOINCREMENT, pack BLOB NOT NULL)";
/// The ring of `RecentMessages`.
constexpr char kRecentSchema[] =
    "CREATE TABLE recent (slot INTEGER PRIMARY KEY, number INTEGER NOT NULL, message INTEGER NOT NULL)";
/// A commit survives the process without touching the disk; `Syncer` makes it survive the machine.
constexpr char kSettings[] = "PRAGMA synchronous=NORMAL";

/// Brings what was committed to the disk, at its own pace, with a connection of its own.
class Syncer {
 public:
  Syncer(std::unique_ptr<Database> database, Duration period)
      : database_(std::move(database)), period_(period), thread_([this] { Run(); }) {
    pthread_setname_np(thread_.native_handle(), "outbox-sync");
  }
  ~Syncer() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  Syncer(const Syncer&) = delete;
  Syncer& operator=(const Syncer&) = delete;

  void SetDirty() {
    const std::lock_guard lock(mutex_);
    dirty_ = true;
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      wake_.wait_for(lock, period_, [this] { return stopping_; });
      if (!std::exchange(dirty_, false)) continue;
      lock.unlock();
      const absl::Status synced = database_->Execute("PRAGMA wal_checkpoint(PASSIVE)");
      if (!synced.ok()) LogWarning("the outbox is not on the disk yet", {{"why", Message(synced)}});
      lock.lock();
    }
  }

  const std::unique_ptr<Database> database_;
  const Duration period_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool dirty_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

class SqliteOutbox : public Outbox {
 public:
  SqliteOutbox(sqlite::Opened opened, std::unique_ptr<Database> second, const Totals& stored,
               RecentMessages recent, std::uint64_t limit, Duration sync_period,
               std::function<std::uint64_t()> available)
      : opened_(std::move(opened)),
        limit_(limit),
        available_(std::move(available)),
        totals_(stored),
        recent_(std::move(recent)),
        syncer_(std::move(second), sync_period) {
    BoundFile();
  }

  absl::StatusOr<bool> Add(const std::string& pack, const Digest& message) override {
    const std::lock_guard lock(mutex_);
    const std::uint64_t key = RecentMessages::KeyOf(message);
    if (recent_.Contains(key)) return false;
    // Others write to the volume too.
    if (std::chrono::steady_clock::now() - bounded_at_ >= kBoundPeriod) BoundFile();
    auto added = AddAlone(pack, key, 0);
    if (absl::IsResourceExhausted(added.status())) {
      // There may be more room than there was.
      BoundFile();
      added = AddAlone(pack, key, 0);
    }
    if (absl::IsResourceExhausted(added.status())) {
      added = AddAlone(pack, key, 2 * pack.size() + kDroppedAtOnce);
      if (added.ok() && !std::exchange(said_full_, true)) {
        LogWarning("the outbox's volume is full: the oldest packs are dropped",
                   {{"path", database().path()}, {"waiting", added->packs}});
      }
    }
    if (!added.ok()) return added.status();
    totals_ = *added;
    recent_.Put(recent_.next(), key);
    syncer_.SetDirty();
    return true;
  }

  absl::Status CanAdd() override {
    const std::lock_guard lock(mutex_);
    SLICELET_RETURN_IF_ERROR(database().Execute("BEGIN IMMEDIATE"));
    // As it was, but written: twice, because SQLite writes nothing that does not change, and with numbers
    // that take as much. It needs no room in the file, where `Add` makes some, only beside it.
    static constexpr char kFlip[] = "UPDATE recent SET number = (number | 1) - (number & 1)";
    absl::Status written = database().Execute(kFlip);
    if (written.ok()) written = database().Execute(kFlip);
    if (written.ok()) written = database().Execute("COMMIT");
    if (!written.ok()) RollBack();
    return written;
  }

  absl::StatusOr<std::vector<Item>> After(std::uint64_t id, std::size_t count) override {
    const std::lock_guard lock(mutex_);
    SLICELET_ASSIGN_OR_RETURN(
        Statement read, database().Prepare("SELECT id, pack FROM packs WHERE id > ?1 ORDER BY id LIMIT ?2"));
    read.BindInt(1, static_cast<std::int64_t>(id)).BindInt(2, static_cast<std::int64_t>(count));
    std::vector<Item> items;
    while (true) {
      SLICELET_ASSIGN_OR_RETURN(const bool row, read.Step());
      if (!row) return items;
      items.push_back({static_cast<std::uint64_t>(read.Int(0)), read.Bytes(1)});
    }
  }

  absl::Status Remove(std::uint64_t id) override {
    const std::lock_guard lock(mutex_);
    SLICELET_ASSIGN_OR_RETURN(Statement remove,
                              database().Prepare("DELETE FROM packs WHERE id = ?1 RETURNING length(pack)"));
    remove.BindInt(1, static_cast<std::int64_t>(id));
    std::optional<std::uint64_t> bytes;
    SLICELET_ASSIGN_OR_RETURN(bool row, remove.Step());
    if (row) bytes = static_cast<std::uint64_t>(remove.Int(0));
    while (row) {
      SLICELET_ASSIGN_OR_RETURN(row, remove.Step());
    }
    if (!bytes) return absl::OkStatus();
    if (--totals_.packs == 0) said_full_ = false;
    totals_.bytes -= *bytes + kRowBytes;
    syncer_.SetDirty();
    return absl::OkStatus();
  }

  [[nodiscard]] Totals totals() const override {
    const std::lock_guard lock(mutex_);
    return totals_;
  }

  static absl::StatusOr<Totals> Count(Database& database) {
    SLICELET_ASSIGN_OR_RETURN(Statement read,
                              database.Prepare("SELECT count(*), coalesce(sum(length(pack)), 0) FROM packs"));
    SLICELET_ASSIGN_OR_RETURN(const bool row, read.Step());
    if (!row) return absl::DataLossError(database.path() + ": cannot be counted");
    const auto packs = static_cast<std::uint64_t>(read.Int(0));
    return Totals{packs, static_cast<std::uint64_t>(read.Int(1)) + packs * kRowBytes, 0};
  }

  static absl::Status ReadRecent(Database& database, RecentMessages& recent) {
    SLICELET_ASSIGN_OR_RETURN(Statement read,
                              database.Prepare("SELECT number, message FROM recent ORDER BY number"));
    while (true) {
      SLICELET_ASSIGN_OR_RETURN(const bool row, read.Step());
      if (!row) return absl::OkStatus();
      recent.Put(static_cast<std::uint64_t>(read.Int(0)), static_cast<std::uint64_t>(read.Int(1)));
    }
  }

 private:
  Database& database() { return *opened_.database; }

  /// Lets the file grow to what its volume has room for, so that SQLite says that it is full before it is.
  void BoundFile() {
    bounded_at_ = std::chrono::steady_clock::now();
    std::error_code unknown;
    const std::uint64_t size = std::filesystem::file_size(database().path(), unknown);
    if (unknown) return;
    const std::uint64_t available = std::min(available_(), kMostPages * kPageBytes);
    const std::uint64_t growth = available > kReserve ? available - kReserve : 0;
    const std::uint64_t pages = std::clamp<std::uint64_t>((size + growth) / kPageBytes, 1, kMostPages);
    // It is never less than what there is.
    const absl::Status bounded = database().Execute("PRAGMA max_page_count=" + std::to_string(pages));
    if (!bounded.ok()) LogWarning("the outbox's file has no bound", {{"why", Message(bounded)}});
  }

  /// Drops `give_up` bytes of the oldest packs for it. Returns what the totals are then.
  absl::StatusOr<Totals> AddAlone(const std::string& pack, std::uint64_t message, std::uint64_t give_up) {
    SLICELET_RETURN_IF_ERROR(database().Execute("BEGIN IMMEDIATE"));
    auto added = AddOne(pack, message, give_up);
    if (added.ok()) {
      const absl::Status committed = database().Execute("COMMIT");
      if (!committed.ok()) added = committed;
    }
    if (!added.ok()) RollBack();
    return added;
  }

  void RollBack() {
    // Nothing to do about one that fails: the transaction is over either way, or BEGIN will say so.
    if (database().in_transaction()) database().Execute("ROLLBACK").IgnoreError();
  }

  /// Inside a transaction; returns what the totals are once it is committed.
  absl::StatusOr<Totals> AddOne(const std::string& pack, std::uint64_t message, std::uint64_t give_up) {
    Totals totals = totals_;
    const std::uint64_t cost = pack.size() + kRowBytes;
    if (totals.bytes + cost > limit_) give_up = std::max(give_up, totals.bytes + cost - limit_);
    if (give_up > 0) SLICELET_RETURN_IF_ERROR(DropOldest(give_up, totals));
    SLICELET_ASSIGN_OR_RETURN(Statement insert, database().Prepare("INSERT INTO packs (pack) VALUES (?1)"));
    SLICELET_RETURN_IF_ERROR(insert.BindBlob(1, pack).Run());
    SLICELET_ASSIGN_OR_RETURN(Statement remember,
                              database().Prepare("INSERT OR REPLACE INTO recent VALUES (?1, ?2, ?3)"));
    SLICELET_RETURN_IF_ERROR(remember.BindInt(1, static_cast<std::int64_t>(recent_.SlotOf(recent_.next())))
                                 .BindInt(2, static_cast<std::int64_t>(recent_.next()))
                                 .BindInt(3, static_cast<std::int64_t>(message))
                                 .Run());
    ++totals.packs;
    totals.bytes += cost;
    return totals;
  }

  absl::Status DropOldest(std::uint64_t bytes, Totals& totals) {
    SLICELET_ASSIGN_OR_RETURN(Statement oldest,
                              database().Prepare("SELECT id, length(pack) FROM packs ORDER BY id"));
    std::int64_t last = 0;
    std::uint64_t freed = 0;
    while (freed < bytes) {
      SLICELET_ASSIGN_OR_RETURN(const bool row, oldest.Step());
      if (!row) break;
      last = oldest.Int(0);
      freed += static_cast<std::uint64_t>(oldest.Int(1)) + kRowBytes;
      --totals.packs;
      ++totals.dropped;
    }
    oldest.Reset();
    totals.bytes -= freed;
    SLICELET_ASSIGN_OR_RETURN(Statement remove, database().Prepare("DELETE FROM packs WHERE id <= ?1"));
    return remove.BindInt(1, last).Run();
  }

  mutable std::mutex mutex_;
  sqlite::Opened opened_;
  const std::uint64_t limit_;
  const std::function<std::uint64_t()> available_;
  Totals totals_;
  RecentMessages recent_;
  std::chrono::steady_clock::time_point bounded_at_;
  /// That packs are dropped for want of room on the volume; anew once the outbox was empty.
  bool said_full_ = false;
  Syncer syncer_;
};

/// Unknown is unlimited.
std::uint64_t AvailableBeside(const std::string& path) {
  std::error_code unknown;
  return std::filesystem::space(std::filesystem::path(path).parent_path(), unknown).available;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Outbox>> OpenSqliteOutbox(const std::string& path, std::uint64_t limit,
                                                         Duration sync_period,
                                                         std::function<std::uint64_t()> available) {
  if (!available) available = [path] { return AvailableBeside(path); };
  Outbox::Totals stored;
  RecentMessages recent(Outbox::kRemembered);
  SLICELET_ASSIGN_OR_RETURN(sqlite::Opened opened,
                            sqlite::OpenStore(path, {kSchema, kRecentSchema}, [&](Database& database) {
                              recent = RecentMessages(Outbox::kRemembered);
                              const auto counted = SqliteOutbox::Count(database);
                              if (!counted.ok()) return counted.status();
                              stored = *counted;
                              return SqliteOutbox::ReadRecent(database, recent);
                            }));
  SLICELET_RETURN_IF_ERROR(opened.database->Execute(kSettings));
  SLICELET_ASSIGN_OR_RETURN(auto second, Database::Open(path, Database::Mode::kReadWrite));
  return std::make_unique<SqliteOutbox>(std::move(opened), std::move(second), stored, std::move(recent),
                                        limit, sync_period, std::move(available));
}

}  // namespace slicelet::senml
