#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/loop/loop.h"
#include "edge-agent/link/manifest_runner.h"
#include "edge-agent/store/agent_store.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet::agent {

/// No workload or file set is larger: a ConfigMap's 1 MiB, sealed and with names.
inline constexpr std::uint64_t kMaxBlobBytes = std::uint64_t{4} * 1024 * 1024;
/// Wants in one Fetch, and digests asked for at one time.
inline constexpr std::size_t kMaxWants = 64;
/// Bytes asked for at one time, by what the manifest says of their sizes.
inline constexpr std::uint64_t kMaxBytesAsked = std::uint64_t{16} * 1024 * 1024;
/// Bytes kept of blobs that came unasked, until the manifest that names them comes.
inline constexpr std::size_t kMaxEarlyBytes = std::size_t{256} * 1024;

/// Brings the blobs that the manifest names onto the host: asks, joins the chunks, checks the digest, stores.
///
/// A transfer goes on where it was cut off. Chunks may be lost, doubled and out of order. What the store can
/// not take is asked for again after a pause that grows. What nobody needs any more leaves the store a minute
/// later. Used on the loop.
class BlobFetcher {
 public:
  using Send = std::function<void(const v1::Fetch&)>;

  /// All must outlive this object.
  BlobFetcher(Loop& loop, AgentStore& store, ManifestRunner& runner, Send send);

  /// The newest verified manifest: what it names and the store does not hold is asked for.
  void Want(const v1::Manifest& manifest);
  void Begin();
  void End();
  void OnBlob(const v1::Blob& blob);
  /// Puts what came unasked and `manifest` names into the batch that makes the manifest durable; the caller
  /// says by `OnStored` what became of it.
  [[nodiscard]] std::vector<Digest> TakeEarly(const v1::Manifest& manifest, AgentStore::Batch& batch);
  void OnStored(const std::vector<Digest>& digests, const absl::Status& status);
  /// Also asks for what the runner misses though it was stored once: damaged blobs.
  void Refresh();

 private:
  enum class Stage { kWaiting, kAsked, kStoring, kParked };
  struct Transfer {
    Stage stage = Stage::kWaiting;
    std::uint64_t size = 0;  // as the manifest says, 0 if it does not
    std::string data;
    /// The newest manifest does not name it any more, and what comes of its write does not matter.
    bool unwanted = false;
    /// How long the last write that failed made it wait, and until when.
    Duration pause{};
    MonotonicTime due{};
  };

  /// What is parked and need not wait longer is asked for by the next `Pump`.
  void Unpark();
  void Pump();
  void Ask(const std::vector<Digest>& digests);
  void Store(const Digest& digest, Transfer& transfer);
  void KeepEarly(const Digest& digest, const v1::Blob& blob);
  void Collect();

  Loop& loop_;
  AgentStore& store_;
  ManifestRunner& runner_;
  const Send send_;
  bool open_ = false;
  std::set<Digest> stored_;
  /// Named by the newest manifest.
  std::set<Digest> named_;
  std::map<Digest, Transfer> transfers_;
  /// Came unasked; not verified yet.
  std::map<Digest, std::string> early_;
  std::size_t early_bytes_ = 0;
  bool progress_ = false;
  Timer retry_;
  Timer collect_;
  Lifetime lifetime_;
};

}  // namespace slicelet::agent
