#include "kube/testing/memory_kube_api.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace slicelet::kube {

class MemoryApiServer::TrackedWatch : public ClusterWatch {
 public:
  template <typename... Args>
  explicit TrackedWatch(MemoryApiServer& server, Args&&... args)
      : ClusterWatch(server.cluster_, server.loop_, std::forward<Args>(args)...),
        server_(server),
        number_(server.next_watch_++) {
    server_.watches_.emplace(number_, this);
  }
  ~TrackedWatch() override { server_.watches_.erase(number_); }

 private:
  MemoryApiServer& server_;
  const std::uint64_t number_;
};

class MemoryApiServer::Api : public ClusterApi {
 public:
  Api(MemoryApiServer& server, const User& user)
      : ClusterApi(server.cluster_, server.loop_, user), server_(server) {}

  std::unique_ptr<Watch> StartWatch(const Resource& resource, const std::string& ns,
                                    const ListOptions& options, WatchHandler handler) override {
    ClusterWatch::Options watch_options;
    watch_options.delay = [this_server = &server_] { return this_server->Latency(); };
    watch_options.lifetime = server_.faults_.watch_lifetime;
    watch_options.bookmark_period = server_.faults_.bookmark_period;
    auto watch = std::make_unique<TrackedWatch>(server_, user(), resource, ns, options, std::move(handler),
                                                std::move(watch_options));
    const ObjectRef ref{resource, ns, "", ""};
    const absl::Status refused = server_.Refuse({user(), Verb::kWatch, ref, nullptr});
    if (!refused.ok()) watch->End(refused);
    return watch;
  }

 protected:
  void Schedule(const Call& call, Work work) override {
    auto run = [this, user = call.user, verb = call.verb, ref = call.ref,
                body = call.body == nullptr ? nullptr : std::make_shared<Json>(*call.body),
                work = std::move(work)] {
      const KubeCall seen{user, verb, ref, body.get()};
      const absl::Status refused = server_.Refuse(seen);
      if (!refused.ok()) return work.fail(refused);
      const absl::Status outcome = work.execute();
      const absl::Status lost =
          server_.faults_.after ? server_.faults_.after(seen, outcome) : absl::OkStatus();
      if (!lost.ok()) return work.fail(lost);
      work.answer();
    };
    loop().RunAfter(server_.Latency(), lifetime().Guard(std::move(run)));
  }

 private:
  MemoryApiServer& server_;
};

MemoryApiServer::MemoryApiServer(Loop& loop, const Clock& clock, Random& random)
    : loop_(loop), cluster_(clock, random, {.history_limit = 20'000}) {}

MemoryApiServer::~MemoryApiServer() = default;

std::unique_ptr<KubeApi> MemoryApiServer::ApiAs(const User& user) {
  return std::make_unique<Api>(*this, user);
}

Duration MemoryApiServer::Latency() const { return faults_.latency ? faults_.latency() : Duration::zero(); }

absl::Status MemoryApiServer::Refuse(const KubeCall& call) const {
  if (down_) return absl::UnavailableError("connection refused");
  return faults_.before ? faults_.before(call) : absl::OkStatus();
}

void MemoryApiServer::SetDown(bool down) {
  down_ = down;
  if (down) BreakWatches();
}

void MemoryApiServer::BreakWatches(const absl::Status& status) {
  for (const auto& [number, watch] : watches_) watch->End(status);
}

void MemoryApiServer::SendBookmarks() {
  const auto watches = watches_;
  for (const auto& [number, watch] : watches) {
    if (watches_.count(number) != 0) watch->SendBookmark();
  }
}

void MemoryApiServer::Restore(MemoryCluster::Snapshot snapshot) {
  cluster_.Restore(std::move(snapshot));
  BreakWatches();
}

}  // namespace slicelet::kube
