#include "edge-agent/store/sqlite_agent_store.h"

#include <optional>
#include <utility>
#include <vector>

#include "common/base/encoding.h"
#include "common/log/log.h"
#include "common/sqlite/batch_writer.h"
#include "common/sqlite/open.h"

namespace slicelet::agent {
namespace {

using sqlite::Database;
using sqlite::Statement;

/// One entry per user_version; never edited once released. `small` holds the manifest and the settings under
/// their names; every value is a serialized message of agent_store.proto.
const std::vector<std::string>& Migrations() {
  static const std::vector<std::string> migrations = {
      "CREATE TABLE small(name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"
      "CREATE TABLE records(uid TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;"
      "CREATE TABLE blobs(digest BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT;"
      "CREATE TABLE credentials(uid TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY(uid, "
      "name))"
      " STRICT;"};
  return migrations;
}

constexpr char kManifest[] = "manifest";
constexpr char kSettings[] = "settings";

template <typename Message>
absl::Status Decode(const std::string& bytes, const std::string& what, Message& message) {
  if (message.ParseFromString(bytes)) return absl::OkStatus();
  return absl::DataLossError("cannot decode the stored " + what);
}

/// Runs `row` for every row of `query`.
template <typename Row>
absl::Status ForEach(Database& database, const std::string& query, Row row) {
  SLICELET_ASSIGN_OR_RETURN(Statement statement, database.Prepare(query));
  for (;;) {
    SLICELET_ASSIGN_OR_RETURN(const bool more, statement.Step());
    if (!more) return absl::OkStatus();
    SLICELET_RETURN_IF_ERROR(row(statement));
  }
}

absl::Status Load(Database& database, AgentStore::Loaded& loaded) {
  loaded = {};
  SLICELET_RETURN_IF_ERROR(ForEach(database, "SELECT name, value FROM small", [&](const Statement& row) {
    if (row.Bytes(0) == kManifest) return Decode(row.Bytes(1), kManifest, loaded.manifest.emplace());
    if (row.Bytes(0) == kSettings) return Decode(row.Bytes(1), kSettings, loaded.settings);
    return absl::OkStatus();
  }));
  SLICELET_RETURN_IF_ERROR(ForEach(database, "SELECT uid, value FROM records", [&](const Statement& row) {
    return Decode(row.Bytes(1), "record of pod " + row.Bytes(0), loaded.records[PodUid(row.Bytes(0))]);
  }));
  SLICELET_RETURN_IF_ERROR(ForEach(database, "SELECT value FROM credentials", [&](const Statement& row) {
    return Decode(row.Bytes(0), "credential", loaded.credentials.emplace_back());
  }));
  return ForEach(database, "SELECT digest FROM blobs", [&](const Statement& row) {
    loaded.blobs.emplace_back(row.Bytes(0));
    return absl::OkStatus();
  });
}

absl::Status Put(Database& database, const std::string& name, const std::string& value) {
  SLICELET_ASSIGN_OR_RETURN(Statement put,
                            database.Prepare("INSERT OR REPLACE INTO small(name, value) VALUES(?, ?)"));
  return put.BindText(1, name).BindBlob(2, value).Run();
}

absl::Status WriteRecords(Database& database, const AgentStore::Batch& batch) {
  if (batch.records.empty()) return absl::OkStatus();
  SLICELET_ASSIGN_OR_RETURN(Statement put,
                            database.Prepare("INSERT OR REPLACE INTO records(uid, value) VALUES(?, ?)"));
  SLICELET_ASSIGN_OR_RETURN(Statement drop, database.Prepare("DELETE FROM records WHERE uid = ?"));
  for (const auto& [uid, record] : batch.records) {
    if (record)
      SLICELET_RETURN_IF_ERROR(put.BindText(1, uid.value()).BindBlob(2, record->SerializeAsString()).Run());
    else
      SLICELET_RETURN_IF_ERROR(drop.BindText(1, uid.value()).Run());
  }
  return absl::OkStatus();
}

absl::Status WriteBlobs(Database& database, const AgentStore::Batch& batch) {
  if (batch.blobs.empty()) return absl::OkStatus();
  SLICELET_ASSIGN_OR_RETURN(Statement put,
                            database.Prepare("INSERT OR REPLACE INTO blobs(digest, value) VALUES(?, ?)"));
  SLICELET_ASSIGN_OR_RETURN(Statement drop, database.Prepare("DELETE FROM blobs WHERE digest = ?"));
  for (const auto& [digest, bytes] : batch.blobs) {
    if (bytes)
      SLICELET_RETURN_IF_ERROR(put.BindBlob(1, digest.value()).BindBlob(2, *bytes).Run());
    else
      SLICELET_RETURN_IF_ERROR(drop.BindBlob(1, digest.value()).Run());
  }
  return absl::OkStatus();
}

absl::Status WriteCredentials(Database& database, const AgentStore::Batch& batch) {
  if (!batch.drop_credentials.empty()) {
    SLICELET_ASSIGN_OR_RETURN(Statement drop, database.Prepare("DELETE FROM credentials WHERE uid = ?"));
    for (const auto& uid : batch.drop_credentials)
      SLICELET_RETURN_IF_ERROR(drop.BindText(1, uid.value()).Run());
  }
  if (!batch.credentials.empty()) {
    SLICELET_ASSIGN_OR_RETURN(
        Statement put,
        database.Prepare("INSERT OR REPLACE INTO credentials(uid, name, value) VALUES(?, ?, ?)"));
    for (const auto& credential : batch.credentials) {
      SLICELET_RETURN_IF_ERROR(put.BindText(1, credential.uid())
                                   .BindText(2, credential.name())
                                   .BindBlob(3, credential.SerializeAsString())
                                   .Run());
    }
  }
  return absl::OkStatus();
}

absl::Status WriteBatch(Database& database, const AgentStore::Batch& batch) {
  if (batch.manifest) SLICELET_RETURN_IF_ERROR(Put(database, kManifest, batch.manifest->SerializeAsString()));
  if (batch.settings) SLICELET_RETURN_IF_ERROR(Put(database, kSettings, batch.settings->SerializeAsString()));
  SLICELET_RETURN_IF_ERROR(WriteRecords(database, batch));
  SLICELET_RETURN_IF_ERROR(WriteBlobs(database, batch));
  return WriteCredentials(database, batch);
}

class SqliteAgentStore : public AgentStore {
 public:
  SqliteAgentStore(sqlite::Opened opened, std::unique_ptr<Database> reader, Loaded loaded, Loop& loop)
      : lock_(std::move(opened.lock)),
        loaded_(std::move(loaded)),
        writer_(std::move(opened.database), loop, "agent-store"),
        reader_(std::move(reader)) {}

