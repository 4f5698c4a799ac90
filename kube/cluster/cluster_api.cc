#include "kube/cluster/cluster_api.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "kube/object.h"

namespace slicelet::kube {

struct ClusterWatch::State : std::enable_shared_from_this<ClusterWatch::State> {
  State(MemoryCluster& cluster, Loop& loop) : cluster(cluster), loop(loop) {}

  void Begin(const User& user, const ListOptions& list) {
    const auto parsed = Selector::Parse(list);
    absl::Status admitted = parsed.status();
    if (admitted.ok()) admitted = cluster.AdmitWatch(user, resource, ns, list);
    if (!admitted.ok()) return End(admitted);
    selector = *parsed;
    // Without a version a watch begins with what is there now.
    version = list.resource_version.empty() ? cluster.version() : VersionNumber(list.resource_version);
    listener = cluster.AddListener(
        [this, collection = MemoryCluster::CollectionKey(resource)](const std::string& in) {
          if (in == collection) Wake();
        });
    Wake();
    if (options.bookmark_period > Duration::zero()) ArmBookmark();
    if (options.lifetime > Duration::zero()) {
      life_timer = loop.RunAfter(options.lifetime, [this] { End(absl::OkStatus()); });
    }
  }

  void Wake() {
    if (delivery != 0 || !open) return;
    delivery = loop.RunAfter(options.delay ? options.delay() : Duration::zero(), [self = shared_from_this()] {
      self->delivery = 0;
      self->Deliver();
    });
  }

  void Deliver() {
    if (!open) return;
    auto changes = cluster.ChangesSince(resource, ns, selector, version);
    if (!changes.ok()) return End(changes.status());
    version = std::max(version, cluster.version());
    for (const auto& change : *changes) {
      Json object = *change.object;
      if (open) handler.on_event({change.type, &object});
    }
  }

  void ArmBookmark() {
    bookmark_timer = loop.RunAfter(options.bookmark_period, [self = shared_from_this()] {
      self->SendBookmark();
      if (self->open) self->ArmBookmark();
    });
  }

  void SendBookmark() {
    const auto self = shared_from_this();
    Deliver();
    if (!open) return;
    Json bookmark = {{"kind", resource.kind}, {"metadata", {{"resourceVersion", std::to_string(version)}}}};
    handler.on_event({WatchEventType::kBookmark, &bookmark});
  }

  /// Nothing is delivered any more.
  void Close() {
    open = false;
    if (listener != 0) cluster.RemoveListener(listener);
    listener = 0;
    for (auto* timer : {&delivery, &bookmark_timer, &life_timer}) loop.Cancel(std::exchange(*timer, 0));
  }

  void End(const absl::Status& status) {
    if (!open) return;
    Close();
    ending = true;
    loop.Post([self = shared_from_this(), status] {
      if (!std::exchange(self->ending, false)) return;
      const auto on_end = std::move(self->handler.on_end);
      if (on_end) on_end(status);
    });
  }

  MemoryCluster& cluster;
  Loop& loop;
  Resource resource;
  std::string ns;
  Selector selector;
  WatchHandler handler;
  Options options;
  std::uint64_t version = 0;
  std::uint64_t listener = 0;
  Loop::TimerId delivery = 0;
  Loop::TimerId bookmark_timer = 0;
  Loop::TimerId life_timer = 0;
  bool open = true;
  bool ending = false;
};

ClusterWatch::ClusterWatch(MemoryCluster& cluster, Loop& loop, const User& user, const Resource& resource,
                           const std::string& ns, const ListOptions& list, WatchHandler handler,
                           Options options)
    : state_(std::make_shared<State>(cluster, loop)) {
  state_->resource = resource;
  state_->ns = ns;
  state_->handler = std::move(handler);
  state_->options = std::move(options);
  state_->Begin(user, list);
}

ClusterWatch::~ClusterWatch() {
  state_->Close();
  state_->ending = false;
}

void ClusterWatch::End(const absl::Status& status) { state_->End(status); }
void ClusterWatch::SendBookmark() { state_->SendBookmark(); }

template <typename T>
void ClusterApi::Run(const Call& call, std::function<absl::StatusOr<T>()> action, Callback<T> done) {
  struct Pending {
    std::function<absl::StatusOr<T>()> action;
    Callback<T> done;
    absl::StatusOr<T> result = absl::UnknownError("not run");
  };
  auto pending = std::make_shared<Pending>();
  pending->action = std::move(action);
  pending->done = std::move(done);
  Work work;
  work.execute = [pending] {
    pending->result = pending->action();
    return pending->result.status();
  };
  work.answer = lifetime_.Guard([pending] { pending->done(std::move(pending->result)); });
  work.fail = lifetime_.Guard([pending](const absl::Status& status) { pending->done(status); });
  Schedule(call, std::move(work));
}

void ClusterApi::Schedule(const Call& /*call*/, Work work) {
  loop_.Post(lifetime_.Guard([work = std::move(work)] {
    (void)work.execute();
    work.answer();
  }));
}

void ClusterApi::Get(const ObjectRef& ref, Callback<Json> done) {
  Run<Json>(
      {user_, Verb::kGet, ref, nullptr}, [this, ref] { return cluster_.Get(user_, ref); }, std::move(done));
}

void ClusterApi::List(const Resource& resource, const std::string& ns, const ListOptions& options,
                      Callback<ObjectList> done) {
  const ObjectRef ref{resource, ns, "", ""};
  Run<ObjectList>(
      {user_, Verb::kList, ref, nullptr},
      [this, ref, options] { return cluster_.List(user_, ref.resource, ref.ns, options); }, std::move(done));
}

std::unique_ptr<Watch> ClusterApi::StartWatch(const Resource& resource, const std::string& ns,
                                              const ListOptions& options, WatchHandler handler) {
  return std::make_unique<ClusterWatch>(cluster_, loop_, user_, resource, ns, options, std::move(handler),
                                        ClusterWatch::Options());
}

void ClusterApi::Create(const ObjectRef& ref, const Json& object, Callback<Json> done) {
  Run<Json>(
      {user_, Verb::kCreate, ref, &object},
      [this, ref, object] { return cluster_.Create(user_, ref, object); }, std::move(done));
}

void ClusterApi::Update(const ObjectRef& ref, const Json& object, Callback<Json> done) {
  Run<Json>(
      {user_, Verb::kUpdate, ref, &object},
      [this, ref, object] { return cluster_.Update(user_, ref, object); }, std::move(done));
}

void ClusterApi::Patch(const ObjectRef& ref, PatchType type, const Json& patch, Callback<Json> done) {
  Run<Json>(
      {user_, Verb::kPatch, ref, &patch},
      [this, ref, type, patch] { return cluster_.Patch(user_, ref, type, patch); }, std::move(done));
}

void ClusterApi::Delete(const ObjectRef& ref, const DeleteOptions& options, StatusCallback done) {
  Run<bool>(
      {user_, Verb::kDelete, ref, nullptr},
      [this, ref, options]() -> absl::StatusOr<bool> {
        SLICELET_RETURN_IF_ERROR(cluster_.Delete(user_, ref, options));
        return true;
      },
      [done = std::move(done)](const absl::StatusOr<bool>& result) { done(result.status()); });
}

}  // namespace slicelet::kube
