#include "edge-agent/link/hub_session.h"

#include <algorithm>
#include <utility>

#include "common/base/backoff.h"
#include "common/base/encoding.h"
#include "common/log/log.h"
#include "edge-agent/link/autonomy.h"
#include "edge-agent/link/blob_fetcher.h"
#include "edge-agent/link/commands.h"
#include "edge-agent/link/credentials.h"
#include "edge-agent/link/heartbeat.h"
#include "edge-agent/link/log_ranges.h"
#include "edge-agent/link/manifest_keeper.h"
#include "edge-agent/link/status_reporter.h"

namespace slicelet::agent {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint32_t kProtocol = 1;
constexpr char kLogRanges[] = "log-ranges";
constexpr char kLogTails[] = "log-tails";
constexpr Duration kHealthy = seconds(60);
constexpr Duration kBirthRetry = seconds(10);
constexpr int kMaxBirths = 3;
/// What the hub may ask for.
constexpr Duration kLongestHeartbeat = hours(1);
constexpr Duration kLongestBatch = seconds(5);
constexpr Duration kDefaultBatch = milliseconds(50);
constexpr Duration kLongestWait = hours(1);
/// Full reports of hosts that come back at the same time are spread over this much.
constexpr Duration kReturnSpread = seconds(1);
/// What a pipe needs to send a last message.
constexpr Duration kGoodbye = milliseconds(200);
constexpr int kNonceBytes = 16;

/// `value` in milliseconds within its bounds; 0 is "not said".
Duration Within(std::int64_t value, Duration fallback, Duration least, Duration most) {
  if (value <= 0) return fallback;
  if (value > std::chrono::duration_cast<milliseconds>(most).count()) return most;
  return std::max<Duration>(milliseconds(value), least);
}

}  // namespace

struct HubSession::Impl {
  Impl(Options the_options, Dependencies dependencies)
      : options(std::move(the_options)),
        d(std::move(dependencies)),
        settings(FirstSettings()),
        keeper({options.hub_id, options.host, options.root_public_key}, d.store, settings, KeeperEvents()),
        autonomy(d.loop, [this](const v1::Manifest& manifest) { d.runner.Apply(manifest); }),
        blobs(d.loop, d.store, d.runner,
              [this](const v1::Fetch& fetch) { Send(&v1::HostMessage::mutable_fetch, fetch); }),
        credentials(d.store, d.runner,
                    [this](const v1::CredentialRequest& request) {
                      Send(&v1::HostMessage::mutable_credential_request, request);
                    }),
        reporter(d.loop, d.runner,
                 [this](const v1::StatusReport& report) { Send(&v1::HostMessage::mutable_status, report); }),
        log_ranges(d.loop, d.serve_stream, [this](const v1::Reply& reply) { SendReply(reply); }),
        commands(
            d.dial_tunnel, d.serve_stream,
            [this](const std::string& request, const v1::LogRange& range) { log_ranges.Ask(request, range); },
            d.read_log_tail, [this](const v1::Reply& reply) { SendReply(reply); }),
        backoff({}, d.random),
        birth_timer(d.loop),
        heartbeat(d.loop, {.due = [this](bool want_ack) { SendHeartbeat(want_ack); },
                           .silent = [this] { Drop("the hub is silent"); }}),
        reconnect_timer(d.loop),
        healthy_timer(d.loop),
        goodbye_timer(d.loop) {
    // What answered a former loss is no answer to this one.
    const bool lost = settings.amnesiac() && !d.store.loaded().settings.amnesiac();
    if (lost || settings.nonce().empty()) settings.set_nonce(HexDecode(d.random.Hex(kNonceBytes)).value());
    reporter.SetFacts(options.facts);
    reporter.SetObserved(keeper.accepted());
    d.runner.OnStatusChanged(lifetime.Guard(
        [this](const std::vector<PodUid>& uids, bool urgent) { reporter.OnChanged(uids, urgent); }));
  }

  v1::AgentSettings FirstSettings() {
    v1::AgentSettings first = d.store.loaded().settings;
    first.set_boot_id(options.boot_id);
    return first;
  }

