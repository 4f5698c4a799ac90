#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/status.h"

namespace slicelet::senml {

/// A larger message of the bus is not looked at. EdgeX's own limit for an event is above it, but no server
/// takes such packs.
inline constexpr std::size_t kMaxMessageBytes = std::size_t{4} << 20;

/// What one event became.
struct Pack {
  /// A SenML pack (RFC 8428) as JSON; "" when none of the readings has a SenML form.
  std::string json;
  std::uint64_t records = 0;
  /// Readings that were left out: NaN and infinities, which JSON can not carry.
  std::uint64_t not_finite = 0;
  /// Readings without a value.
  std::uint64_t null = 0;
  /// Readings whose value is not of their type.
  std::uint64_t unreadable = 0;
};

/// The SenML pack of a message of EdgeX's bus: an envelope of EdgeX 4 (payload: a JSON object) or 3 (base64
/// of JSON), with an add-event request or a bare event in it; events with binary readings come as base64 of
/// CBOR.
///
/// One record for each reading, in their order. `bn` is the device's name and a colon, `bt` the event's
/// origin in seconds, written out to the nanosecond; a record's `t` is what its reading's origin differs.
/// What a reading leaves out it has from its event. Names keep letters, digits and - : . / _; the rest
/// becomes _.
///
/// | EdgeX | SenML |
/// |---|---|
/// | Int*, Uint*, Float* | `v`; integers beyond 2^53, which JSON readers round, are `vs` |
/// | Bool | `vb` |
/// | String; arrays, Object and ObjectArray as compact JSON | `vs` |
/// | Binary | `vd`, base64url without padding; the media type is lost |
///
/// A clock before mid-1978 is no time in SenML (RFC 8428, 4.5.3: relative): such events carry none, and the
/// server takes the time of arrival. InvalidArgument for what is no event, with what is wrong with it.
absl::StatusOr<Pack> PackOfBusMessage(std::string_view message);

}  // namespace slicelet::senml
