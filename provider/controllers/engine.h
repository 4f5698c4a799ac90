#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/backoff.h"
#include "common/base/random.h"
#include "common/loop/loop.h"
#include "kube/reflector.h"
#include "provider/controllers/controller.h"

namespace slicelet::provider {

/// The API servers of other clusters, as far as controllers write to them.
class Elsewhere {
 public:
  virtual ~Elsewhere() = default;
  /// Null: it can not be reached. It lives until it has answered.
  virtual std::shared_ptr<kube::KubeApi> ApiOf(const std::string& cluster) = 0;
  /// What a write that was carried out has made of it.
  virtual void Absorb(const Write& write, const absl::StatusOr<Json>& answer) = 0;
};

/// Runs controllers: keeps the world, looks at every object that a change concerns, and carries out what the
/// controllers ask for.
///
/// Level-triggered. Per object one write is under way at most; after each the object is looked at anew. A
/// failed one is tried again by full jitter, 1 s to 5 min, while the status says why. Nothing is looked at
/// before every watched kind was listed once, and nothing is remembered over a restart.
class Engine {
 public:
  struct Watched {
    kube::Resource kind;
    /// Empty: all namespaces.
    std::string ns{};
    std::string label_selector{};
    /// Only who they are and their labels: what else changes, changes often and concerns nobody here.
    bool names_only = false;
  };

  static constexpr Backoff::Options kBackoff{std::chrono::seconds(1), std::chrono::minutes(5)};
  /// Writes under way at the same time; the rest wait for their turn.
  static constexpr std::size_t kMaxWrites = 16;
  /// To each other cluster, beside those: one that does not answer holds nobody up but who has parts there.
  static constexpr std::size_t kMaxWritesElsewhere = 4;

  /// All must outlive it. `looked` is called after every round of looks; may be empty. `elsewhere` may be
  /// null.
  Engine(Loop& loop, const Clock& clock, Random& random, kube::KubeApi& api, std::vector<Watched> watched,
         std::vector<std::unique_ptr<Controller>> controllers, std::function<void(const World&)> looked,
         Elsewhere* elsewhere = nullptr);

  void Start();
  /// Something that the world does not hold concerns this object. May be called at any time.
  void LookAgain(const kube::Resource& kind, const ObjectName& name);
  /// The same for whoever looks at the whole world (`looked`).
  void LookAround();
  /// An object as the API server answered to a write that is not the engine's: others need not wait for the
  /// watch. Not from within a look.
  void Learn(const kube::Resource& kind, const Json& object);
  [[nodiscard]] const World& world() const { return world_; }

 private:
  struct Key {
    std::size_t controller;
    ObjectName name;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  /// What is known of an object beside the world.
  struct Entry {
    Entry(Loop& loop, Random& random) : timer(loop), backoff(kBackoff, random) {}
    std::string uid;
    bool busy = false;
    /// A write has failed, and its time has not come again; or so has one of the status.
    bool waiting = false;
    bool silent = false;
    std::optional<Failure> failure;
    /// What its user wants: a change of that is tried at once.
    Json intent;
    /// Steps that were carried out in this life of the program.
    std::set<std::string> carried;
    /// By step: see Look.
    std::map<std::string, Json> read;
    /// The last write that was carried out: when it is wanted again at once, it has had no effect.
    Json last_write;
    /// The last status that was written, and what the API server made of it.
    Json wanted_status, written_status;
    Timer timer;
    Backoff backoff;
  };

  /// The answer to a write; false when nothing is new, as the watch has told as much or of its end.
  bool Take(const kube::Resource& kind, const Json& answer);
  void OnList(const Watched& watched, std::vector<Json> items);
  void OnEvent(const Watched& watched, kube::WatchEventType type, Json object);
  void OnChange(const kube::Resource& kind, const Json& object);
  void Enqueue(Key key);
  void Drain();
  void LookAt(const Key& key);
  void Carry(const Key& key, const Write& write);
  void WriteStatus(const Key& key, const Json& object, const Json& status);
  void Wait(const Key& key, Entry& entry);
  void Absorb(const Write& write, const absl::StatusOr<Json>& answer);
  void OnAnswer(const Key& key, const Write& write, const absl::StatusOr<Json>& answer);

  Loop& loop_;
  const Clock& clock_;
  Random& random_;
  kube::KubeApi& api_;
  const std::vector<Watched> watched_;
  const std::vector<std::unique_ptr<Controller>> controllers_;
  const std::function<void(const World&)> looked_;
  Elsewhere* const elsewhere_;
  World world_;
  std::vector<std::unique_ptr<kube::Reflector>> reflectors_;
  std::map<Key, std::unique_ptr<Entry>> entries_;
  std::set<Key> queue_;
  /// Under way, by cluster; of the hub's own the name is empty.
  std::map<std::string, std::size_t> writes_;
  /// Who waits for their turn to write to another cluster.
  std::map<std::string, std::set<Key>> held_;
  bool draining_ = false;
  Lifetime lifetime_;
};

}  // namespace slicelet::provider
