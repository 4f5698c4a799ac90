#pragma once

#include <grpcpp/support/status.h>

#include <functional>
#include <string>

#include "common/base/status.h"

namespace slicelet {

inline absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
}

inline grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code()), Message(status)};
}

/// One bidirectional call, of either side, seen from the loop: calls go in and events come out on the loop's
/// thread. gRPC's rules are kept here: one read and one write under way, and nothing started once the call is
/// over.
template <typename Out, typename In>
class BidiCall {
 public:
  struct Events {
    std::function<void(In)> on_read;
    /// The write is over; false: the call is over or broken, and `on_over` follows when all that the peer
    /// sent is read.
    std::function<void(bool)> on_written;
    /// The peer ended the call or it broke. Once; nothing follows.
    std::function<void(absl::Status)> on_over;
  };

  virtual ~BidiCall() = default;
  void Observe(Events events) { events_ = std::move(events); }

  /// Not while another read is under way.
  virtual void Read() = 0;
  /// Not while another write is under way.
  virtual void Write(Out message) = 0;
  /// Ends the call, orderly when `status` is OK. `on_over` follows if still observed.
  virtual void End(absl::Status status) = 0;

 protected:
  void NotifyRead(In message) {
    // The event may destroy its observer.
    if (const auto event = events_.on_read) event(std::move(message));
  }
  void NotifyWritten(bool ok) {
    if (const auto event = events_.on_written) event(ok);
  }
  void NotifyOver(const absl::Status& status) {
    const auto events = std::exchange(events_, {});
    if (events.on_over) events.on_over(status);
  }

 private:
  Events events_;
};

}  // namespace slicelet
