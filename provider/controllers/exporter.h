#pragma once

#include <optional>
#include <string>
#include <vector>

#include "provider/controllers/plan.h"
#include "provider/controllers/world.h"

namespace slicelet::provider {

/// The container of a gateway's pod that sends its readings to an IotServer: edge-agent/senml-export. It is
/// told where, and as whom, by the files of a Secret.
///
/// A pod's containers can not change, but their images can, in place: while its gateway is not attached the
/// container runs an image that does nothing. So nothing else in the pod notices an attachment, nor its end;
/// and the image that a host reports says for sure whether anything is being sent.
inline constexpr char kExporter[] = "senml-export";
/// Where it finds the files of that Secret.
inline constexpr char kExportSettingsPath[] = "/etc/senml-export";

/// It runs on a fleet node's hosts, or on that of a node which it names; else on spec.target.host.
bool IsOfFleet(const Json& gateway);

/// A Secret with what the exporter is told, in the words of its environment. A fleet's has keys for each host
/// ("gw-1.SENML_SERVER"), of which a host gets its own only.
std::string ExportSecretOf(const Json& gateway, bool per_host);

/// Its image, when it sends and when it does nothing: from spec.images, or of this version.
std::string ExporterImage(const Json& gateway, bool sends);

/// Why the gateway can never have an exporter; nullopt when it can.
std::optional<Finding> ExporterProblem(const Json& gateway);

/// Whether the gateway's pod has an exporter: it is to be attached, or `pods` has one already; of a template
/// that has one to which nothing else says where to send.
bool HasExporter(const Json& gateway, const std::vector<const Json*>& pods);

/// Adds it to a profile's pod, doing nothing, and makes the services publish so that nothing is lost; that of
/// a template is told what it needs.
void AddExporter(const Json& gateway, Json& pod);

/// What is known of a gateway's exporter.
struct ExporterState {
  /// No pod sends anything, as its host says.
  bool stopped = true;
  /// Unavailable while it can not publish, or has not started.
  absl::Status publishes;
};
ExporterState ExporterStateOf(const Json& gateway, const std::vector<const Json*>& pods);

/// Begins what is said of one that its host has not started.
inline constexpr char kNotStarted[] = "the exporter has not started yet";
/// The pod has an exporter that an attachment tells where to send, as opposed to what a template says by
/// itself.
bool IsToldByAttachment(const Json& pod);
/// The exporter's image in a pod's spec; "" when it has none.
std::string ExporterImageIn(const Json& pod);
/// It runs on `host`, and the server does not take what it sends.
absl::Status ExporterCanNotPublish(const std::string& host, const Json& pod);

/// Where things are at a server for a gateway: a member of its status.attachments.
std::string AttachmentKey(const std::string& host, const std::string& server);

/// The IotServer that the gateway is to be attached to; nullopt when it asks for none, or can have none.
std::optional<std::string> AttachServerOf(const Json& gateway);

/// Its exporter may send: an attachment that it asks for is on record as made, with credentials. On a fleet's
/// other hosts it waits for theirs.
bool MaySend(const Json& gateway);

}  // namespace slicelet::provider
