#include "provider/controllers/engine.h"

#include <algorithm>

#include "common/log/log.h"
#include "kube/object.h"
#include "kube/paths.h"
#include "provider/controllers/guarded.h"

namespace slicelet::provider {
namespace {

constexpr char kStatusStep[] = "Status";

/// Everything that `wanted` says is in `written`.
bool Says(const Json* written, const Json& wanted) {
  if (written == nullptr || !written->is_object()) return false;
  for (const auto& [member, value] : wanted.items()) {
    const auto it = written->find(member);
    if (it == written->end() ? !value.is_null() : *it != value) return false;
  }
  return true;
}

Json NamesOnly(const Json& object) {
  Json kept = Json::object();
  for (const char* member :
       {"name", "namespace", "uid", "resourceVersion", "labels", "creationTimestamp", "deletionTimestamp"}) {
    if (const Json* value = kube::Find(object, {"metadata", member})) kept["metadata"][member] = *value;
  }
  return kept;
}

/// Who it is and whose: annotations too may hold what is in a Secret.
Json OwnersOnly(const Json& object) {
  Json kept = NamesOnly(object);
  if (const Json* owners = kube::Find(object, {"metadata", "ownerReferences"}))
    kept["metadata"]["ownerReferences"] = *owners;
  return kept;
}

/// What a user can change of an object: its spec, its annotations, and that it is to go.
Json IntentOf(const Json& object) {
  const Json* annotations = kube::Find(object, {"metadata", "annotations"});
  return {kube::IntegerAt(object, {"metadata", "generation"}, 0), kube::BeingDeleted(object),
          annotations == nullptr ? Json() : *annotations};
}

/// Of an object that a rule can not make sense of, although its kind's schema lets it pass.
Outcome NotUnderstood(const Json& object, const std::string& why, WallTime now) {
  Plan plan(object, nullptr, now);
  plan.Check(Finding{"NotUnderstood", "the hub can make nothing of this object: " + why +
                                          "; look for what its kind does not expect"});
  return plan.Finish("Error", {});
}

bool SameButForVersion(Json one, Json other) {
  for (Json* object : {&one, &other}) (*object)["metadata"].erase("resourceVersion");
  return one == other;
}

}  // namespace

Engine::Engine(Loop& loop, const Clock& clock, Random& random, kube::KubeApi& api,
               std::vector<Watched> watched, std::vector<std::unique_ptr<Controller>> controllers,
               std::function<void(const World&)> looked, Elsewhere* elsewhere)
    : loop_(loop),
      clock_(clock),
      random_(random),
      api_(api),
      watched_(std::move(watched)),
      controllers_(std::move(controllers)),
      looked_(std::move(looked)),
      elsewhere_(elsewhere) {
  for (const Watched& one : watched_) {
    kube::Reflector::Options options;
    options.resource = one.kind;
    options.ns = one.ns;
    options.label_selector = one.label_selector;
    kube::Reflector::Handler handler;
    handler.on_list = [this, &one](std::vector<Json> items, const std::string&) {
      OnList(one, std::move(items));
    };
    handler.on_event = [this, &one](kube::WatchEventType type, Json object) {
      OnEvent(one, type, std::move(object));
    };
    handler.on_trouble = [&one](const absl::Status& status) {
      LogWarning("cannot read objects", {{"kind", one.kind.kind}, {"why", Describe(status)}});
    };
    reflectors_.push_back(
        std::make_unique<kube::Reflector>(loop, random, api, std::move(options), std::move(handler)));
  }
}

void Engine::Start() {
  for (const auto& reflector : reflectors_) reflector->Start();
}

void Engine::LookAgain(const kube::Resource& kind, const ObjectName& name) {
  for (std::size_t i = 0; i < controllers_.size(); ++i) {
    if (controllers_[i]->kind() == kind) Enqueue({i, name});
  }
  loop_.Post(lifetime_.Guard([this] { Drain(); }));
}

void Engine::LookAround() {
  loop_.Post(lifetime_.Guard([this] { Drain(); }));
}

void Engine::Learn(const kube::Resource& kind, const Json& object) {
  if (!Take(kind, object)) return;
  loop_.Post(lifetime_.Guard([this] { Drain(); }));
}

bool Engine::Take(const kube::Resource& kind, const Json& answer) {
  const ObjectName name = NameIn(kind, answer);
  for (std::size_t i = 0; i < watched_.size(); ++i) {
    const Watched& watched = watched_[i];
    if (watched.kind != kind || (!watched.ns.empty() && watched.ns != name.ns)) continue;
    // The watch may have told of its end already.
    const auto seen = kube::VersionNumber(reflectors_[i]->resource_version());
    if (kube::VersionNumber(kube::ResourceVersionOf(answer)) <= seen) return false;
    if (!world_.Put(kind, answer)) return false;
    OnChange(kind, answer);
    return true;
  }
  return false;
}

void Engine::OnList(const Watched& watched, std::vector<Json> items) {
  if (watched.names_only) std::transform(items.begin(), items.end(), items.begin(), NamesOnly);
  for (const Json& object : world_.Replace(watched.kind, std::move(items))) OnChange(watched.kind, object);
  Drain();
}

void Engine::OnEvent(const Watched& watched, kube::WatchEventType type, Json object) {
  if (type == kube::WatchEventType::kDeleted) {
    if (!world_.Remove(watched.kind, NameIn(watched.kind, object))) return;
    OnChange(watched.kind, object);
    return Drain();
  }
  if (watched.names_only) object = NamesOnly(object);
  const ObjectName name = NameIn(watched.kind, object);
  const Json* known = world_.Find(watched.kind, name.ns, name.name);
  const bool same = watched.names_only && known != nullptr && SameButForVersion(*known, object);
  if (!world_.Put(watched.kind, object) || same) return;
  OnChange(watched.kind, object);
  Drain();
}

void Engine::OnChange(const kube::Resource& kind, const Json& object) {
  for (std::size_t i = 0; i < controllers_.size(); ++i) {
    if (controllers_[i]->kind() == kind) Enqueue({i, NameIn(kind, object)});
    Guarded("whom a change concerns", NameIn(kind, object), [&] {
      for (ObjectName& name : controllers_[i]->Concerned(world_, kind, object)) {
        Enqueue({i, std::move(name)});
      }
    });
  }
}

void Engine::Enqueue(Key key) { queue_.insert(std::move(key)); }

void Engine::Drain() {
  const bool all = std::all_of(reflectors_.begin(), reflectors_.end(),
                               [](const auto& reflector) { return reflector->listed(); });
  if (!all || draining_) return;
  draining_ = true;
  // Answers may come at once, while this runs.
  for (auto next = queue_.begin(); next != queue_.end() && writes_[""] < kMaxWrites;) {
    const Key key = *next;
    const auto entry = entries_.find(key);
    if (entry == entries_.end() || !entry->second->busy) {
      queue_.erase(next);
      LookAt(key);
    }
    next = queue_.upper_bound(key);
  }
  draining_ = false;
  if (looked_) Guarded("a round of looks", {}, [this] { looked_(world_); });
}

void Engine::LookAt(const Key& key) {
  const Controller& controller = *controllers_[key.controller];
  const Json* object = world_.Find(controller.kind(), key.name.ns, key.name.name);
  if (object == nullptr) {
    entries_.erase(key);
    return;
  }
  auto& entry = entries_[key];
  // Another object under the same name begins anew.
  if (!entry || entry->uid != kube::UidOf(*object)) {
    entry = std::make_unique<Entry>(loop_, random_);
    entry->uid = kube::UidOf(*object);
  }
  if (Json intent = IntentOf(*object); intent != entry->intent) {
    entry->intent = std::move(intent);
    entry->failure.reset();
    entry->backoff.Reset();
    entry->waiting = entry->silent = false;
  }
  const Look look{.now = clock_.Now(),
                  .failure = entry->failure ? &*entry->failure : nullptr,
                  .carried = &entry->carried,
                  .read = &entry->read};
  Outcome outcome;
  const bool understood = Guarded(
      controller.kind().kind, key.name, [&] { outcome = controller.At(world_, *object, look); },
      [&](const std::string& why) { outcome = NotUnderstood(*object, why, clock_.Now()); });
  // Until then nothing is asked of it again, unless it changes, or what it depends on.
  if (!understood && !entry->waiting) Wait(key, *entry);
  if (outcome.write && !entry->waiting) {
    const std::string& cluster = outcome.write->cluster;
    if (!cluster.empty() && writes_[cluster] >= kMaxWritesElsewhere) {
      held_[cluster].insert(key);
      return;
    }
    const Json write = {outcome.write->verb, outcome.write->cluster, kube::ObjectPath(outcome.write->ref),
                        outcome.write->body};
    if (write != entry->last_write) {
      entry->last_write = write;
      return Carry(key, *outcome.write);
    }
    Wait(key, *entry);
  }
  const Json* status = kube::Find(*object, {"status"});
  // Members that the API server does not keep are told once; what somebody else changes back, ever more
  // slowly.
  const bool again = outcome.status == entry->wanted_status;
  const bool told = again && status != nullptr && *status == entry->written_status;
  if (!entry->silent && !told && !Says(status, outcome.status)) {
    if (!again) return WriteStatus(key, *object, outcome.status);
    entry->silent = true;
    Wait(key, *entry);
  }
  if (!entry->waiting && outcome.again) {
    entry->timer.Set(*outcome.again, [this, key] {
      Enqueue(key);
      Drain();
    });
  }
}

void Engine::Carry(const Key& key, const Write& write) {
  Entry& entry = *entries_[key];
  entry.busy = true;
  ++writes_[write.cluster];
  LogDebug("controller writes", {{"kind", controllers_[key.controller]->kind().kind},
                                 {"object", key.name.name},
                                 {"step", write.step},
                                 {"what", kube::ObjectPath(write.ref)}});
  // A client of another cluster may be let go of meanwhile, and still has to answer.
  std::shared_ptr<kube::KubeApi> there;
  if (!write.cluster.empty() && elsewhere_ != nullptr) there = elsewhere_->ApiOf(write.cluster);
  // By way of the loop, so that no answer arrives within the call.
  auto done = lifetime_.Guard([this, key, write, there](absl::StatusOr<Json> answer) {
    loop_.Post(lifetime_.Guard(
        [this, key, write, there, answer = std::move(answer)] { OnAnswer(key, write, answer); }));
  });
  if (!write.cluster.empty() && there == nullptr) {
    return done(absl::UnavailableError("IotCluster " + write.cluster + " is not reached"));
  }
  kube::KubeApi& api = write.cluster.empty() ? api_ : *there;
  switch (write.verb) {
    case Write::Verb::kCreate:
      return api.Create(write.ref, write.body, done);
    case Write::Verb::kPatch:
      return api.Patch(write.ref, kube::PatchType::kMerge, write.body, done);
    case Write::Verb::kRead:
      return api.Get(write.ref, [done](const absl::StatusOr<Json>& answer) mutable {
        if (answer.ok())
          done(OwnersOnly(*answer));
        else if (absl::IsNotFound(answer.status()))
          done(Json());
        else
          done(answer.status());
      });
    case Write::Verb::kDelete:
      return api.Delete(write.ref, {.uid = write.uid, .grace_seconds = std::nullopt},
                        [done](const absl::Status& status) mutable {
                          if (status.ok())
                            done(Json());
                          else
                            done(status);
                        });
  }
}

void Engine::WriteStatus(const Key& key, const Json& object, const Json& status) {
  const kube::Resource& kind = controllers_[key.controller]->kind();
  Write write = MergePatch(kind, object, {{"status", status}});
  write.ref.subresource = "status";
  write.step = kStatusStep;
  Carry(key, write);
}

void Engine::Absorb(const Write& write, const absl::StatusOr<Json>& answer) {
  const kube::Resource& kind = write.ref.resource;
  const ObjectName name{kind.namespaced ? write.ref.ns : "", write.ref.name};
  if (write.verb == Write::Verb::kDelete) {
    const Json* known = world_.Find(kind, name.ns, name.name);
    if (known == nullptr) return;
    Json last = *known;
    world_.Remove(kind, name);
    if (answer.ok()) {
      // Until the watch says more: it is asked for, and not asked for again.
      last["metadata"]["deletionTimestamp"] = FormatTime(clock_.Now());
      world_.Put(kind, last);
    }
    return OnChange(kind, last);
  }
  Take(kind, *answer);
}

void Engine::OnAnswer(const Key& key, const Write& write, const absl::StatusOr<Json>& answer) {
  --writes_[write.cluster];
  if (const auto waiting = held_.extract(write.cluster); !waiting.empty()) {
    for (const Key& next : waiting.mapped()) Enqueue(next);
  }
  // What is gone already is as good as deleted.
  const bool gone = write.verb == Write::Verb::kDelete && absl::IsNotFound(answer.status());
  const bool reads = write.verb == Write::Verb::kRead;
  const bool carried = (answer.ok() && !reads) || gone;
  if (carried && write.cluster.empty()) Absorb(write, answer);
  if (carried && !write.cluster.empty()) elsewhere_->Absorb(write, answer);
  const auto it = entries_.find(key);
  if (it == entries_.end()) return Drain();
  Entry& entry = *it->second;
  entry.busy = false;
  Enqueue(key);
  const bool of_status = write.step == kStatusStep;
  entry.read.erase(write.step);
  if (reads && answer.ok()) {
    // Which is no sign that what has failed before would not fail again.
    entry.read[write.step] = *answer;
    return Drain();
  }
  if (answer.ok() || gone) {
    // A status that could be written says nothing about the step that failed.
    if (of_status) {
      entry.wanted_status = write.body["status"];
      const Json* written = answer.ok() ? kube::Find(*answer, {"status"}) : nullptr;
      entry.written_status = written == nullptr ? Json() : *written;
    } else {
      entry.failure.reset();
      entry.carried.insert(write.step);
      if (!entry.waiting) entry.backoff.Reset();
    }
    return Drain();
  }
  LogWarning("a controller's write failed", {{"kind", controllers_[key.controller]->kind().kind},
                                             {"namespace", key.name.ns},
                                             {"object", key.name.name},
                                             {"step", write.step},
                                             {"why", Describe(answer.status())}});
  // A conflict means that the world is newer than what is known of it: nothing to show to anybody.
  if (!of_status && !absl::IsAborted(answer.status())) entry.failure = Failure{write.step, answer.status()};
  entry.silent = entry.silent || of_status;
  Wait(key, entry);
  Drain();
}

void Engine::Wait(const Key& key, Entry& entry) {
  entry.waiting = true;
  entry.timer.Set(entry.backoff.Next(), [this, key] {
    if (const auto found = entries_.find(key); found != entries_.end()) {
      found->second->waiting = found->second->silent = false;
      found->second->last_write = found->second->wanted_status = nullptr;
    }
    Enqueue(key);
    Drain();
  });
}

}  // namespace slicelet::provider
