#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "provider/controllers/exporter.h"
#include "provider/controllers/host_attachment.h"
#include "provider/controllers/places.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {

/// One attachment of a gateway, as it is now.
struct AttachView {
  std::string host, server;
  AttachRecord record;
};
/// All of one gateway.
struct GatewayAttachments {
  std::vector<AttachView> views;
  /// The hosts that it is to be attached on; nullopt while that is not known.
  std::optional<std::set<std::string>> hosts;
};
/// Of the gateway as its status has recorded them, but for what is known to be otherwise by now.
using AttachReports = std::function<GatewayAttachments(const Json& gateway)>;

/// A gateway may be attached to the server now.
bool TakesGateways(const Json& server);

/// Attaches gateways to the servers that they name, and detaches them: told the world, it says to each
/// attachment what is wanted of it.
///
/// - Nothing is made at a server before the gateway has its finalizer: whatever is made is known and undone.
/// - A gateway is detached once its exporter has stopped, as its host says, and attached to another server
/// once
///   it is detached from the former one, or that one is away. A fleet's gateway, whose pod has one image for
///   all hosts, on all of them.
/// - A host of a fleet that the gateway is for no more is detached by itself; one that is out of reach, and
/// is
///   still meant, stays.
/// - What a server holds of a gateway is on record in the gateway until the server has taken it back, or it
/// is
///   given up.
class Attachments {
 public:
  using Changed = std::function<void(const ObjectName& gateway)>;
  /// Of one gateway: a status holds no more, and a server's API is asked about each one by one.
  static constexpr std::size_t kMaxHosts = 1'000;
  /// Of one gateway, that are being made or undone at one server at the same time; the rest wait.
  static constexpr int kMaxBusy = 16;

  /// `changed`: a gateway's attachment differs, and may be called at any time. `written`: see
  /// KubeAttachStore.
  Attachments(ControllerSettings settings, HostAttachment::Dependencies dependencies, PlaceReports places,
              Changed changed, KubeAttachStore::Written written);

  void Look(const World& world);
  [[nodiscard]] GatewayAttachments Of(const Json& gateway) const;

 private:
  struct Key {
    std::string gateway, host, server;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Wanted;
  void LookAt(const World& world, const Json& gateway);
  [[nodiscard]] std::set<Key> KeysToLookAt(const World& world, const Json& gateway,
                                           const Wanted& wanted) const;
  /// By server, how many are under way.
  [[nodiscard]] std::map<std::string, int> BusyAt(const std::string& gateway) const;
  HostAttachment& Begin(const Key& key, const Json& gateway);
  /// Those of one gateway.
  [[nodiscard]] std::vector<Key> KeysOf(const std::string& gateway) const;

  const ControllerSettings settings_;
  const HostAttachment::Dependencies to_;
  const PlaceReports places_;
  const Changed changed_;
  const KubeAttachStore::Written written_;
  std::map<Key, std::unique_ptr<HostAttachment>> attachments_;
  /// By gateway, as of the last look.
  std::map<std::string, std::optional<std::set<std::string>>> hosts_;
};

}  // namespace slicelet::provider