  ManifestKeeper::Events KeeperEvents() {
    return {.attach = [this](const v1::Manifest& manifest,
                             AgentStore::Batch& batch) { return blobs.TakeEarly(manifest, batch); },
            .attached = [this](const std::vector<Digest>& digests,
                               const absl::Status& status) { blobs.OnStored(digests, status); },
            .verified = [this](const v1::Manifest& manifest) { blobs.Want(manifest); },
            .accepted =
                [this](const v1::Manifest& manifest, const v1::Accepted& accepted, bool fresh) {
                  Send(&v1::HostMessage::mutable_accepted, accepted);
                  if (!fresh) return;
                  reporter.SetObserved(keeper.accepted());
                  autonomy.Apply(manifest);
                  RequestCredentials();
                  ScheduleHeartbeat();
                },
            .rejected =
                [this](const v1::Rejected& rejected) { Send(&v1::HostMessage::mutable_rejected, rejected); }};
  }

  void SaveSettings(Loop::Task then) {
    AgentStore::Batch batch;
    batch.settings = settings;
    d.store.Commit(std::move(batch), lifetime.Guard([then = std::move(then)](const absl::Status& status) {
      // With a full disk the host still talks to its hub; Welcome's floor mends a counter that was used
      // twice.
      if (!status.ok()) LogError("cannot store the session counter", {{"error", Describe(status)}});
      if (then) then();
    }));
  }

  // ---- Connecting ----

  void Start() {
    // The runner was started with it; from here on autonomy counts.
    if (keeper.held()) autonomy.Apply(keeper.newest());
    if (keeper.held()) blobs.Want(keeper.newest());
    Connect();
  }

  void Connect() {
    if (stopping) return;
    // The counter is made durable while the connection is set up.
    BeginSession(settings.session() + 1);
    pipe = d.hub.Connect(
        {.on_message = lifetime.Guard([this](const v1::HubMessage& m) { OnMessage(m); }),
         .on_closed = lifetime.Guard([this](const absl::Status& status) { OnClosed(status); })});
  }

  /// Its Birth follows once the number is durable.
  void BeginSession(std::uint64_t number) {
    session = number;
    settings.set_session(number);
    births = 0;
    SaveSettings([this, number] {
      if (number == session) SendBirth();
    });
  }

  void EndSession() {
    up = false;
    heartbeat.Cancel();
    healthy_timer.Cancel();
    reporter.End();
    blobs.End();
  }

  void OnClosed(const absl::Status& status) {
    const bool was_up = up;
    Disconnect();
    ScheduleReconnect();
    if (was_up)
      LogWarning("lost the hub", {{"host", options.host}, {"error", Describe(status)}});
    else
      LogInfo("cannot reach the hub", {{"host", options.host}, {"error", Describe(status)}});
  }

  void Disconnect() {
    birth_timer.Cancel();
    EndSession();
    // It may be the one that is calling us.
    if (pipe) d.loop.Post([old = std::shared_ptr<HubPipe>(std::move(pipe))] {});
    pipe.reset();
  }

  void ScheduleReconnect() {
    if (stopping) return;
    returning = true;
    const Duration delay = std::max(backoff.Next(), std::exchange(directed_wait, Duration::zero()));
    reconnect_timer.Set(delay, [this] { Connect(); });
  }

  void Drop(const std::string& why) {
    LogWarning("leaving the hub to connect again", {{"host", options.host}, {"why", why}});
    Disconnect();
    ScheduleReconnect();
  }

  void Send(v1::HostMessage message) {
    if (!pipe) return;
    message.set_session(session);
    pipe->Send(std::move(message));
  }

  /// A message of one part.
  template <typename Part>
  void Send(Part* (v1::HostMessage::*part)(), const Part& said) {
    v1::HostMessage message;
    *(message.*part)() = said;
    Send(std::move(message));
  }

  void SendReply(const v1::Reply& reply) { Send(&v1::HostMessage::mutable_reply, reply); }

