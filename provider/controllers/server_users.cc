#include "provider/controllers/server_users.h"

#include <set>
#include <utility>

#include "common/json/json.h"
#include "common/log/log.h"
#include "kube/object.h"
#include "provider/controllers/classic_server.h"
#include "provider/controllers/server_access.h"
#include "provider/controllers/slices.h"

namespace slicelet::provider {
namespace {

/// No thing has it: looking for it is a login, and a request that the things service answers.
constexpr char kNobody[] = "slicelet-login";

/// Which step of it this is about; "" for none.
std::string StepOf(const Json& server) {
  if (WantsUser(server)) return kUserStep;
  return NeedsLogin(server) ? kLoginStep : "";
}

/// What the user's being there depends on; "" while the step has not begun.
std::string KeyOf(const Json& server) {
  const Json* steps = kube::Find(server, {"status", "steps"});
  const Json* endpoints = kube::Find(server, {"status", "endpoints"});
  if (steps == nullptr || endpoints == nullptr || kube::BeingDeleted(server)) return "";
  const std::string awaited = StepOf(server);
  bool begun = false;
  for (const Json& step : *steps) {
    const std::string state = kube::TextAt(step, {"state"});
    begun = begun || (kube::TextAt(step, {"name"}) == awaited && (state == "Running" || state == "Done"));
  }
  if (!begun) return "";
  std::string key = awaited + endpoints->dump() + kube::TextAt(server, {"status", "credentialsSecret"}) +
                    AuthoritiesOf(server);
  if (const Json* pods = kube::Find(server, {"status", "pods"})) {
    for (const Json& pod : *pods) key += " " + kube::TextAt(pod, {"uid"});
  }
  return key;
}

}  // namespace

struct ServerUsers::Job {
  Job(Loop& loop, Random& random) : backoff(kBackoff, random), timer(loop) {}
  std::string key;
  Json server;
  std::optional<UserReport> report;
  ServerLogin login;
  std::unique_ptr<IotServer> session;
  Backoff backoff;
  Timer timer;
  Lifetime lifetime;
};

ServerUsers::ServerUsers(ControllerSettings settings, Loop& loop, Random& random, kube::KubeApi& api,
                         HttpClient& http)
    : settings_(std::move(settings)), loop_(loop), random_(random), api_(api), http_(http) {}

ServerUsers::~ServerUsers() = default;

void ServerUsers::Look(const World& world) {
  std::set<std::string> wanted;
  for (const auto& [name, server] : world.All(kube::kIotServers)) {
    const std::string key = KeyOf(server);
    if (key.empty() || OfAnotherHub(world, settings_, name.ns)) continue;
    const std::string uid = kube::UidOf(server);
    wanted.insert(uid);
    auto& job = jobs_[uid];
    if (job && job->key == key) continue;
    job = std::make_unique<Job>(loop_, random_);
    job->key = key;
    job->server = server;
    Run(*job);
  }
  std::erase_if(jobs_, [&](const auto& job) { return wanted.count(job.first) == 0; });
}

std::optional<UserReport> ServerUsers::Of(const Json& server) const {
  const auto it = jobs_.find(kube::UidOf(server));
  // What was heard of the former pod says nothing of this one.
  if (it == jobs_.end() || it->second->key != KeyOf(server)) return std::nullopt;
  return it->second->report;
}

void ServerUsers::Run(Job& job) {
  const std::string secret = kube::TextAt(job.server, {"status", "credentialsSecret"});
  api_.Get({kube::kSecrets, kube::NamespaceOf(job.server), secret, ""},
           job.lifetime.Guard([this, &job, secret](const absl::StatusOr<Json>& answer) {
             if (!answer.ok()) {
               return Finish(job, absl::Status(answer.status().code(),
                                               "Secret " + secret + ": " + Message(answer.status())));
             }
             Ask(job, *answer);
           }));
}

void ServerUsers::Ask(Job& job, const Json& secret) {
  const auto login = LoginOf(secret);
  if (!login) {
    return Finish(job, absl::InvalidArgumentError("Secret " + kube::NameOf(secret) +
                                                  R"( needs the keys "email" and "password")"));
  }
  if (!WantsUser(job.server)) {
    // Whether the server takes it is found out when a gateway is attached.
    job.timer.Set(kLookAgain, [this, &job] { Run(job); });
    job.report = UserReport{.status = absl::OkStatus(), .email = login->user};
    job.backoff.Reset();
    return;
  }
  // It knows since when a login is refused, and is kept while that is the same.
  if (!job.session || login->user != job.login.user || login->password != job.login.password) {
    job.login = *login;
    job.session = OpenIotServer(
        kube::TextAt(job.server, {"spec", "dialect"}), kube::TextAt(job.server, {"spec", "domain"}),
        GetObject(job.server, "/status/endpoints"), AuthoritiesOf(job.server), *login, loop_, http_);
  }
  if (!job.report || !job.report->status.ok()) return Make(job);
  LogIn(job, [this, &job](const absl::Status& status) {
    // It was there, and is not now: the server was set up anew.
    if (absl::IsUnauthenticated(status)) return Make(job);
    Finish(job, status);
  });
}

void ServerUsers::Make(Job& job) {
  job.session->EnsureUser(job.lifetime.Guard([this, &job](const absl::Status& made) {
    if (!made.ok()) return Finish(job, made);
    LogIn(job, [this, &job](const absl::Status& status) { Finish(job, status); });
  }));
}

void ServerUsers::LogIn(Job& job, StatusCallback done) {
  job.session->FindIdentities(
      kNobody,
      job.lifetime.Guard([done = std::move(done)](const absl::StatusOr<std::vector<std::string>>& found) {
        done(found.status());
      }));
}

void ServerUsers::Finish(Job& job, const absl::Status& status) {
  const bool was_there = job.report && job.report->status.ok();
  job.report = UserReport{.status = status, .email = job.login.user};
  if (status.ok()) {
    job.backoff.Reset();
    job.timer.Set(kLogInAgain, [this, &job] { Run(job); });
    if (was_there) return;
    LogInfo("the user of an IoT server can log in",
            {{"namespace", kube::NamespaceOf(job.server)}, {"server", kube::NameOf(job.server)}});
    return;
  }
  job.timer.Set(job.backoff.Next(), [this, &job] { Run(job); });
}

}  // namespace slicelet::provider
