#pragma once

#include "common/base/status.h"
#include "common/base/time.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// Carries out one network check of a probe or lifecycle hook. Exec checks go through the container runtime
/// instead.
class Prober {
 public:
  virtual ~Prober() = default;
  /// OK when the check passed: HTTP 200 to 399 (redirects to the same host followed, at most 10; certificates
  /// are not verified), TCP connected, gRPC health SERVING. The message of a failure is the kubelet's. `host`
  /// is the pod's IP, used where the handler names none. DeadlineExceeded after `timeout`; Unavailable when
  /// nothing took the connection.
  virtual void Check(const v1::Handler& handler, const std::string& host, Duration timeout,
                     StatusCallback done) = 0;
};

}  // namespace slicelet::agent