  void SendBirth() {
    if (!pipe) return;
    if (++births > kMaxBirths) {
      Drop("no welcome");
      return;
    }
    v1::HostMessage message;
    auto* birth = message.mutable_birth();
    birth->set_host_id(options.host.value());
    birth->set_boot_id(options.boot_id);
    if (const auto rate = ReceiveRate()) birth->set_receive_rate(*rate);
    birth->set_agent_version(options.agent_version);
    birth->set_protocol(kProtocol);
    if (options.log_ranges) birth->add_features(kLogRanges);
    if (d.read_log_tail) birth->add_features(kLogTails);
    if (options.log_tails) *birth->mutable_log_tails() = *options.log_tails;
    *birth->mutable_node() = options.facts;
    for (const auto& [key, value] : options.tags) (*birth->mutable_tags())[key] = value;
    birth->set_sealing_key_id(d.opener.key_id());
    birth->set_sealing_public_key(d.opener.public_key());
    ToProto(keeper.accepted(), birth->mutable_accepted());
    birth->set_accepted_digest(keeper.digest());
    birth->set_amnesiac(settings.amnesiac());
    birth->set_nonce(settings.nonce());
    birth->set_clock(ToUnixNanos(d.clock.Now()));
    Send(std::move(message));
    birth_timer.Set(kBirthRetry, [this] { SendBirth(); });
  }

  // ---- What the hub says ----

  void OnMessage(const v1::HubMessage& message) {
    if (message.session() != 0 && message.session() != session) return;
    // What a broker kept for us says nothing about the hub being alive.
    if (message.session() == session) {
      heartbeat.Heard();
      autonomy.Heard();
    }
    switch (message.message_case()) {
      case v1::HubMessage::kWelcome:
        OnWelcome(message.welcome());
        break;
      case v1::HubMessage::kDesired:
        keeper.Offer(message.desired());
        break;
      case v1::HubMessage::kBlob:
        blobs.OnBlob(message.blob());
        break;
      case v1::HubMessage::kStatusAck:
        reporter.OnAck(message.status_ack().sequence());
        break;
      case v1::HubMessage::kResync:
        reporter.OnResync();
        break;
      case v1::HubMessage::kHeartbeatAck:
        HubTime(message.heartbeat_ack().hub_time());
        break;
      case v1::HubMessage::kCommand:
        // Before Welcome the hub's time is not known, so nothing that expires is run.
        if (up) commands.Run(message.command(), HubNow(), keeper.held());
        break;
      case v1::HubMessage::kCredential:
        credentials.OnCredential(message.credential());
        break;
      case v1::HubMessage::MESSAGE_NOT_SET:
        // A newer hub's.
        break;
    }
  }

  void OnWelcome(const v1::Welcome& welcome) {
    if (welcome.hub_id() != options.hub_id) {
      Drop("this is hub " + welcome.hub_id() + ", not " + options.hub_id);
      return;
    }
    // A broker may still have what it was to tell this host before its store was lost, in sessions of the
    // same numbers. Only a number to go on above is taken from that.
    const bool answers = welcome.nonce() == settings.nonce();
    if (answers) HubTime(welcome.hub_time());
    directed_wait = Within(welcome.reconnect_wait_ms(), Duration::zero(), Duration::zero(), kLongestWait);
    const bool keys_changed = keeper.AddKeys(welcome.manifest_keys());
    if (welcome.session_floor() >= session) {
      // Our counter was lost with the store, or the hub began anew: go on above what it remembers.
      if (up) {
        EndSession();
        returning = true;
      }
      BeginSession(welcome.session_floor() + 1);
      return;
    }
    if (keys_changed) SaveSettings({});
    if (!answers) {
      LogWarning("a welcome that answers another store of this host ignored",
                 {{"host", options.host}, {"session", session}});
      return;
    }
    heartbeat.SetInterval(
        Within(welcome.heartbeat_ms(), kDefaultHeartbeat, kShortestHeartbeat, kLongestHeartbeat));
    if (welcome.want_manifest() && keeper.held()) {
      v1::Reply reply;
      *reply.mutable_manifest() = *keeper.held();
      SendReply(reply);
    }
    // Said again because a Birth was sent again.
    if (up && welcome.incarnation() == incarnation) return;
    incarnation = welcome.incarnation();
    up = true;
    birth_timer.Cancel();
    LogInfo("welcomed by the hub",
            {{"host", options.host}, {"session", session}, {"gen", keeper.accepted()}});
    healthy_timer.Set(kHealthy, [this] { backoff.Reset(); });
    const Duration spread = returning ? d.random.Below(kReturnSpread) : Duration::zero();
    reporter.Begin(Within(welcome.status_batch_ms(), kDefaultBatch, Duration::zero(), kLongestBatch), spread);
    blobs.Begin();
    RequestCredentials();
    ScheduleHeartbeat();
  }