  [[nodiscard]] const Loaded& loaded() const override { return loaded_; }

  void Commit(Batch batch, StatusCallback done) override {
    writer_.Submit([batch = std::make_shared<const Batch>(std::move(batch))](
                       Database& database) { return WriteBatch(database, *batch); },
                   std::move(done));
  }

  absl::StatusOr<std::string> ReadBlob(const Digest& digest) override {
    SLICELET_ASSIGN_OR_RETURN(Statement query, reader_->Prepare("SELECT value FROM blobs WHERE digest = ?"));
    query.BindBlob(1, digest.value());
    SLICELET_ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return absl::NotFoundError("no blob " + Short(digest));
    std::string bytes = query.Bytes(0);
    if (Sha256(bytes) == digest) return bytes;
    LogError("stored blob is damaged, dropping it", {{"blob", Short(digest)}});
    Batch batch;
    batch.blobs[digest] = std::nullopt;
    Commit(std::move(batch), [](const absl::Status& status) {
      if (!status.ok()) LogWarning("cannot drop a damaged blob", {{"error", Describe(status)}});
    });
    return absl::DataLossError("blob " + Short(digest) + " is damaged");
  }

 private:
  std::shared_ptr<void> lock_;
  const Loaded loaded_;
  sqlite::BatchWriter writer_;
  // Closed first: only a writing connection that closes last empties the write-ahead log.
  std::unique_ptr<Database> reader_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AgentStore>> MakeSqliteAgentStore(const std::string& path, Loop& loop) {
  AgentStore::Loaded loaded;
  SLICELET_ASSIGN_OR_RETURN(
      sqlite::Opened opened,
      sqlite::OpenStore(path, Migrations(), [&](Database& database) { return Load(database, loaded); }));
  SLICELET_ASSIGN_OR_RETURN(auto reader, Database::Open(path, Database::Mode::kReadOnly));
  return std::make_unique<SqliteAgentStore>(std::move(opened), std::move(reader), std::move(loaded), loop);
}

}  // namespace slicelet::agent
