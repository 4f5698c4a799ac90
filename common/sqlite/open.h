#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/sqlite/database.h"

namespace slicelet::sqlite {

/// A store's file, opened, checked, migrated and read.
struct Opened {
  std::unique_ptr<Database> database;
  /// The file is new, or replaced one that was damaged: what was in it is forgotten.
  bool created = false;
  /// Keeps other processes out until it is destroyed; outlives `database`.
  std::shared_ptr<void> lock;
};

/// Opens `path` (its directory must exist), which only one process at a time may do (else
/// FailedPrecondition).
///
/// `migrations[i]` brings user_version i to i+1; each is durable as a whole. A file of a newer version is
/// refused with FailedPrecondition. `load` then reads the rows; it returns DataLoss for one it can not
/// decode.
///
/// "PATH.reserve" keeps room for opening it on a disk that is full: what makes room may be the very program
/// that opens it.
///
/// A file that is damaged (no whole pages, quick_check, or DataLoss from `load`) is renamed to
/// "PATH.damaged" (with ".1", ".2" ... if that exists), an error is logged, and a new one is made: `load` is
/// then called again and must start afresh.
absl::StatusOr<Opened> OpenStore(const std::string& path, const std::vector<std::string>& migrations,
                                 const std::function<absl::Status(Database&)>& load);

}  // namespace slicelet::sqlite
