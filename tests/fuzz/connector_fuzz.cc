// The first line names a ConfigMap and its key, the rest is its value: it is refused by name, or applied.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "provider/translate/connector.h"

using slicelet::provider::ApplyConnectorMaps;
using slicelet::provider::ConnectorResult;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(text.find('\n'), text.size());
  const std::string head = text.substr(0, line);
  const std::size_t dot = std::min(head.find('.'), head.size());
  const std::string map = head.substr(0, dot);
  const std::string key = dot < head.size() ? head.substr(dot + 1) : "createOptions";
  slicelet::v1::Workload workload;
  workload.add_containers()->set_name("module");
  ConnectorResult result;
  const auto refusal =
      ApplyConnectorMaps({{map, {{key, line < text.size() ? text.substr(line + 1) : ""}}}}, workload, result);
  if (refusal && (refusal->field().rfind("configmap/" + map, 0) != 0 || refusal->message().empty()))
    std::abort();
  // What a host would get can be written down.
  if (!refusal && workload.SerializeAsString().empty()) std::abort();
  return 0;
}
