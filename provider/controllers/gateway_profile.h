#pragma once

#include <string>

#include "provider/controllers/settings.h"
#include "provider/controllers/world.h"

namespace slicelet::provider {

/// The pod of an IotGateway, without a name: its profile's (facts of EdgeX 4.0 without security), or that of
/// its template. Needs what the names below say. `exporter`: with one, which does nothing (exporter.h).
Json GatewayPod(const Json& gateway, const ControllerSettings& settings, bool exporter = false);

/// A Secret with the database's password; member "password".
std::string DatabaseSecretOf(const Json& gateway);
/// A ConfigMap with the configuration that all services share.
std::string SettingsOf(const Json& gateway);
Json CommonSettings();
/// A ConfigMap with the IoT devices, one entry each.
std::string DevicesOf(const Json& gateway);

/// Whether the gateway runs EdgeX services of a profile, so that it has a database and settings.
bool HasProfile(const Json& gateway);

/// Whether its database lies on the host, where it outlives the pod (spec.dataPath).
bool KeepsData(const Json& gateway);
/// The image that its database runs.
std::string DatabaseImageOf(const Json& gateway);

/// The container that speaks with IoT devices, by spec.deviceService.
std::string DeviceServiceOf(const Json& gateway);

/// Where it runs, as people read it.
std::string TargetText(const Json& spec);

/// Puts a pod where spec.target says: the node, and for a fleet node which of its hosts.
void PlacePod(const Json& spec, const ControllerSettings& settings, Json& pod);

/// Tells apart what a pod was made of, but for its images and the names in its hosts file: those change in
/// place. `kRevisionLength` hexadecimal digits.
inline constexpr std::size_t kRevisionLength = 8;
std::string RevisionOf(Json pod);

}  // namespace slicelet::provider
