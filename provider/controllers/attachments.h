#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "provider/controllers/exporter.h"
#include "provider/controllers/host_attachment.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {

/// One attachment of a gateway, as it is now.
struct AttachView {
  std::string host, server;
  AttachRecord record;
};
/// Those that the gateway's status has recorded, as they were then.
std::vector<AttachView> RecordedAttachments(const Json& gateway);

/// Of the gateway with this uid; none before the first look at it.
using AttachViews = std::function<std::vector<AttachView>(const std::string& gateway)>;

/// A gateway may be attached to the server now.
bool TakesGateways(const Json& server);

/// Attaches gateways to the servers that they name, and detaches them: told the world, it says to each
/// attachment what is wanted of it.
///
/// - Nothing is made at a server before the gateway has its finalizer: whatever is made is known and undone.
/// - A gateway is detached once its exporter has stopped, as its host says, and attached to another server
/// once
///   it is detached from the former one, or that one is away.
/// - What a server holds of a gateway is on record in the gateway until the server has taken it back, or it
/// is
///   given up.
class Attachments {
 public:
  using Changed = std::function<void(const ObjectName& gateway)>;

  /// `changed`: a gateway's attachment differs, and may be called at any time. `written`: see
  /// KubeAttachStore.
  Attachments(ControllerSettings settings, HostAttachment::Dependencies dependencies, Changed changed,
              KubeAttachStore::Written written);

  void Look(const World& world);
  [[nodiscard]] std::vector<AttachView> Of(const std::string& gateway) const;

 private:
  struct Key {
    std::string gateway, host, server;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  void LookAt(const World& world, const Json& gateway);
  HostAttachment& Begin(const Key& key, const Json& gateway);
  /// Those of one gateway.
  [[nodiscard]] std::vector<Key> KeysOf(const std::string& gateway) const;

  const ControllerSettings settings_;
  const HostAttachment::Dependencies to_;
  const Changed changed_;
  const KubeAttachStore::Written written_;
  std::map<Key, std::unique_ptr<HostAttachment>> attachments_;
};

}  // namespace slicelet::provider
