#include "edge-agent/images/image_collector.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "common/log/log.h"

namespace slicelet::agent {
namespace {

constexpr Duration kSoon = std::chrono::seconds(10);
constexpr std::uint64_t kPercent = 100;

bool IsId(const std::string& reference) { return reference.rfind("sha256:", 0) == 0; }

}  // namespace

ImageCollector::ImageCollector(Loop& loop, FileSystem& files, ContainerRuntime& runtime, Options options,
                               Named named)
    : loop_(loop),
      files_(files),
      runtime_(runtime),
      options_(options),
      named_(std::move(named)),
      timer_(loop) {}

void ImageCollector::Start() { Round(); }

void ImageCollector::Hurry() {
  // Who hurries more often than every kSoon must not keep the round from ever beginning.
  if (!busy_ && loop_.Now() + kSoon < due_) RoundAfter(kSoon);
}

void ImageCollector::RoundAfter(Duration delay) {
  due_ = loop_.Now() + delay;
  timer_.Set(delay, [this] { Round(); });
}

void ImageCollector::Round() {
  RoundAfter(options_.period);
  if (busy_) return;
  busy_ = true;
  candidates_.clear();
  needed_.clear();
  to_free_ = 0;
  FindRoot();
}

void ImageCollector::GiveUp(const std::string& what, const absl::Status& why) {
  LogDebug("images are not looked at", {{"step", what}, {"error", Describe(why)}});
  busy_ = false;
}

void ImageCollector::FindRoot() {
  if (!root_.empty()) return ListUsed();
  runtime_.GetImageRoot(lifetime_.Guard([this](const absl::StatusOr<std::string>& root) {
    if (!root.ok()) return GiveUp("file system", root.status());
    root_ = *root;
    ListUsed();
  }));
}

void ImageCollector::ListUsed() {
  const auto named = named_();
  if (!named) return GiveUp("pods", absl::FailedPreconditionError("no manifest was accepted yet"));
  names_ = *named;
  runtime_.ListUsedImages(lifetime_.Guard([this](const absl::StatusOr<std::vector<std::string>>& used) {
    if (!used.ok()) return GiveUp("containers", used.status());
    std::set<std::string> names = names_;
    for (const auto& reference : *used) {
      if (IsId(reference))
        needed_.insert(reference);
      else if (!reference.empty())
        names.insert(reference);
    }
    unresolved_.assign(names.begin(), names.end());
    ResolveNext();
  }));
}

void ImageCollector::ResolveNext() {
  if (unresolved_.empty()) return ListAll();
  // As a start of the container would: the runtime knows what a name stands for.
  runtime_.GetImage(unresolved_.back(), lifetime_.Guard([this](const absl::StatusOr<Image>& image) {
    if (!image.ok() && !absl::IsNotFound(image.status())) return GiveUp("names", image.status());
    if (image.ok()) needed_.insert(image->id);
    unresolved_.pop_back();
    ResolveNext();
  }));
}

void ImageCollector::ListAll() {
  runtime_.ListImages(lifetime_.Guard([this](const absl::StatusOr<std::vector<Image>>& images) {
    if (!images.ok()) return GiveUp("images", images.status());
    Plan(*images);
  }));
}

void ImageCollector::Plan(const std::vector<Image>& images) {
  const MonotonicTime now = loop_.Now();
  std::map<std::string, Seen> seen;
  for (const auto& image : images) {
    const auto it = seen_.find(image.id);
    Seen& entry = seen[image.id] = it == seen_.end() ? Seen{now, {}} : it->second;
    if (needed_.count(image.id) != 0) entry.used = now;
  }
  seen_ = std::move(seen);

  const auto space = files_.FreeSpace(root_);
  if (!space.ok()) return GiveUp("free space", space.status());
  if (space->total == 0) return GiveUp("free space", absl::InternalError(root_ + " has no size"));
  const std::uint64_t used = space->total - std::min(space->available, space->total);
  if (used < space->total / kPercent * static_cast<std::uint64_t>(options_.high_percent)) {
    exhausted_ = false;
    busy_ = false;
    return;
  }
  const std::uint64_t wanted = space->total / kPercent * static_cast<std::uint64_t>(options_.low_percent);
  to_free_ = used - std::min(used, wanted);
  for (const auto& image : images) {
    if (image.pinned || needed_.count(image.id) != 0) continue;
    if (now - seen_[image.id].first < options_.min_age) continue;
    candidates_.push_back(image);
  }
  // The next one to go is the last.
  std::sort(candidates_.begin(), candidates_.end(), [this](const Image& a, const Image& b) {
    const Seen& seen_a = seen_[a.id];
    const Seen& seen_b = seen_[b.id];
    return std::tie(seen_b.used, seen_b.first, b.id) < std::tie(seen_a.used, seen_a.first, a.id);
  });
  if (!candidates_.empty()) {
    LogInfo("file system of images is filling up",
            {{"path", root_}, {"to_free", to_free_}, {"unused_images", candidates_.size()}});
  }
  RemoveNext();
}

void ImageCollector::RemoveNext() {
  if (to_free_ == 0 || candidates_.empty()) {
    if (to_free_ > 0 && !std::exchange(exhausted_, true))
      LogWarning("no unused image is left to remove", {{"path", root_}, {"missing", to_free_}});
    busy_ = false;
    return;
  }
  // Pods that came meanwhile may need what was free to go.
  const auto named = named_();
  if (!named || *named != names_) return GiveUp("pods", absl::AbortedError("other images are named now"));
  const Image image = candidates_.back();
  candidates_.pop_back();
  runtime_.RemoveImage(image.id, lifetime_.Guard([this, image](const absl::Status& status) {
    if (absl::IsUnavailable(status)) return GiveUp("removal", status);
    if (status.ok()) {
      LogInfo("unused image removed",
              {{"image", image.tags.empty() ? image.id : image.tags[0]}, {"size", image.size}});
      seen_.erase(image.id);
      to_free_ -= std::min(to_free_, image.size);
    } else {
      LogWarning("unused image not removed", {{"image", image.id}, {"error", Describe(status)}});
    }
    RemoveNext();
  }));
}

}  // namespace slicelet::agent