  void RequestCredentials() {
    if (up) credentials.RequestMissing();
  }

  // ---- Time and signs of life ----

  void HubTime(std::int64_t time) {
    if (time <= 0) return;
    settings.set_hub_time(time);
    hub_time_heard = d.loop.Now();
    heartbeat.HeardTime();
  }

  [[nodiscard]] std::int64_t HubNow() const {
    return settings.hub_time() + (d.loop.Now() - hub_time_heard).count();
  }

  [[nodiscard]] std::optional<std::uint64_t> ReceiveRate() const {
    return d.receive_rate ? d.receive_rate() : std::nullopt;
  }

  void ScheduleHeartbeat() {
    if (up) heartbeat.Schedule(autonomy.shortest());
  }

  void SendHeartbeat(bool want_ack) {
    v1::HostMessage message;
    message.mutable_heartbeat()->set_want_ack(want_ack);
    if (d.refused) message.mutable_heartbeat()->set_refused(d.refused());
    if (const auto rate = ReceiveRate()) message.mutable_heartbeat()->set_receive_rate(*rate);
    Send(std::move(message));
    blobs.Refresh();
    RequestCredentials();
    ScheduleHeartbeat();
  }

  void Stop(const std::string& reason, std::function<void()> done) {
    stopping = true;
    reconnect_timer.Cancel();
    if (!pipe) {
      d.loop.Post(std::move(done));
      return;
    }
    v1::HostMessage message;
    message.mutable_goodbye()->set_reason(reason);
    Send(std::move(message));
    pipe->Close();
    birth_timer.Cancel();
    EndSession();
    goodbye_timer.Set(kGoodbye, [this, done = std::move(done)] {
      pipe.reset();
      done();
    });
  }

  using HubPipe = HubConnector::Pipe;

  Options options;
  Dependencies d;
  v1::AgentSettings settings;
  ManifestKeeper keeper;
  Autonomy autonomy;
  BlobFetcher blobs;
  Credentials credentials;
  StatusReporter reporter;
  LogRanges log_ranges;
  Commands commands;
  Backoff backoff;
  std::unique_ptr<HubPipe> pipe;
  std::uint64_t session = 0;
  int births = 0;
  bool up = false;
  bool stopping = false;
  /// Not the first connection of this process.
  bool returning = false;
  std::string incarnation;
  Duration directed_wait{};
  MonotonicTime hub_time_heard{};
  Timer birth_timer;
  Heartbeat heartbeat;
  Timer reconnect_timer;
  Timer healthy_timer;
  Timer goodbye_timer;
  Lifetime lifetime;
};

HubSession::HubSession(Options options, Dependencies dependencies)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(dependencies))) {}
HubSession::~HubSession() = default;

void HubSession::Start() { impl_->Start(); }
void HubSession::Stop(const std::string& reason, std::function<void()> done) {
  impl_->Stop(reason, std::move(done));
}
void HubSession::SetFacts(const v1::NodeFacts& facts) {
  impl_->options.facts = facts;
  impl_->reporter.SetFacts(facts);
}
void HubSession::SetBrokerKeys(const std::vector<v1::KeyCertificate>& keys) {
  impl_->settings.mutable_broker_keys()->Assign(keys.begin(), keys.end());
  impl_->SaveSettings({});
}
Generation HubSession::accepted() const { return impl_->keeper.accepted(); }
bool HubSession::connected() const { return impl_->up; }

}  // namespace slicelet::agent
