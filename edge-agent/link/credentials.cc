#include "edge-agent/link/credentials.h"

#include <utility>

#include "common/log/log.h"

namespace slicelet::agent {
namespace {

constexpr std::uint64_t kMaxCredentialBytes = std::uint64_t{64} * 1024;
constexpr std::size_t kMaxCredentialRequests = 256;

}  // namespace

Credentials::Credentials(AgentStore& store, ManifestRunner& runner, Send send)
    : store_(store), runner_(runner), send_(std::move(send)) {}

void Credentials::OnCredential(const v1::Credential& credential) {
  if (credential.ByteSizeLong() > kMaxCredentialBytes || credential.uid().empty() ||
      credential.name().empty()) {
    LogWarning("credential refused", {{"uid", credential.uid()}, {"name", credential.name()}});
    return;
  }
  v1::StoredCredential stored;
  stored.set_uid(credential.uid());
  stored.set_name(credential.name());
  *stored.mutable_sealed() = credential.sealed();
  stored.set_expires(credential.expires());
  AgentStore::Batch batch;
  batch.credentials.push_back(stored);
  store_.Commit(std::move(batch), lifetime_.Guard([this, stored](const absl::Status& status) {
    if (status.ok())
      runner_.OnCredentialStored(stored);
    else
      LogWarning("cannot store a credential", {{"uid", stored.uid()}, {"error", Describe(status)}});
  }));
}

void Credentials::RequestMissing() {
  std::size_t count = 0;
  for (const auto& [uid, name] : runner_.MissingCredentials()) {
    if (++count > kMaxCredentialRequests) return;
    v1::CredentialRequest request;
    request.set_uid(uid.value());
    request.set_name(name);
    send_(request);
  }
}

}  // namespace slicelet::agent
