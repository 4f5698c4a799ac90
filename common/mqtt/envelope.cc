#include "common/mqtt/envelope.h"

#include <algorithm>
#ifdef SLICELET_PLANTS
#include "tests/sim/plants.h"
#endif

namespace slicelet {
namespace {

bool IsOrderedElsewhere(v1::Channel channel) { return channel == v1::CHANNEL_DESIRED; }

/// What a seal is bound to: an answer of one session opens in no other.
SealContext ContextOf(const EnvelopeRoute& route, v1::Channel channel, std::uint64_t session) {
  return {.hub_id = route.hub_id,
          .host = route.host,
          .pod = PodUid(),
          .content = ContentId("envelope/" + std::to_string(static_cast<int>(channel)) + "/" +
                               std::to_string(session))};
}

}  // namespace

const char* FaultName(EnvelopeFault fault) {
  switch (fault) {
    case EnvelopeFault::kMalformed:
      return "malformed";
    case EnvelopeFault::kTooLarge:
      return "too_large";
    case EnvelopeFault::kForged:
      return "forged";
    case EnvelopeFault::kMisplaced:
      return "misplaced";
    case EnvelopeFault::kOldSession:
      return "old_session";
    case EnvelopeFault::kUnborn:
      return "unborn";
    case EnvelopeFault::kReplayed:
      return "replayed";
    case EnvelopeFault::kExpired:
      return "expired";
    case EnvelopeFault::kNotForUs:
      return "not_for_us";
  }
  return "unknown";
}

std::string EnvelopeWriter::Sign(v1::EnvelopeBody& body, const Options& options) {
  const bool counted = !IsOrderedElsewhere(body.channel());
  body.set_sequence(counted ? ++sequence_ : 0);
  v1::Envelope envelope;
  envelope.set_body(body.SerializeAsString());
  envelope.set_key_id(signer_.key_id());
  envelope.set_signature(signer_.Sign(SignaturePurpose::kEnvelope, envelope.body()));
  envelope.set_certificate(options.certificate);
  return envelope.SerializeAsString();
}

absl::StatusOr<std::vector<std::string>> EnvelopeWriter::Write(v1::Channel channel,
                                                               const std::string& message,
                                                               const Options& options) {
  v1::EnvelopeContent content;
  if (options.seal_for.empty()) {
    content.set_plain(message);
  } else {
    SLICELET_ASSIGN_OR_RETURN(*content.mutable_sealed(),
                              Seal(options.seal_for, ContextOf(route_, channel, session_), message));
  }
  const std::string bytes = content.SerializeAsString();
  v1::EnvelopeBody body;
  body.set_hub_id(route_.hub_id);
  body.set_host_id(route_.host.value());
  body.set_channel(channel);
  body.set_session(IsOrderedElsewhere(channel) ? 0 : session_);
  body.set_expires(options.expires);
  std::vector<std::string> envelopes;
  const std::size_t slice = options.slice_bytes;
  if (bytes.size() <= slice) {
    body.set_content(bytes);
    envelopes.push_back(Sign(body, options));
    return envelopes;
  }
  const std::size_t parts = (bytes.size() + slice - 1) / slice;
  if (parts > PartJoiner::kMaxParts) {
    return absl::ResourceExhaustedError("a message of " + std::to_string(bytes.size()) + " bytes needs " +
                                        std::to_string(parts) + " parts over this broker, the most are " +
                                        std::to_string(PartJoiner::kMaxParts));
  }
  if (parts > PartJoiner::kMaxParts) {
    return absl::ResourceExhaustedError("a message of " + std::to_string(bytes.size()) +
                                        " bytes is too large for this link");
  }
  body.mutable_part()->set_set(sequence_ + 1);
  body.mutable_part()->set_parts(static_cast<std::uint32_t>(parts));
  for (std::size_t i = 0; i < parts; ++i) {
    body.mutable_part()->set_part(static_cast<std::uint32_t>(i));
    body.set_content(bytes.substr(i * slice, slice));
    envelopes.push_back(Sign(body, options));
  }
  return envelopes;
}

absl::Status EnvelopeReader::Refuse(EnvelopeFault fault, const std::string& why) {
  faults_.Count(fault);
  return absl::PermissionDeniedError(std::string(FaultName(fault)) + ": " + why);
}

void EnvelopeReader::BeginSession(std::uint64_t session) {
  if (session == session_) return;
  session_ = session;
  unborn_ = 0;
  window_ = {};
  parts_.Clear();
}

absl::Status EnvelopeReader::CheckSession(v1::Channel channel, const v1::EnvelopeBody& body) {
  if (channel == v1::CHANNEL_BIRTH && body.session() > session_) BeginSession(body.session());
  if (body.session() > session_) {
    unborn_ = body.session();
    return absl::FailedPreconditionError(slicelet::Message(
        Refuse(EnvelopeFault::kUnborn, "session " + std::to_string(body.session()) + " has not begun")));
  }
  if (body.session() != session_ || session_ == 0) {
    absl::Status refused =
        Refuse(EnvelopeFault::kOldSession,
               "session " + std::to_string(body.session()) + ", the present is " + std::to_string(session_));
    if (channel != v1::CHANNEL_BIRTH) return refused;
    outdated_ = body.session();
    return absl::FailedPreconditionError(slicelet::Message(refused));
  }
#ifdef SLICELET_PLANTS
  if (sim::Planted(sim::Plant::kAcceptReplayedEnvelope)) return absl::OkStatus();
#endif
  if (!window_.Take(body.sequence())) {
    return Refuse(EnvelopeFault::kReplayed, "sequence " + std::to_string(body.sequence()) + " of session " +
                                                std::to_string(session_) + " was seen or is too old");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<EnvelopeReader::Message>> EnvelopeReader::Read(v1::Channel channel,
                                                                            std::string_view wire) {
  if (wire.size() > kMaxEnvelopeBytes) {
    return Refuse(EnvelopeFault::kTooLarge, std::to_string(wire.size()) + " bytes");
  }
  v1::Envelope envelope;
  if (!envelope.ParseFromArray(wire.data(), static_cast<int>(wire.size())) || envelope.body().empty()) {
    return Refuse(EnvelopeFault::kMalformed, "not an envelope");
  }
  if (const auto status = options_.verify(envelope); !status.ok()) {
    return Refuse(EnvelopeFault::kForged, slicelet::Message(status));
  }
  v1::EnvelopeBody body;
  if (!body.ParseFromString(envelope.body())) {
    return Refuse(EnvelopeFault::kMalformed, "the signed bytes are not an envelope's body");
  }
  if (body.hub_id() != options_.route.hub_id || body.host_id() != options_.route.host.value()) {
    return Refuse(EnvelopeFault::kMisplaced, "it is for host " + body.host_id() + " of hub " + body.hub_id());
  }
  if (body.channel() != channel) {
    return Refuse(EnvelopeFault::kMisplaced, "it was signed for channel " +
                                                 std::to_string(static_cast<int>(body.channel())) +
                                                 " and came on " + std::to_string(static_cast<int>(channel)));
  }
  // Before its sequence is taken: what came too late must not use it up, and nothing is kept of it.
  if (body.expires() != 0) {
    const auto now = options_.hub_now();
    if (!now || body.expires() < *now) {
      return Refuse(EnvelopeFault::kExpired,
                    now ? "it came after its expiry" : "the hub's time is not known");
    }
  }
  if (!IsOrderedElsewhere(channel)) SLICELET_RETURN_IF_ERROR(CheckSession(channel, body));
  std::string content = std::move(*body.mutable_content());
  if (body.has_part()) {
    if (IsOrderedElsewhere(channel)) return Refuse(EnvelopeFault::kMalformed, "a retained message in parts");
    auto joined = parts_.Add(body.part(), std::move(content));
    if (!joined.ok()) {
      return Refuse(
          absl::IsResourceExhausted(joined.status()) ? EnvelopeFault::kTooLarge : EnvelopeFault::kMalformed,
          slicelet::Message(joined.status()));
    }
    if (!*joined) return std::optional<Message>();
    content = std::move(**joined);
  }
  SLICELET_ASSIGN_OR_RETURN(Message message, Open(channel, body, content));
  message.certificate = envelope.certificate();
  return std::optional(std::move(message));
}

absl::StatusOr<EnvelopeReader::Message> EnvelopeReader::Open(v1::Channel channel,
                                                             const v1::EnvelopeBody& body,
                                                             const std::string& content) {
  v1::EnvelopeContent opened;
  if (!opened.ParseFromString(content)) return Refuse(EnvelopeFault::kMalformed, "not an envelope's content");
  Message message;
  message.session = body.session();
  switch (opened.content_case()) {
    case v1::EnvelopeContent::kPlain:
      message.bytes = std::move(*opened.mutable_plain());
      return message;
    case v1::EnvelopeContent::kSealed: {
      if (options_.opener == nullptr) return Refuse(EnvelopeFault::kNotForUs, "sealed, and there is no key");
      auto plain = options_.opener->Open(ContextOf(options_.route, channel, body.session()), opened.sealed());
      if (!plain.ok()) return Refuse(EnvelopeFault::kNotForUs, slicelet::Message(plain.status()));
      message.bytes = *std::move(plain);
      message.sealed = true;
      return message;
    }
    case v1::EnvelopeContent::CONTENT_NOT_SET:
      return Refuse(EnvelopeFault::kMalformed, "an envelope without content");
  }
  return Refuse(EnvelopeFault::kMalformed, "an envelope with unknown content");
}

}  // namespace slicelet
