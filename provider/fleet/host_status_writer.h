#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "common/base/backoff.h"
#include "common/base/ids.h"
#include "common/loop/loop.h"
#include "kube/kube_api.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet::provider {

/// What an EdgeHost's status says.
struct HostStatus {
  /// Connected, Disconnected or Unknown.
  std::string link = "Unknown";
  /// Why it is Disconnected.
  std::string reason;
  v1::NodeFacts facts;
  std::string agent_version;
  std::int32_t workloads = 0;
  /// Unix nanoseconds, 0 for never. Alone it is no reason to write.
  std::int64_t last_seen = 0;
  Generation generation;
  Generation accepted;
};

/// Writes EdgeHost statuses: only what changed, one write per host at a time, the newest value last.
class HostStatusWriter {
 public:
  /// All must outlive this object.
  HostStatusWriter(Loop& loop, Random& random, kube::KubeApi& api, std::string ns)
      : loop_(loop), random_(random), api_(api), ns_(std::move(ns)) {}

  void Set(const HostId& host, const HostStatus& status);
  /// What the object says now, so that a restarted provider writes nothing anew.
  void Learn(const HostId& host, const kube::Json& object);
  void Forget(const HostId& host) { writes_.erase(host); }

 private:
  struct Write {
    Write(Loop& loop, Random& random) : retry(loop), backoff({}, random) {}
    bool wanted = false;
    HostStatus status;
    kube::Json written;
    bool under_way = false;
    Timer retry;
    Backoff backoff;
  };

  Write& Of(const HostId& host);
  void Flush(const HostId& host);
  void OnWritten(const HostId& host, const kube::Json& sent, const absl::Status& status);

  Loop& loop_;
  Random& random_;
  kube::KubeApi& api_;
  const std::string ns_;
  std::map<HostId, std::unique_ptr<Write>> writes_;
  Lifetime lifetime_;
};

}  // namespace slicelet::provider
