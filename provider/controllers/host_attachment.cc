#include "provider/controllers/host_attachment.h"

#include <utility>

#include "kube/object.h"
#include "provider/controllers/server_access.h"

namespace slicelet::provider {
namespace {

/// As the attachment's state machine says it.
constexpr char kRejected[] = "CredentialsRejected";

/// What of a record must be the same here and there.
bool Same(const AttachRecord& one, const AttachRecord& other) {
  return one.state == other.state && one.identity == other.identity && one.channel == other.channel;
}

std::string NameOfThings(const KubeAttachStore::Place& place) {
  // The uid makes it nobody else's, also at a server that many hubs use; the rest is for people.
  return "iotgateway-" + kube::NameOf(place.gateway) + "." + place.host + "." + place.server + "." +
         kube::UidOf(place.gateway);
}

}  // namespace

Json ServerFactsOf(const Json& server) {
  const Json* endpoints = kube::Find(server, {"status", "endpoints"});
  const std::string secret = kube::TextAt(server, {"status", "credentialsSecret"});
  if (endpoints == nullptr || secret.empty()) return {};
  for (const char* part : {"users", "things", "mqtt"}) {
    if (kube::TextAt(*endpoints, {part}).empty()) return {};
  }
  return {{"dialect", kube::TextAt(server, {"spec", "dialect"})},
          {"domain", kube::TextAt(server, {"spec", "domain"})},
          {"endpoints", *endpoints},
          {"ca", AuthoritiesOf(server)},
          {"secret", secret}};
}

HostAttachment::HostAttachment(Dependencies dependencies, KubeAttachStore::Place place,
                               KubeAttachStore::Written written, std::function<void()> changed)
    : to_(dependencies),
      ns_(kube::NamespaceOf(place.gateway)),
      server_name_(place.server),
      name_(NameOfThings(place)),
      changed_(std::move(changed)),
      store_(to_.api, std::move(place), std::move(written)),
      backoff_(kBackoff, to_.random),
      timer_(to_.loop),
      look_(to_.loop) {}

void HostAttachment::Ask(Asked asked) {
  // Its credentials are looked for elsewhere.
  const bool reformed = attacher_ && asked_.secret.per_host != asked.secret.per_host;
  asked_ = std::move(asked);
  store_.SetForm(asked_.secret);
  // A server that is gone may still be there: its object was removed by force.
  const bool moved = !asked_.server.is_null() && asked_.server != facts_;
  // The API server was restored: what it has recorded counts.
  const bool restored = attacher_ && attacher_->settled() && !Same(attacher_->record(), asked_.stored);
  if (moved || restored || reformed) {
    if (moved) facts_ = asked_.server;
    return Open();
  }
  if (facts_.is_null()) {
    problem_ = Finding{"ServerNotFound", "there is no IotServer " + server_name_ + " in namespace " + ns_ +
                                             ", or it does not tell its endpoints and credentials"};
  }
  Apply();
}

AttachRecord HostAttachment::record() const {
  if (attacher_) return attacher_->record();
  AttachRecord record = asked_.stored;
  if (asked_.wish == Wish::kDetach) record.state = AttachState::kOrphaned;
  if (asked_.wish == Wish::kAttach && record.state == AttachState::kDetached)
    record.state = AttachState::kAttaching;
  if (problem_) {
    if (record.state == AttachState::kAttached) record.state = AttachState::kDegraded;
    record.reason = problem_->reason;
    record.message = problem_->message;
  }
  return record;
}

bool HostAttachment::over() const {
  const bool idle = attacher_ ? attacher_->settled() : (problem_.has_value() && !forgetting_);
  return idle && asked_.stored == AttachRecord{} && asked_.wish != Wish::kAttach &&
         (!attacher_ || attacher_->record() == AttachRecord{});
}

bool HostAttachment::busy() const {
  const AttachState state = record().state;
  return attacher_ ? state == AttachState::kAttaching || state == AttachState::kDetaching : !problem_;
}

void HostAttachment::Open() {
  opening_ = std::make_unique<Lifetime>();
  attacher_.reset();
  server_.reset();
  reported_.reset();
  forgetting_ = false;
  timer_.Cancel();
  look_.Cancel();
  // A write of the former opening may still be on its way. If it came after what this one reads and writes,
  // the exporter would be told what is old, and nobody would look again.
  store_.Stop(opening_->Guard([this] {
    to_.api.Get({kube::kSecrets, ns_, kube::TextAt(facts_, {"secret"}), ""},
                opening_->Guard([this](const absl::StatusOr<Json>& secret) { OnLogin(secret); }));
  }));
}

void HostAttachment::OnLogin(const absl::StatusOr<Json>& secret) {
  const std::string name = kube::TextAt(facts_, {"secret"});
  if (absl::IsNotFound(secret.status())) {
    return Fail("CredentialsNotFound", "IotServer " + server_name_ + ": there is no Secret " + name +
                                           " in namespace " + ns_ + " with keys email and password");
  }
  if (!secret.ok()) return Fail("CredentialsNotRead", "Secret " + name + ": " + Message(secret.status()));
  const auto login = LoginOf(*secret);
  if (!login) {
    return Fail("CredentialsIncomplete",
                "IotServer " + server_name_ + ": Secret " + name + " needs the keys email and password");
  }
  server_ = OpenIotServer(kube::TextAt(facts_, {"dialect"}), kube::TextAt(facts_, {"domain"}),
                          facts_.at("endpoints"), kube::TextAt(facts_, {"ca"}), *login, to_.loop, to_.http);
  store_.SetExport({kube::TextAt(facts_, {"endpoints", "mqtt"}), kube::TextAt(facts_, {"ca"}),
                    [server = server_](const std::string& channel) { return server->TopicFor(channel); }});
  store_.ReadKey(asked_.stored,
                 opening_->Guard([this](const absl::StatusOr<std::string>& key) { OnKey(key); }));
}

void HostAttachment::OnKey(const absl::StatusOr<std::string>& key) {
  if (!key.ok()) return Fail("CredentialsNotRead", "the gateway's Secret: " + Message(key.status()));
  problem_.reset();
  backoff_.Reset();
  AttachRecord stored = asked_.stored;
  stored.key = *key;
  const bool rejected = stored.reason == kRejected;
  attacher_ = std::make_unique<Attacher>(Attacher::Dependencies{to_.loop, to_.random, *server_, store_},
                                         name_, std::move(stored), lifetime_.Guard([this] { OnChanged(); }));
  Apply();
  changed_();
  if (rejected) ReadAgainLater();
  LookAtSecretLater();
}

void HostAttachment::Fail(const std::string& reason, const std::string& message) {
  problem_ = Finding{reason, message};
  timer_.Set(backoff_.Next(), [this] { Open(); });
  Apply();
  changed_();
}

void HostAttachment::Apply() {
  if (!attacher_) {
    // Nobody can be asked to take anything back.
    if (!asked_.give_up || asked_.wish != Wish::kDetach || !problem_ || forgetting_) return;
    // An opening is under way: the store is used by nobody before its end, and then by its session alone.
    if (!facts_.is_null() && !timer_.armed()) return;
    if (asked_.stored == AttachRecord{}) return;
    forgetting_ = true;
    store_.Save({}, lifetime_.Guard([this](const absl::Status& status) {
      if (!status.ok()) return ForgetLater();
      forgetting_ = false;
      changed_();
    }));
    return;
  }
  if (reported_ != asked_.exporter) {
    reported_ = asked_.exporter;
    attacher_->Report(asked_.exporter);
  }
  if (asked_.wish == Wish::kKeep) return;
  attacher_->Want(asked_.wish == Wish::kAttach);
  if (asked_.give_up && asked_.wish == Wish::kDetach) attacher_->GiveUp();
}

void HostAttachment::ForgetLater() {
  // The next opening comes first where one is due.
  if (timer_.armed()) return;
  timer_.Set(backoff_.Next(), [this] {
    forgetting_ = false;
    Apply();
  });
}

void HostAttachment::OnChanged() {
  if (attacher_ && attacher_->record().reason == kRejected && !timer_.armed()) ReadAgainLater();
  changed_();
}

void HostAttachment::ReadAgainLater() {
  timer_.Set(kReadAgain, [this] {
    if (!attacher_ || attacher_->record().reason == kRejected) Open();
  });
}

void HostAttachment::LookAtSecretLater() {
  look_.Set(kLookAtSecret + to_.random.Below(kLookAtSecret), [this] { LookAtSecret(); });
}

void HostAttachment::LookAtSecret() {
  // While the attacher is at work the Secret is its own.
  const auto is_there = [this] {
    return attacher_->settled() && asked_.wish == Wish::kAttach && !attacher_->record().key.empty();
  };
  if (!is_there()) return LookAtSecretLater();
  store_.ReadKey(attacher_->record(),
                 opening_->Guard([this, is_there](const absl::StatusOr<std::string>& key) {
                   if (is_there() && key.ok() && *key != attacher_->record().key) return Open();
                   LookAtSecretLater();
                 }));
}

}  // namespace slicelet::provider
