#pragma once

#include <memory>
#include <string>

#include "common/loop/loop.h"
#include "edge-agent/store/agent_store.h"

namespace slicelet::agent {

/// The agent's store in one SQLite file (WAL, synchronous FULL): a write survives a power cut once its `done`
/// ran.
///
/// A damaged file is put aside beside itself and a new one made, which `created` then tells.
/// FailedPrecondition when another process has the file open, or it is of a newer agent. `loop` must outlive
/// the store.
absl::StatusOr<std::unique_ptr<AgentStore>> MakeSqliteAgentStore(const std::string& path, Loop& loop);

}  // namespace slicelet::agent
