#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/loop/loop.h"
#include "common/sqlite/database.h"

namespace slicelet::sqlite {

/// Writes to a database on a thread of its own, so that an fsync never holds up the loop.
///
/// Writes become durable in the order of calling. Those that arrive while a transaction is being made durable
/// share the next one: one fsync for all of them (group commit). Each is atomic: it is durable as a whole or
/// not at all.
class BatchWriter {
 public:
  /// Runs on the writer's thread inside a transaction. An error undoes this write alone.
  using Write = std::function<absl::Status(Database&)>;

  /// `database` is used by the writer's thread only, until this object is destroyed. `name` is the thread's
  /// (at most 15 characters). `loop` must outlive this object.
  BatchWriter(std::unique_ptr<Database> database, Loop& loop, const std::string& name);
  /// Finishes what was submitted; their `done` is not called any more.
  ~BatchWriter();

  /// `done(OK)` on the loop once it is durable. ResourceExhausted: the disk is full, nothing of it was
  /// written.
  void Submit(Write write, StatusCallback done);

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
  Lifetime lifetime_;
};

}  // namespace slicelet::sqlite
