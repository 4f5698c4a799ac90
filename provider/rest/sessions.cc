#include "provider/rest/sessions.h"

#include "common/base/encoding.h"

namespace slicelet::provider {
namespace {

constexpr int kTokenBytes = 32;

}  // namespace

std::string Sessions::Open(const RestUser& user, MonotonicTime now) {
  std::erase_if(sessions_, [&](const auto& entry) { return entry.second.expires <= now; });
  std::size_t count = 0;
  auto oldest = sessions_.end();
  for (auto it = sessions_.begin(); it != sessions_.end(); ++it) {
    if (it->second.user != user.name) continue;
    ++count;
    if (oldest == sessions_.end() || it->second.number < oldest->second.number) oldest = it;
  }
  if (count >= kMaxOfOneUser) sessions_.erase(oldest);
  std::string token = random_.Hex(kTokenBytes);
  sessions_[Sha256(token)] = {user.name, user.password_hash, now + lifetime_, ++opened_};
  return token;
}

const Session* Sessions::Find(const std::string& token, MonotonicTime now) {
  const auto it = sessions_.find(Sha256(token));
  if (it == sessions_.end()) return nullptr;
  if (it->second.expires > now) return &it->second;
  sessions_.erase(it);
  return nullptr;
}

void Sessions::Close(const std::string& token) { sessions_.erase(Sha256(token)); }

}  // namespace slicelet::provider
