#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/base/time.h"
#include "provider/store/hub_store.h"
#include "slicelet/v1/link.pb.h"
#include "slicelet/v1/stream.pb.h"

namespace slicelet::provider {

/// Kept of a container's log on one host, of both its instances together.
inline constexpr std::size_t kMaxLogTail = std::size_t{256} * 1024;

/// The lines of `text` that are those of a log file; `through` becomes the time of the last one, if there is
/// one. A host may send anything.
std::string LogLinesOf(const std::string& text, std::int64_t& through);

/// What a host has said of one instance.
struct LogTailRead {
  std::string container_id;
  /// As `LogLinesOf` gives them.
  std::string lines;
  /// Of its last line; 0: it has none.
  std::int64_t through = 0;
  /// They follow what is kept of the instance; else they replace it.
  bool continues = false;
  bool ended = false;
  /// Hub wall clock, Unix nanoseconds.
  std::int64_t taken = 0;
};

/// Adds it to what is kept of the container. Of more than two instances the newest ones stay; what is too
/// much is taken from the beginning, in whole lines.
void AddToLogTail(HubStore::LogTail& kept, LogTailRead read);

/// nullptr when nothing is kept of the instance.
const v1::LogTailRecord::Instance* FindInstance(const v1::LogTailRecord& record,
                                                const std::string& container_id);

/// What `kubectl logs` shows of it while the host can not be reached: a line that says so and how old this
/// is, then what `options` ask for. `current` is the instance that the pod's status names. NotFound when the
/// previous instance is asked for and none is kept.
absl::StatusOr<std::string> ShowLogTail(const HubStore::LogTail& kept, const HostId& host,
                                        const std::string& current, const v1::LogOptions& options,
                                        WallTime now);

}  // namespace slicelet::provider
