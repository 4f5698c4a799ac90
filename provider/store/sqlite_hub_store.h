#pragma once

#include <memory>
#include <string>

#include "common/loop/loop.h"
#include "provider/store/hub_store.h"

namespace slicelet::provider {

/// `HubStore` in one SQLite file (its directory must exist). Only one process may have it open (else
/// FailedPrecondition). A damaged file is kept aside as "PATH.damaged" and a new one is made: `created()` is
/// then true, and what was in it is learnt again from the hosts. `loop` must outlive the store.
///
/// Tables, all STRICT, each row one serialized message of hub_store.proto: settings(id, record) · hosts(host,
/// record) · nodes(node, record) · orphans(uid, record) · statuses(uid, host, record) · blobs(digest, data) ·
/// log_tails(uid, host, container, record, lines).
absl::StatusOr<std::unique_ptr<HubStore>> MakeSqliteHubStore(const std::string& path, Loop& loop);

}  // namespace slicelet::provider
