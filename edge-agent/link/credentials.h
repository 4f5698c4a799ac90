#pragma once

#include <functional>

#include "common/loop/loop.h"
#include "edge-agent/link/manifest_runner.h"
#include "edge-agent/store/agent_store.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet::agent {

/// Keeps the credentials that the hub sends, and asks for those that the runner misses. Each is durable
/// before it is used.
class Credentials {
 public:
  using Send = std::function<void(const v1::CredentialRequest&)>;

  /// Both must outlive this object.
  Credentials(AgentStore& store, ManifestRunner& runner, Send send);

  void OnCredential(const v1::Credential& credential);
  void RequestMissing();

 private:
  AgentStore& store_;
  ManifestRunner& runner_;
  const Send send_;
  Lifetime lifetime_;
};

}  // namespace slicelet::agent
