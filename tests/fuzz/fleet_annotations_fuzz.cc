// Lines KEY=VALUE as the annotations of a fleet node's pod: every error names one of them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

#include "provider/fleet/fleet_terms.h"

using slicelet::provider::AnnotationError;
using slicelet::provider::FleetAnnotationKeys;
using slicelet::provider::FleetTerms;
using slicelet::provider::ReadFleetTerms;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::map<std::string, std::string> annotations;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    const std::size_t equals = std::min(line.find('='), line.size());
    annotations[line.substr(0, equals)] = equals < line.size() ? line.substr(equals + 1) : "";
    begin = end + 1;
  }
  FleetTerms terms;
  for (const AnnotationError& error : ReadFleetTerms(annotations, terms)) {
    const auto& keys = FleetAnnotationKeys();
    if (std::find(keys.begin(), keys.end(), error.key) == keys.end() || error.message.empty()) std::abort();
  }
  if (terms.hosts < 1 || terms.hosts > FleetTerms::kMaxHosts) std::abort();
  (void)terms.min_ready.Met(1, 2, 3);
  return 0;
}
