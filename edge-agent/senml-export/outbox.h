#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/base/time.h"

namespace slicelet::senml {

/// Packs that the server does not have yet, in the order in which they came. May be called from any thread.
class Outbox {
 public:
  /// mosquitto has been seen (2.0.11) with 660 messages unacknowledged, where its documentation says 20.
  static constexpr std::size_t kRemembered = 4'096;
  /// Left free on the volume. What changes is written beside the file first, also what is removed: without
  /// room for that nothing would leave the outbox any more. SQLite brings 4 MiB of it into the file at a
  /// time, and a pack may have as much.
  static constexpr std::uint64_t kReserve = std::uint64_t{8} << 20;

  struct Item {
    /// Rises with every pack and is never used twice.
    std::uint64_t id = 0;
    std::string pack;
  };
  struct Totals {
    std::uint64_t packs = 0;
    std::uint64_t bytes = 0;
    /// Since this process began: the oldest, given up because the outbox or its volume was full.
    std::uint64_t dropped = 0;
  };

  virtual ~Outbox() = default;
  /// Once it returns the pack outlives this process. A full outbox, and one whose volume is full, drops its
  /// oldest packs for it. ResourceExhausted, and nothing is dropped, when that makes no room. False, and
  /// nothing is kept, when `message`, what the pack was made of, is one of the last `kRemembered`: the bus
  /// delivers again what it has no acknowledgement of.
  virtual absl::StatusOr<bool> Add(const std::string& pack, const Digest& message) = 0;
  /// Why nothing could be added now.
  virtual absl::Status CanAdd() = 0;
  /// The oldest packs above `id`, at most `count`.
  virtual absl::StatusOr<std::vector<Item>> After(std::uint64_t id, std::size_t count) = 0;
  /// A pack that is not there is removed.
  virtual absl::Status Remove(std::uint64_t id) = 0;
  [[nodiscard]] virtual Totals totals() const = 0;
};

/// In a file that only one process may open at a time. What `Add` took outlives the process at once, and a
/// power cut `sync_period` later: the other copy, at the gateway's broker, is in memory of the same machine,
/// so that waiting for the disk on every event would only make the broker drop what comes in the meantime.
///
/// `limit`: bytes of packs, and so about the most that the file grows to. `available`: bytes that the volume
/// has left; by default the operating system is asked. Errors of `Add` and of opening are
/// those of `sqlite::Database`; a damaged file is put aside and a new one made.
absl::StatusOr<std::unique_ptr<Outbox>> OpenSqliteOutbox(const std::string& path, std::uint64_t limit,
                                                         Duration sync_period = std::chrono::seconds(1),
                                                         std::function<std::uint64_t()> available = {});

}  // namespace slicelet::senml
