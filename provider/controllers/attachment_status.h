#pragma once

#include <optional>
#include <string>

#include "provider/controllers/attachments.h"
#include "provider/controllers/plan.h"

namespace slicelet::provider {

/// Says how far a gateway's attachments are: status.attachment and the condition Attached. Those of a fleet's
/// hosts are summed up; each by itself is in status.attachments. `barred`: why none may begin.
void ShowAttachments(Plan& plan, const World& world, const Json& gateway,
                     const GatewayAttachments& attachments, const std::optional<Finding>& barred);

/// What keeps a gateway that is being deleted from being detached.
std::string WhyNotDetached(const GatewayAttachments& attachments);

}  // namespace slicelet::provider
