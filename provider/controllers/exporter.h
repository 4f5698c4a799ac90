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

/// A Secret with what the exporter is told, in the words of its environment.
std::string ExportSecretOf(const Json& gateway);

/// Its image, when it sends and when it does nothing: from spec.images, or of this version.
std::string ExporterImage(const Json& gateway, bool sends);

/// Why the gateway can never have an exporter; nullopt when it can.
std::optional<Finding> ExporterProblem(const Json& gateway);

/// Whether the gateway's pod has an exporter: it is to be attached, or `pods` has one already.
bool HasExporter(const Json& gateway, const std::vector<const Json*>& pods);

/// Adds it to a profile's pod, doing nothing, and makes the services publish so that nothing is lost.
void AddExporter(const Json& gateway, Json& pod);

/// What is known of a gateway's exporter.
struct ExporterState {
  /// No pod sends anything, as its host says.
  bool stopped = true;
  /// Unavailable while it can not publish, or has not started.
  absl::Status publishes;
};
ExporterState ExporterStateOf(const Json& gateway, const std::vector<const Json*>& pods);

/// Where things are at a server for a gateway: a member of its status.attachments.
std::string AttachmentKey(const std::string& host, const std::string& server);

/// The attachment that the gateway asks for, as host and server; nullopt when it asks for none, or can have
/// none.
struct AttachTarget {
  std::string host, server;
};
std::optional<AttachTarget> AttachTargetOf(const Json& gateway);

/// Its exporter may send: the attachment that it asks for is on record as made, with credentials.
bool MaySend(const Json& gateway);

}  // namespace slicelet::provider
