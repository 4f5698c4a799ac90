#include "provider/store/sqlite_hub_store.h"

#include <vector>

#include "common/sqlite/batch_writer.h"
#include "common/sqlite/open.h"

namespace slicelet::provider {
namespace {

using sqlite::Database;
using sqlite::Statement;

const std::vector<std::string>& Migrations() {
  static const std::vector<std::string> migrations = {R"(
    CREATE TABLE settings (id INTEGER PRIMARY KEY CHECK (id = 1), record BLOB NOT NULL) STRICT;
    CREATE TABLE hosts (host TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT;
    CREATE TABLE nodes (node TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT;
    CREATE TABLE orphans (uid TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT;
    CREATE TABLE statuses (uid TEXT, host TEXT, record BLOB NOT NULL, PRIMARY KEY (uid, host)) STRICT;
    CREATE TABLE blobs (digest BLOB PRIMARY KEY, data BLOB NOT NULL) STRICT
  )",
                                                      R"(
    CREATE TABLE placements (uid TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT
  )",
                                                      R"(
    CREATE TABLE log_tails (uid TEXT, host TEXT, container TEXT, record BLOB NOT NULL, lines BLOB NOT NULL,
                            PRIMARY KEY (uid, host, container)) STRICT
  )"};
  return migrations;
}

template <typename Record>
absl::Status Parse(const Statement& row, int column, const char* table, Record& record) {
  if (record.ParseFromString(row.Bytes(column))) return absl::OkStatus();
  return absl::DataLossError(std::string("table ") + table + ", row \"" + (column > 0 ? row.Bytes(0) : "") +
                             "\": not a " + record.GetTypeName());
}

template <typename Key, typename Record>
absl::Status LoadTable(Database& database, const char* table, const char* key, std::map<Key, Record>& out) {
  SLICELET_ASSIGN_OR_RETURN(Statement rows,
                            database.Prepare(std::string("SELECT ") + key + ", record FROM " + table));
  while (true) {
    SLICELET_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return absl::OkStatus();
    SLICELET_RETURN_IF_ERROR(Parse(rows, 1, table, out[Key(rows.Bytes(0))]));
  }
}

absl::Status Load(Database& database, HubStore::Loaded& loaded) {
  loaded = {};
  SLICELET_ASSIGN_OR_RETURN(Statement settings, database.Prepare("SELECT record FROM settings"));
  SLICELET_ASSIGN_OR_RETURN(const bool has_settings, settings.Step());
  if (has_settings) SLICELET_RETURN_IF_ERROR(Parse(settings, 0, "settings", loaded.settings));
  SLICELET_RETURN_IF_ERROR(LoadTable(database, "hosts", "host", loaded.hosts));
  SLICELET_RETURN_IF_ERROR(LoadTable(database, "nodes", "node", loaded.nodes));
  SLICELET_RETURN_IF_ERROR(LoadTable(database, "orphans", "uid", loaded.orphans));
  SLICELET_RETURN_IF_ERROR(LoadTable(database, "placements", "uid", loaded.placements));
  SLICELET_ASSIGN_OR_RETURN(Statement statuses, database.Prepare("SELECT uid, host, record FROM statuses"));
  while (true) {
    SLICELET_ASSIGN_OR_RETURN(const bool row, statuses.Step());
    if (!row) break;
    auto& record = loaded.statuses[{PodUid(statuses.Bytes(0)), HostId(statuses.Bytes(1))}];
    SLICELET_RETURN_IF_ERROR(Parse(statuses, 2, "statuses", record));
  }
  SLICELET_ASSIGN_OR_RETURN(Statement tails,
                            database.Prepare("SELECT uid, host, container, record FROM log_tails"));
  while (true) {
    SLICELET_ASSIGN_OR_RETURN(const bool row, tails.Step());
    if (!row) break;
    auto& record = loaded.log_tails[{PodUid(tails.Bytes(0)), HostId(tails.Bytes(1)), tails.Bytes(2)}];
    SLICELET_RETURN_IF_ERROR(Parse(tails, 3, "log_tails", record));
  }
  SLICELET_ASSIGN_OR_RETURN(Statement blobs, database.Prepare("SELECT digest FROM blobs"));
  while (true) {
    SLICELET_ASSIGN_OR_RETURN(const bool row, blobs.Step());
    if (!row) return absl::OkStatus();
    loaded.blobs.emplace_back(blobs.Bytes(0));
  }
}

template <typename Key, typename Record>
absl::Status WriteTable(Database& database, const std::string& table, const std::string& key,
                        const std::map<Key, std::optional<Record>>& changes) {
  if (changes.empty()) return absl::OkStatus();
  SLICELET_ASSIGN_OR_RETURN(Statement put,
                            database.Prepare("INSERT OR REPLACE INTO " + table + " VALUES (?, ?)"));
  SLICELET_ASSIGN_OR_RETURN(Statement drop,
                            database.Prepare("DELETE FROM " + table + " WHERE " + key + " = ?"));
  for (const auto& [id, record] : changes) {
    if (record) {
      SLICELET_RETURN_IF_ERROR(put.BindText(1, id.value()).BindBlob(2, record->SerializeAsString()).Run());
    } else {
      SLICELET_RETURN_IF_ERROR(drop.BindText(1, id.value()).Run());
    }
  }
  return absl::OkStatus();
}

absl::Status WriteStatuses(Database& database, const HubStore::Batch& batch) {
  if (batch.statuses.empty()) return absl::OkStatus();
  SLICELET_ASSIGN_OR_RETURN(Statement put,
                            database.Prepare("INSERT OR REPLACE INTO statuses VALUES (?, ?, ?)"));
  SLICELET_ASSIGN_OR_RETURN(Statement drop,
                            database.Prepare("DELETE FROM statuses WHERE uid = ? AND host = ?"));
  for (const auto& [key, record] : batch.statuses) {
    Statement& statement = record ? put : drop;
    statement.BindText(1, key.first.value()).BindText(2, key.second.value());
    if (record) statement.BindBlob(3, record->SerializeAsString());
    SLICELET_RETURN_IF_ERROR(statement.Run());
  }
  return absl::OkStatus();
}

Statement& BindKey(Statement& statement, const HubStore::LogTailKey& key) {
  const auto& [uid, host, container] = key;
  return statement.BindText(1, uid.value()).BindText(2, host.value()).BindText(3, container);
}

absl::Status WriteLogTails(Database& database, const HubStore::Batch& batch) {
  if (batch.log_tails.empty()) return absl::OkStatus();
  SLICELET_ASSIGN_OR_RETURN(Statement put,
                            database.Prepare("INSERT OR REPLACE INTO log_tails VALUES (?, ?, ?, ?, ?)"));
  SLICELET_ASSIGN_OR_RETURN(
      Statement drop, database.Prepare("DELETE FROM log_tails WHERE uid = ? AND host = ? AND container = ?"));
  for (const auto& [key, tail] : batch.log_tails) {
    Statement& statement = BindKey(tail ? put : drop, key);
    if (tail) statement.BindBlob(4, tail->record.SerializeAsString()).BindBlob(5, tail->lines);
    SLICELET_RETURN_IF_ERROR(statement.Run());
  }
  return absl::OkStatus();
}

absl::Status WriteBlobs(Database& database, const HubStore::Batch& batch) {
  if (batch.blobs.empty()) return absl::OkStatus();
  SLICELET_ASSIGN_OR_RETURN(Statement put, database.Prepare("INSERT OR REPLACE INTO blobs VALUES (?, ?)"));
  SLICELET_ASSIGN_OR_RETURN(Statement drop, database.Prepare("DELETE FROM blobs WHERE digest = ?"));
  for (const auto& [digest, data] : batch.blobs) {
    Statement& statement = data ? put : drop;
    statement.BindBlob(1, digest.value());
    if (data) statement.BindBlob(2, *data);
    SLICELET_RETURN_IF_ERROR(statement.Run());
  }
  return absl::OkStatus();
}

absl::Status WriteBatch(Database& database, const HubStore::Batch& batch) {
  if (batch.settings) {
    SLICELET_ASSIGN_OR_RETURN(Statement put,
                              database.Prepare("INSERT OR REPLACE INTO settings VALUES (1, ?)"));
    SLICELET_RETURN_IF_ERROR(put.BindBlob(1, batch.settings->SerializeAsString()).Run());
  }
  SLICELET_RETURN_IF_ERROR(WriteTable(database, "hosts", "host", batch.hosts));
  SLICELET_RETURN_IF_ERROR(WriteTable(database, "nodes", "node", batch.nodes));
  SLICELET_RETURN_IF_ERROR(WriteTable(database, "orphans", "uid", batch.orphans));
  SLICELET_RETURN_IF_ERROR(WriteTable(database, "placements", "uid", batch.placements));
  SLICELET_RETURN_IF_ERROR(WriteStatuses(database, batch));
  SLICELET_RETURN_IF_ERROR(WriteLogTails(database, batch));
  return WriteBlobs(database, batch);
}

class SqliteHubStore : public HubStore {
 public:
  SqliteHubStore(sqlite::Opened opened, std::unique_ptr<Database> reader, Statement read_blob,
                 Statement read_tail, Loaded loaded, Loop& loop)
      : lock_(std::move(opened.lock)),
        created_(opened.created),
        loaded_(std::move(loaded)),
        reader_(std::move(reader)),
        read_blob_(std::move(read_blob)),
        read_tail_(std::move(read_tail)),
        writer_(std::move(opened.database), loop, "hub-store") {}

  [[nodiscard]] const Loaded& loaded() const override { return loaded_; }
  [[nodiscard]] bool created() const override { return created_; }

  void Commit(Batch batch, StatusCallback done) override {
    writer_.Submit([batch = std::make_shared<Batch>(std::move(batch))](
                       Database& database) { return WriteBatch(database, *batch); },
                   std::move(done));
  }

  absl::StatusOr<std::string> ReadBlob(const Digest& digest) override {
    read_blob_.BindBlob(1, digest.value());
    const absl::StatusOr<bool> row = read_blob_.Step();
    absl::StatusOr<std::string> data = absl::NotFoundError("no blob of this digest");
    if (!row.ok()) data = row.status();
    if (row.ok() && *row) data = read_blob_.Bytes(0);
    read_blob_.Reset();
    return data;
  }

  absl::StatusOr<LogTail> ReadLogTail(const LogTailKey& key) override {
    const absl::StatusOr<bool> row = BindKey(read_tail_, key).Step();
    absl::StatusOr<LogTail> tail = absl::NotFoundError("no log of this container");
    if (!row.ok()) tail = row.status();
    if (row.ok() && *row) {
      tail = LogTail{.record = {}, .lines = read_tail_.Bytes(1)};
      const absl::Status parsed = Parse(read_tail_, 0, "log_tails", tail->record);
      if (!parsed.ok()) tail = parsed;
    }
    read_tail_.Reset();
    return tail;
  }

 private:
  // In this order: the lock is given back last.
  std::shared_ptr<void> lock_;
  const bool created_;
  const Loaded loaded_;
  std::unique_ptr<Database> reader_;
  Statement read_blob_;
  Statement read_tail_;
  sqlite::BatchWriter writer_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HubStore>> MakeSqliteHubStore(const std::string& path, Loop& loop) {
  HubStore::Loaded loaded;
  SLICELET_ASSIGN_OR_RETURN(sqlite::Opened opened,
                            sqlite::OpenStore(path, Migrations(), [&loaded](Database& database) {
                              return Load(database, loaded);
                            }));
  SLICELET_ASSIGN_OR_RETURN(std::unique_ptr<Database> reader,
                            Database::Open(path, Database::Mode::kReadOnly));
  SLICELET_ASSIGN_OR_RETURN(Statement read_blob, reader->Prepare("SELECT data FROM blobs WHERE digest = ?"));
  SLICELET_ASSIGN_OR_RETURN(
      Statement read_tail,
      reader->Prepare("SELECT record, lines FROM log_tails WHERE uid = ? AND host = ? AND container = ?"));
  return std::make_unique<SqliteHubStore>(std::move(opened), std::move(reader), std::move(read_blob),
                                          std::move(read_tail), std::move(loaded), loop);
}

}  // namespace slicelet::provider
