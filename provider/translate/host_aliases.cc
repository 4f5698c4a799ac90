#include <algorithm>

#include "common/base/ip_address.h"
#include "provider/translate/parts.h"

namespace slicelet::provider {
namespace {

/// Of one annotation: far below what an annotation may hold.
constexpr std::size_t kMostAddresses = 256;

/// What is wrong with "ADDRESS=NAME[,NAME...]"; "" when it was added.
std::string AddAlias(const std::string& entry, v1::Workload& workload) {
  const auto equals = entry.find('=');
  if (equals == std::string::npos) return "should be ADDRESS=NAME[,NAME...]";
  const std::string address = TrimBlanks(entry.substr(0, equals));
  if (!IsIpAddress(address)) return "\"" + address + "\" is no IP address";
  const std::vector<std::string> names = SplitList(entry.substr(equals + 1), ',');
  if (names.empty()) return "should be ADDRESS=NAME[,NAME...]";
  for (const std::string& name : names) {
    if (!IsDnsSubdomain(name)) return "\"" + name + "\" is no DNS name";
  }
  v1::HostAlias& alias = *workload.add_host_aliases();
  alias.set_ip(address);
  for (const std::string& name : names) alias.add_hostnames(name);
  return "";
}

}  // namespace

void TranslateHostAliases(FieldReader& annotations, v1::Workload& workload) {
  if (!annotations.Has(kHostAliases)) return;
  const std::string text = annotations.String(kHostAliases);
  const std::vector<std::string> entries = SplitList(text, ';');
  if (entries.size() > kMostAddresses) {
    annotations.Refuse(kHostAliases, "names more than " + std::to_string(kMostAddresses) + " addresses",
                       kInvalidAnnotation);
    return;
  }
  for (const std::string& entry : entries) {
    const std::string problem = AddAlias(entry, workload);
    if (problem.empty()) continue;
    annotations.Refuse(kHostAliases, "is \"" + text + "\": " + problem, kInvalidAnnotation);
    return;
  }
}

}  // namespace slicelet::provider
