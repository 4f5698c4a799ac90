#include "kube/reflector.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "kube/object.h"

namespace slicelet::kube {
namespace {

/// A watch that ends sooner counts as a failure, or a misbehaving server would be asked without pause.
constexpr Duration kShortWatch = std::chrono::seconds(1);
/// A watch that held this long forgets former failures.
constexpr Duration kHealthyWatch = std::chrono::seconds(10);
/// How long a list waits for a quiet watch.
constexpr Duration kSettle = std::chrono::seconds(1);
/// No object has this name; the list that asks for it is empty and carries the collection's version.
constexpr char kProbeName[] = "slicelet-version-probe";

}  // namespace

Reflector::Reflector(Loop& loop, Random& random, KubeApi& api, Options options, Handler handler)
    : loop_(loop),
      api_(api),
      options_(std::move(options)),
      handler_(std::move(handler)),
      backoff_(kBackoff, random),
      timer_(loop) {}

void Reflector::Start() { Next(); }

void Reflector::Next() {
  if (list_needed_) return List();
  if (broken_) return Check();
  Probe();
}

void Reflector::List() {
  ListOptions options;
  options.field_selector = options_.field_selector;
  options.label_selector = options_.label_selector;
  if (options_.cached_list) options.resource_version = std::string(1, '0');  // g++ 12 misreads a literal here
  api_.List(options_.resource, options_.ns, options, lifetime_.Guard([this](absl::StatusOr<ObjectList> list) {
    if (!list.ok()) return Retry(list.status());
    Adopt(*std::move(list));
  }));
}

void Reflector::Adopt(ObjectList list) {
  version_ = list.resource_version;
  seen_ = version_;
  list_needed_ = false;
  broken_ = false;
  StartWatch();
  // Last: the handler may destroy this object.
  if (handler_.on_list) handler_.on_list(std::move(list.items), list.resource_version);
}

void Reflector::Check() {
  ListOptions options;
  options.field_selector = options_.field_selector;
  options.label_selector = options_.label_selector;
  api_.List(options_.resource, options_.ns, options, lifetime_.Guard([this](absl::StatusOr<ObjectList> list) {
    if (!list.ok()) return Retry(list.status());
    if (VersionNumber(list->resource_version) < VersionNumber(seen_)) return Adopt(*std::move(list));
    held_ = *std::move(list);
    timer_.Set(kSettle, [this] { HandOver(); });
    StartWatch();
  }));
}

void Reflector::HandOver() {
  timer_.Cancel();
  broken_ = false;
  ObjectList list = *std::exchange(held_, std::nullopt);
  // A watch that was too slow to come so far is resumed where it was: only its events tell of deletions.
  if (VersionNumber(seen_) < VersionNumber(list.resource_version)) seen_ = list.resource_version;
  if (handler_.on_list) handler_.on_list(std::move(list.items), list.resource_version);
}

void Reflector::Probe() {
  ListOptions options;
  options.label_selector = options_.label_selector;
  options.field_selector = options_.field_selector;
  if (!options.field_selector.empty()) options.field_selector += ",";
  options.field_selector += std::string("metadata.name=") + kProbeName;
  api_.List(options_.resource, options_.ns, options, lifetime_.Guard([this](absl::StatusOr<ObjectList> list) {
    if (!list.ok()) return Retry(list.status());
    if (VersionNumber(list->resource_version) < VersionNumber(seen_)) {
      list_needed_ = true;
      return List();
    }
    StartWatch();
  }));
}

void Reflector::StartWatch() {
  ListOptions options;
  options.field_selector = options_.field_selector;
  options.label_selector = options_.label_selector;
  options.resource_version = version_;
  watch_started_ = loop_.Now();
  watch_ = api_.StartWatch(options_.resource, options_.ns, options,
                           {lifetime_.Guard([this](WatchEvent event) { OnEvent(event); }),
                            lifetime_.Guard([this](const absl::Status& status) { OnEnd(status); })});
}

void Reflector::OnEvent(WatchEvent event) {
  if (WatchHeldFor(kHealthyWatch)) backoff_.Reset();
  const std::string version = ResourceVersionOf(*event.object);
  const std::weak_ptr<bool> alive = alive_;
  if (held_.has_value() && VersionNumber(version) > VersionNumber(held_->resource_version)) {
    HandOver();
    if (alive.expired()) return;
  }
  if (!version.empty()) version_ = version;
  if (VersionNumber(seen_) < VersionNumber(version_)) seen_ = version_;
  if (event.type != WatchEventType::kBookmark && handler_.on_event) {
    handler_.on_event(event.type, std::move(*event.object));
  }
}

void Reflector::OnEnd(const absl::Status& status) {
  watch_.reset();
  const bool held = WatchHeldFor(kShortWatch);
  if (WatchHeldFor(kHealthyWatch)) backoff_.Reset();
  if (absl::IsOutOfRange(status)) {
    if (held_.has_value()) {
      // The gap is compacted away, and the list that bridges it is already here.
      timer_.Cancel();
      return Adopt(*std::exchange(held_, std::nullopt));
    }
    list_needed_ = true;
  } else if (!status.ok()) {
    broken_ = true;
  }
  held_.reset();
  timer_.Cancel();
  if (held && (status.ok() || list_needed_)) return Next();
  Retry(status);
}

void Reflector::Retry(const absl::Status& status) {
  Duration delay = backoff_.Next();
  if (const auto seconds = RetryAfterSeconds(status)) delay += std::chrono::seconds(*seconds);
  timer_.Set(delay, [this] { Next(); });
  if (!status.ok() && !absl::IsOutOfRange(status) && handler_.on_trouble) handler_.on_trouble(status);
}

bool Reflector::WatchHeldFor(Duration duration) const { return loop_.Now() - watch_started_ >= duration; }

}  // namespace slicelet::kube
