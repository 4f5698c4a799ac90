#include "edge-agent/images/image_provider.h"

#include <optional>
#include <utility>

#include "common/base/encoding.h"
#include "edge-agent/images/image_reference.h"

namespace slicelet::agent {
namespace {

/// Pulls with other credentials are other pulls.
std::string KeyOf(const std::string& name, const std::vector<RegistryAuth>& auths) {
  std::string text;
  for (const auto& auth : auths) {
    text += auth.username + '\0' + auth.password + '\0' + auth.identity_token + '\0';
  }
  return name + '\0' + Sha256(text).value();
}

}  // namespace

void ImageProvider::Ensure(const std::string& name, v1::PullPolicy policy, std::vector<RegistryAuth> auths,
                           std::function<void()> on_pulling, Callback<Result> done) {
  const absl::Status valid = CheckImageName(name);
  if (!valid.ok()) {
    loop_.Post(lifetime_.Guard([done = std::move(done), valid] { done(valid); }));
    return;
  }
  if (policy == v1::PULL_POLICY_ALWAYS) {
    on_pulling();
    StartPull(name, std::move(auths), std::move(done));
    return;
  }
  runtime_.GetImage(
      name, lifetime_.Guard([this, name, policy, auths = std::move(auths), on_pulling = std::move(on_pulling),
                             done = std::move(done)](const absl::StatusOr<Image>& image) {
        if (image.ok()) {
          done(Result{*image, false, {}});
          return;
        }
        if (!absl::IsNotFound(image.status())) {
          done(image.status());
          return;
        }
        if (policy == v1::PULL_POLICY_NEVER) {
          done(absl::FailedPreconditionError("Container image \"" + name +
                                             "\" is not present with pull policy of Never"));
          return;
        }
        on_pulling();
        StartPull(name, auths, done);
      }));
}

void ImageProvider::StartPull(const std::string& name, std::vector<RegistryAuth> auths,
                              Callback<Result> done) {
  const std::string key = KeyOf(name, auths);
  Pull& pull = pulls_[key];
  pull.waiting.push_back(std::move(done));
  if (pull.waiting.size() > 1) return;
  pull.name = name;
  pull.auths = std::move(auths);
  pull.began = loop_.Now();
  queue_.push_back(key);
  RunPulls();
}

void ImageProvider::RunPulls() {
  while (running_ < kMaxPulls && !queue_.empty()) {
    const std::string key = queue_.front();
    queue_.pop_front();
    ++running_;
    Attempt(key);
  }
}

void ImageProvider::Attempt(const std::string& key) {
  Pull& pull = pulls_.at(key);
  std::optional<RegistryAuth> auth;
  if (pull.next_auth < pull.auths.size()) auth = pull.auths[pull.next_auth];
  ++pull.next_auth;
  runtime_.PullImage(pull.name, auth, lifetime_.Guard([this, key](const absl::StatusOr<std::string>& id) {
    Pull& done_pull = pulls_.at(key);
    if (!id.ok()) {
      if (done_pull.next_auth < done_pull.auths.size()) {
        Attempt(key);
      } else {
        Finish(key, id.status());
      }
      return;
    }
    runtime_.GetImage(*id, lifetime_.Guard([this, key](const absl::StatusOr<Image>& image) {
      if (!image.ok()) {
        Finish(key, image.status());
        return;
      }
      Finish(key, Result{*image, true, loop_.Now() - pulls_.at(key).began});
    }));
  }));
}

void ImageProvider::Finish(const std::string& key, const absl::StatusOr<Result>& result) {
  const auto node = pulls_.extract(key);
  --running_;
  RunPulls();
  for (const auto& done : node.mapped().waiting) done(result);
}

}  // namespace slicelet::agent
