#pragma once

#include "provider/translate/connector.h"
#include "provider/translate/connector_documents.h"

namespace slicelet::provider {

/// Applies the settings of IoT Edge modules (createOptions, desiredProperties and the like), each in the
/// ConfigMap named like its container, to the workload.
void ApplyModuleSettings(const ConnectorMaps& maps, v1::Workload& workload, ConnectorDocuments& documents);

}  // namespace slicelet::provider
