#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/status.h"

struct sqlite3;
struct sqlite3_stmt;

namespace slicelet::sqlite {

/// One prepared statement. Parameters count from 1, columns from 0. Must not outlive its Database.
class Statement {
 public:
  Statement(Statement&&) noexcept = default;
  Statement& operator=(Statement&&) noexcept = default;

  Statement& BindInt(int index, std::int64_t value);
  Statement& BindText(int index, std::string_view value);
  Statement& BindBlob(int index, std::string_view value);

  /// True when there is a row, false at the end.
  absl::StatusOr<bool> Step();
  /// Runs it to the end and makes it ready for the next use.
  absl::Status Run();
  /// Ready for new parameters.
  void Reset();

  [[nodiscard]] std::int64_t Int(int column) const;
  /// Text or blob.
  [[nodiscard]] std::string Bytes(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// One connection. Used by one thread at a time.
///
/// Errors: ResourceExhausted (disk full), DataLoss (damaged file), Unavailable (locked), else Internal; each
/// message names the file.
class Database {
 public:
  enum class Mode { kReadWrite, kReadOnly };

  /// WAL, synchronous FULL, foreign keys on. kReadWrite creates the file.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path, Mode mode);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  absl::Status Execute(const std::string& sql);
  absl::StatusOr<Statement> Prepare(const std::string& sql);
  /// False after an error that made SQLite roll the whole transaction back.
  [[nodiscard]] bool in_transaction() const;
  /// DataLoss with the first finding of PRAGMA quick_check.
  absl::Status QuickCheck();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  Database(std::string path, sqlite3* handle) : path_(std::move(path)), handle_(handle) {}

  std::string path_;
  sqlite3* handle_;
};

}  // namespace slicelet::sqlite
