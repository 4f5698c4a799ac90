#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/base/backoff.h"
#include "common/base/ids.h"
#include "common/base/random.h"
#include "common/loop/loop.h"
#include "kube/kube_api.h"
#include "kubelet-shim/env/referents.h"

namespace slicelet::shim {

/// The ConfigMaps and Secrets that pods refer to: each is read once however many pods name it, with the
/// credential of a node whose pods do, and read again every `refresh` (spread by a tenth). One that is
/// missing or unreadable is retried soon, with backoff up to `refresh`. No watches: the cost is a GET per
/// referent and interval.
class ReferentCache {
 public:
  struct Options {
    Duration refresh = std::chrono::seconds(60);
    Duration retry = std::chrono::milliseconds(500);
  };
  struct Handler {
    /// A referent appeared or has another resourceVersion.
    std::function<void(const ReferentKey&, const Referent&)> on_present;
    /// No pod needs it any more.
    std::function<void(const ReferentKey&)> on_released;
  };

  ReferentCache(Loop& loop, Random& random, Options options, Handler handler);
  ~ReferentCache();

  /// From now on `pod` needs `keys` (replacing what it needed). Those in `fresh` count as unread until a read
  /// that began after this call has ended: a variable is resolved once, so it must not come from an old copy.
  /// `on_change` is called after every read that changed what `Find` answers for this pod; it may call `Need`
  /// or `Release`.
  void Need(const PodUid& pod, std::shared_ptr<kube::KubeApi> api, const std::set<ReferentKey>& keys,
            const std::set<ReferentKey>& fresh, std::function<void()> on_change);
  void Release(const PodUid& pod);

  /// What `pod` may know of a referent; null when it is not read yet or not needed.
  [[nodiscard]] const Referent* Find(const PodUid& pod, const ReferentKey& key) const;
  /// Every present referent, for a provider that connects.
  void ForEachPresent(const std::function<void(const ReferentKey&, const Referent&)>& visit) const;

 private:
  struct Pod {
    std::shared_ptr<kube::KubeApi> api;
    std::set<ReferentKey> keys;
    struct Awaited {
      /// The number of the first read that is fresh enough.
      std::uint64_t read = 0;
      /// Unreadable once that one has failed, though an older copy is there.
      Referent failed;
    };
    std::map<ReferentKey, Awaited> awaited;
    std::function<void()> on_change;
  };
  struct Entry {
    Entry(Loop& loop, Random& random, Options options)
        : timer(loop), backoff({.base = options.retry, .cap = options.refresh}, random) {}

    Referent referent;
    std::set<PodUid> pods;
    /// The newest read's number.
    std::uint64_t read = 0;
    bool reading = false;
    /// Whose node it is read with.
    PodUid reader;
    /// The last read was refused or not answered.
    bool failed = false;
    bool again = false;
    Timer timer;
    Backoff backoff;
  };

  void Read(const ReferentKey& key);
  static const PodUid& NextReader(const Entry& entry);
  void OnRead(const ReferentKey& key, std::uint64_t read, absl::StatusOr<kube::Json> object);
  bool Learn(const ReferentKey& key, Entry& entry, absl::StatusOr<kube::Json> object);
  void ReleaseKey(const PodUid& pod, const ReferentKey& key);

  Loop& loop_;
  Random& random_;
  const Options options_;
  const Handler handler_;
  std::map<PodUid, Pod> pods_;
  std::map<ReferentKey, std::unique_ptr<Entry>> entries_;
  std::uint64_t last_read_ = 0;
  Lifetime lifetime_;
};

}  // namespace slicelet::shim
