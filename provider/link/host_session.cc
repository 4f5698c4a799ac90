#include "provider/link/host_session.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "provider/manifest/generation.h"

namespace slicelet::provider {
namespace {

constexpr std::uint32_t kProtocol = 1;

std::int64_t Milliseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

/// Of a Birth or a Heartbeat.
template <typename Message>
std::optional<std::uint64_t> RateOf(const Message& message) {
  return message.has_receive_rate() ? std::optional(message.receive_rate()) : std::nullopt;
}

}  // namespace

HostSession::HostSession(HostId host, const Options& options, Loop& loop, Clock& clock,
                         LinkListener& listener, std::uint64_t highest_session, OnDropped on_dropped)
    : host_(std::move(host)),
      options_(options),
      loop_(loop),
      clock_(clock),
      listener_(listener),
      on_dropped_(std::move(on_dropped)),
      highest_session_(highest_session),
      blobs_(
          loop, [this](const Digest& digest) { return listener_.ReadBlob(host_, digest); },
          [this](v1::Blob blob) {
            v1::HubMessage message;
            *message.mutable_blob() = std::move(blob);
            Send(std::move(message));
          }),
      reach_timer_(loop),
      resend_timer_(loop),
      hear_again_(loop) {
  reach_timer_.Set(options_.resume_grace, [this] {
    SetReach(Reach::kUnreachable, "NotConnected", "the host has not connected since the hub started");
  });
}

HostSession::~HostSession() { Drop(); }

bool HostSession::OnBirth(const std::shared_ptr<Pipe>& pipe, const v1::HostMessage& message) {
  const bool repeated = pipe == pipe_ && message.session() == session_;
  if (!repeated && message.session() <= highest_session_) {
    LogInfo("host told to begin a newer session",
            {{"host", host_}, {"session", message.session()}, {"floor", highest_session_}});
    Welcome(message, *pipe, false);
    return false;
  }
  if (!repeated) {
    // A host may begin anew on the connection it has.
    if (pipe != pipe_) Drop();
    resend_timer_.Cancel();
    // A session begins with a full report.
    hear_again_.Cancel();
    blobs_.Clear();
    pipe_ = pipe;
    session_ = highest_session_ = message.session();
    statuses_ = {};
    resync_sent_.reset();
    desired_.reset();
  }
  last_heard_ = loop_.Now();
  last_seen_ = ToUnixNanos(clock_.Now());
  const v1::Birth& birth = message.birth();
  receive_rate_ = RateOf(birth);
  const bool want_manifest = listener_.OnBirth(host_, birth, session_);
  Welcome(message, *pipe_, want_manifest);
  if (!repeated) {
    LogInfo("host connected", {{"host", host_},
                               {"session", session_},
                               {"agent", birth.agent_version()},
                               {"accepted", FromProto(birth.accepted())}});
  }
  SetReach(Reach::kConnected, "Connected", "");
  WatchHeartbeats();
  listener_.OnWelcomed(host_, birth);
  return true;
}

void HostSession::Welcome(const v1::HostMessage& message, Pipe& pipe, bool want_manifest) {
  v1::HubMessage answer;
  answer.set_session(message.session());
  v1::Welcome& welcome = *answer.mutable_welcome();
  welcome.set_hub_id(options_.hub_id);
  welcome.set_incarnation(options_.incarnation);
  welcome.set_session_floor(pipe_.get() == &pipe ? session_ - 1 : highest_session_);
  welcome.set_heartbeat_ms(Milliseconds(options_.heartbeat));
  welcome.set_status_batch_ms(Milliseconds(options_.status_batch));
  welcome.set_hub_time(ToUnixNanos(clock_.Now()));
  welcome.set_nonce(message.birth().nonce());
  for (const v1::KeyCertificate& key : options_.key_certificates) *welcome.add_manifest_keys() = key;
  welcome.set_protocol(kProtocol);
  welcome.set_want_manifest(want_manifest);
  pipe.Send(std::move(answer));
}

void HostSession::OnMessage(const std::shared_ptr<Pipe>& pipe, v1::HostMessage message) {
  if (pipe != pipe_ || message.session() != session_) {
    LogDebug("message of another session ignored", {{"host", host_}, {"session", message.session()}});
    return;
  }
  last_heard_ = loop_.Now();
  last_seen_ = ToUnixNanos(clock_.Now());
  switch (message.message_case()) {
    case v1::HostMessage::kFetch:
      blobs_.Fetch(message.fetch());
      break;
    case v1::HostMessage::kAccepted:
      if (FromProto(message.accepted().generation()) >= desired_generation_) resend_timer_.Cancel();
      listener_.OnAccepted(host_, message.accepted());
      break;
    case v1::HostMessage::kRejected:
      LogWarning("host rejected its manifest", {{"host", host_},
                                                {"gen", FromProto(message.rejected().generation())},
                                                {"code", v1::Rejected::Code_Name(message.rejected().code())},
                                                {"why", message.rejected().message()}});
      listener_.OnRejected(host_, message.rejected());
      break;
    case v1::HostMessage::kStatus:
      OnStatus(message.status());
      break;
    case v1::HostMessage::kHeartbeat:
      if (message.heartbeat().refused() > refused_) {
        LogWarning("host refused messages that came over its broker",
                   {{"host", host_}, {"refused", message.heartbeat().refused()}});
      }
      refused_ = message.heartbeat().refused();
      receive_rate_ = RateOf(message.heartbeat());
      if (message.heartbeat().want_ack()) {
        v1::HubMessage answer;
        answer.mutable_heartbeat_ack()->set_hub_time(last_seen_);
        Send(std::move(answer));
      }
      break;
    case v1::HostMessage::kGoodbye:
      Close("Goodbye", "the agent stopped: " + message.goodbye().reason());
      break;
    case v1::HostMessage::kReply:
      listener_.OnReply(host_, message.reply());
      break;
    case v1::HostMessage::kCredentialRequest:
      listener_.OnCredentialRequest(host_, message.credential_request());
      break;
    case v1::HostMessage::kHistory:
      LogInfo("host history", {{"host", host_},
                               {"transitions", message.history().transitions_size()},
                               {"dropped", message.history().dropped()}});
      break;
    case v1::HostMessage::kBirth:
    case v1::HostMessage::MESSAGE_NOT_SET:
      break;
  }
}

void HostSession::OnStatus(const v1::StatusReport& report) {
  v1::HubMessage answer;
  const StatusSequence::Verdict verdict = statuses_.Judge(report);
  if (verdict == StatusSequence::Verdict::kGap) {
    if (resync_sent_ && loop_.Now() - *resync_sent_ < kResyncEvery) return;
    resync_sent_ = loop_.Now();
    answer.mutable_resync();
    return Send(std::move(answer));
  }
  answer.mutable_status_ack()->set_sequence(statuses_.highest());
  Send(std::move(answer));
  if (verdict != StatusSequence::Verdict::kApply) return;
  if (report.full()) hear_again_.Cancel();
  listener_.OnStatus(host_, report);
}

void HostSession::HearAgain() {
  v1::HubMessage message;
  message.mutable_resync();
  Send(std::move(message));
  hear_again_.Set(kHearAgain, [this] { HearAgain(); });
}

void HostSession::OnClosed(const std::shared_ptr<Pipe>& pipe) {
  if (pipe != pipe_) return;
  Drop();
  LogInfo("host disconnected", {{"host", host_}, {"session", session_}});
  SetReach(Reach::kResuming, reach_reason_, reach_message_);
  reach_timer_.Set(options_.resume_grace, [this] {
    SetReach(Reach::kUnreachable, "LinkBroken", "the connection broke and was not resumed");
  });
}

void HostSession::Close(const std::string& reason, const std::string& why) {
  Drop();
  reach_timer_.Cancel();
  SetReach(Reach::kUnreachable, reason, why);
}

void HostSession::Drop() {
  resend_timer_.Cancel();
  hear_again_.Cancel();
  blobs_.Clear();
  if (!pipe_) return;
  const std::shared_ptr<Pipe> pipe = std::exchange(pipe_, nullptr);
  pipe->Close();
  on_dropped_(pipe.get());
  // It may be calling us.
  loop_.Post([pipe] {});
}

void HostSession::Deliver(const v1::SignedManifest& manifest, const Generation& generation) {
  desired_ = manifest;
  desired_generation_ = generation;
  resend_delay_ = kResendFirst;
  if (pipe_) SendDesired();
}

void HostSession::SendDesired() {
  v1::HubMessage message;
  *message.mutable_desired()->mutable_manifest() = *desired_;
  for (const v1::KeyCertificate& key : options_.key_certificates)
    *message.mutable_desired()->add_keys() = key;
  Send(std::move(message));
  resend_timer_.Set(resend_delay_, [this] { SendDesired(); });
  resend_delay_ = std::min(resend_delay_ * 2, kResendCap);
}

void HostSession::Send(v1::HubMessage message) {
  if (!pipe_) return;
  message.set_session(session_);
  pipe_->Send(std::move(message));
}

void HostSession::WatchHeartbeats() {
  const Duration allowed = options_.heartbeat * kMissedHeartbeats;
  reach_timer_.Set(last_heard_ + allowed - loop_.Now(), [this, allowed] {
    if (loop_.Now() - last_heard_ < allowed) return WatchHeartbeats();
    Close("Silence", std::to_string(kMissedHeartbeats) + " heartbeats were missed");
  });
}

void HostSession::SetReach(Reach reach, const std::string& reason, const std::string& message) {
  if (reach_ == reach && reach_reason_ == reason) return;
  const bool was_usable = reach_ == Reach::kConnected || reach_ == Reach::kResuming;
  const bool usable = reach == Reach::kConnected || reach == Reach::kResuming;
  if (was_usable != usable || reach_since_ == 0) reach_since_ = ToUnixNanos(clock_.Now());
  reach_ = reach;
  reach_reason_ = reason;
  reach_message_ = message;
  if (reach == Reach::kUnreachable) {
    LogWarning("host unreachable", {{"host", host_}, {"reason", reason}, {"why", message}});
  }
  listener_.OnReachChanged(host_);
}

std::optional<v1::Condition> HostSession::link() const {
  if (reach_ == Reach::kUnknown) return std::nullopt;
  v1::Condition condition;
  condition.set_type("slicelet.io/LinkReady");
  condition.set_status(reach_ != Reach::kUnreachable);
  condition.set_reason(reach_reason_);
  condition.set_message(reach_message_);
  condition.set_last_transition(reach_since_);
  return condition;
}

}  // namespace slicelet::provider
