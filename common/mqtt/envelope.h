#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/crypto/sealing.h"
#include "common/crypto/signing.h"
#include "common/mqtt/part_joiner.h"
#include "common/mqtt/sequence_window.h"
#include "slicelet/v1/envelope.pb.h"

namespace slicelet {

/// One host's traffic over a broker that is not trusted. Both ends know hub and host; what names others is
/// refused.
struct EnvelopeRoute {
  std::string hub_id;
  HostId host;
};

/// No envelope's content is larger; larger contents travel in parts.
inline constexpr std::size_t kMaxSliceBytes = std::size_t{60} * 1024;
/// What an envelope adds to its slice: ids, signature, a host's certificate; with the topic.
inline constexpr std::size_t kEnvelopeFrameBytes = std::size_t{3} * 1024;
/// The slices that a broker lets through whose largest packet is `max_packet` (0: not known).
inline std::size_t SliceBytesFor(std::size_t max_packet) {
  constexpr std::size_t kLeast = 512;
  if (max_packet == 0 || max_packet >= kMaxSliceBytes + kEnvelopeFrameBytes) return kMaxSliceBytes;
  return max_packet < kEnvelopeFrameBytes + kLeast ? kLeast : max_packet - kEnvelopeFrameBytes;
}
/// A slice with its frame, at the very most.
inline constexpr std::size_t kMaxEnvelopeBytes = std::size_t{80} * 1024;

/// Puts messages of one session and one direction into signed envelopes.
class EnvelopeWriter {
 public:
  /// `signer` must outlive this object. Sequences begin above `sequence`.
  EnvelopeWriter(EnvelopeRoute route, const Signer& signer, std::uint64_t session, std::uint64_t sequence = 0)
      : route_(std::move(route)), signer_(signer), session_(session), sequence_(sequence) {}

  struct Options {
    /// Hub time, Unix nanoseconds; 0: never.
    std::int64_t expires = 0;
    /// Not empty: only the holder of this X25519 key can read it.
    std::string seal_for = {};
    /// Sent along, for a Birth.
    std::string certificate = {};
    /// See `SliceBytesFor`.
    std::size_t slice_bytes = kMaxSliceBytes;
  };
  /// One envelope, or one for each part. An error when it can not be sealed, or needs too many parts.
  absl::StatusOr<std::vector<std::string>> Write(v1::Channel channel, const std::string& message,
                                                 const Options& options);

  [[nodiscard]] std::uint64_t session() const { return session_; }

 private:
  std::string Sign(v1::EnvelopeBody& body, const Options& options);

  const EnvelopeRoute route_;
  const Signer& signer_;
  const std::uint64_t session_;
  std::uint64_t sequence_;
};

/// Why an envelope was not accepted.
enum class EnvelopeFault {
  kMalformed,
  kTooLarge,
  /// Signed by nobody who may, or changed on the way.
  kForged,
  /// Meant for another hub or host, or for another topic.
  kMisplaced,
  /// Of an older session: late, or kept and sent again.
  kOldSession,
  /// Of a newer session, whose Birth has not come.
  kUnborn,
  kReplayed,
  /// After its time, or before anything that expires can be judged.
  kExpired,
  kNotForUs,
};
inline constexpr std::size_t kEnvelopeFaults = 9;
const char* FaultName(EnvelopeFault fault);

/// Counts what was refused.
class EnvelopeFaults {
 public:
  void Count(EnvelopeFault fault) { ++counts_[static_cast<std::size_t>(fault)]; }
  [[nodiscard]] std::uint64_t Of(EnvelopeFault fault) const {
    return counts_[static_cast<std::size_t>(fault)];
  }
  [[nodiscard]] std::uint64_t Total() const {
    std::uint64_t total = 0;
    for (const std::uint64_t count : counts_) total += count;
    return total;
  }

 private:
  std::array<std::uint64_t, kEnvelopeFaults> counts_{};
};

/// Opens the envelopes that one end of a route receives, and accepts each at most once.
///
/// What it lets through was signed by the peer, for this hub, host and topic, belongs to the present session,
/// has a sequence not seen before, and is not expired. A host's end is told its session (`BeginSession`); the
/// hub's end learns it from the newest Birth.
class EnvelopeReader {
 public:
  struct Options {
    EnvelopeRoute route;
    /// OK when `signature` is the peer's over `body`; called before anything of it is looked at.
    std::function<absl::Status(const v1::Envelope&)> verify;
    /// Hub time, Unix nanoseconds; nullopt while it is not known.
    std::function<std::optional<std::int64_t>()> hub_now;
    /// nullptr: nothing sealed is accepted. Must outlive the reader.
    const Opener* opener = nullptr;
  };
  struct Message {
    std::uint64_t session = 0;
    std::string bytes;
    /// The sender's certificate, of a Birth.
    std::string certificate;
    bool sealed = false;
  };

  /// `faults` must outlive this object.
  EnvelopeReader(Options options, EnvelopeFaults& faults) : options_(std::move(options)), faults_(faults) {}

  /// Opens what came on the topic of `channel`. nullopt: accepted, and more parts are needed. An error was
  /// counted and says why in words for a log line. FailedPrecondition: the peer has proved that it speaks, of
  /// a session whose Birth has not come (`unborn_session`), or with a Birth of an older one
  /// (`outdated_session`), which may be a repetition.
  absl::StatusOr<std::optional<Message>> Read(v1::Channel channel, std::string_view wire);

  /// Only messages of this session count from now on.
  void BeginSession(std::uint64_t session);
  [[nodiscard]] std::uint64_t session() const { return session_; }
  /// The newest session that spoke, proved by its signature, before its Birth came; 0 for none.
  [[nodiscard]] std::uint64_t unborn_session() const { return unborn_; }
  /// Of the last Birth that was older than the present session.
  [[nodiscard]] std::uint64_t outdated_session() const { return outdated_; }

 private:
  absl::Status Refuse(EnvelopeFault fault, const std::string& why);
  absl::Status CheckSession(v1::Channel channel, const v1::EnvelopeBody& body);
  absl::StatusOr<Message> Open(v1::Channel channel, const v1::EnvelopeBody& body, const std::string& content);

  const Options options_;
  EnvelopeFaults& faults_;
  std::uint64_t session_ = 0;
  std::uint64_t unborn_ = 0;
  std::uint64_t outdated_ = 0;
  SequenceWindow window_;
  PartJoiner parts_;
};

}  // namespace slicelet
