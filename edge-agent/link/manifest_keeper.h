#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/crypto/signing.h"
#include "common/loop/loop.h"
#include "edge-agent/store/agent_store.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet::agent {

inline constexpr std::size_t kMaxManifestBytes = std::size_t{2} * 1024 * 1024;
inline constexpr int kMaxDeployments = 1'000;

/// Decides which manifest this host holds: verifies what the hub offers, and says Accepted only when it is
/// durable.
///
/// `settings` is shared with the session, which writes it too: every batch carries the whole of it.
class ManifestKeeper {
 public:
  struct Options {
    std::string hub_id;
    HostId host;
    std::string root_public_key;
  };
  struct Events {
    /// Verified: adds to the write that makes it durable those of its blobs that have come already, and
    /// returns which.
    std::function<std::vector<Digest>(const v1::Manifest&, AgentStore::Batch&)> attach;
    /// What became of them.
    std::function<void(const std::vector<Digest>&, const absl::Status&)> attached;
    /// About to become durable: the other blobs can be asked for at once. Of a host whose store was full it
    /// is durable by then. After one that the store did not take: the one that is held, or an empty one.
    std::function<void(const v1::Manifest&)> verified;
    /// Durable: may be acknowledged and run. `fresh` is false for one that was held already.
    std::function<void(const v1::Manifest&, const v1::Accepted&, bool fresh)> accepted;
    std::function<void(const v1::Rejected&)> rejected;
  };

  /// Reads what the store holds. Without a manifest that can be read and verified the host is amnesiac: its
  /// store is new, was lost, or is damaged.
  ManifestKeeper(Options options, AgentStore& store, v1::AgentSettings& settings, Events events);

  void Offer(const v1::Desired& desired);
  /// Adds those that the root key certified; true when something was new. Others are logged.
  bool AddKeys(const google::protobuf::RepeatedPtrField<v1::KeyCertificate>& keys);

  [[nodiscard]] const Generation& accepted() const { return held_.generation; }
  [[nodiscard]] const std::optional<v1::SignedManifest>& held() const { return held_.bytes; }
  /// The newest verified one, durable or not yet; an empty one if there is none.
  [[nodiscard]] const v1::Manifest& newest() const { return newest_; }
  /// SHA-256 of the held manifest's bytes, empty if there is none.
  [[nodiscard]] const std::string& digest() const { return held_.digest; }

 private:
  struct Held {
    Generation generation;
    std::string digest;
    std::optional<v1::SignedManifest> bytes;
  };

  void Reject(const Generation& generation, v1::Rejected::Code code, const std::string& message,
              bool with_proof);
  /// Nothing if it is well-formed, else what is wrong with it.
  [[nodiscard]] static std::string Defect(const v1::Manifest& manifest);
  void Store(const v1::Manifest& manifest, Held next);

  const Options options_;
  AgentStore& store_;
  v1::AgentSettings& settings_;
  const Events events_;
  KeyRing keys_;
  Held held_;
  /// Being written; equals `held_` when nothing is.
  Held writing_;
  v1::Manifest newest_;
  /// The store did not take the last one.
  bool full_ = false;
  Lifetime lifetime_;
};

inline Generation FromProto(const v1::Generation& generation) {
  return {generation.epoch(), generation.number()};
}
inline void ToProto(const Generation& from, v1::Generation* to) {
  to->set_epoch(from.epoch);
  to->set_number(from.number);
}

}  // namespace slicelet::agent
