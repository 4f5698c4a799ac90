#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/base/backoff.h"
#include "common/base/ids.h"
#include "common/base/time.h"
#include "common/loop/loop.h"
#include "kube/kube_api.h"
#include "provider/fleet/edge_host.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet::provider {

/// What an EdgeHost's status says.
struct HostStatus {
  /// Connected, Disconnected or Unknown.
  std::string link = "Unknown";
  /// Why it is Disconnected, as a word and as a sentence.
  std::string reason;
  std::string message;
  v1::NodeFacts facts;
  std::string agent_version;
  /// The host's own, once it has told them.
  std::optional<std::map<std::string, std::string>> tags;
  std::int32_t workloads = 0;
  /// Unix nanoseconds, 0 for never. Alone it is no reason to write.
  std::int64_t last_seen = 0;
  Generation generation;
  Generation accepted;
};

/// Writes EdgeHost statuses: only what changed, one write per host at a time, the newest value last.
///
/// Condition Ready is made here, of what the operator wants and what the link says. Its reason is, in this
/// order, Revoked, Unapproved, Maintenance, why the host is not connected (as the link has it: NotConnected,
/// LinkBroken, Silence ..), or Ready. It is Unknown between an approval and the first word of the link.
class HostStatusWriter {
 public:
  /// All must outlive this object.
  HostStatusWriter(Loop& loop, const Clock& clock, Random& random, kube::KubeApi& api, std::string ns)
      : loop_(loop), clock_(clock), random_(random), api_(api), ns_(std::move(ns)) {}

  void Set(const HostId& host, const HostStatus& status);
  /// What the object says now, as read and as it is: a restarted provider writes nothing anew.
  void Learn(const HostId& host, const EdgeHost& wanted, const kube::Json& object);
  void Forget(const HostId& host) { writes_.erase(host); }

 private:
  struct Write {
    Write(Loop& loop, Random& random) : retry(loop), backoff({}, random) {}
    /// Nothing, as long as nobody has said.
    std::optional<HostStatus> status;
    EdgeHost object;
    std::int64_t generation = 0;
    /// The condition Ready to write; null as long as nothing can be said.
    kube::Json ready;
    kube::Json written;
    bool under_way = false;
    Timer retry;
    Backoff backoff;
  };

  Write& Of(const HostId& host);
  void Judge(Write& write) const;
  void Flush(const HostId& host);
  void OnWritten(const HostId& host, const kube::Json& sent, const absl::Status& status);

  Loop& loop_;
  const Clock& clock_;
  Random& random_;
  kube::KubeApi& api_;
  const std::string ns_;
  std::map<HostId, std::unique_ptr<Write>> writes_;
  Lifetime lifetime_;
};

}  // namespace slicelet::provider
