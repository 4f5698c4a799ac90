#include "edge-agent/pod/environment.h"

#include <algorithm>

#include "edge-agent/pod/expansion.h"

namespace slicelet::agent {
namespace {

absl::StatusOr<std::string> ReadKey(const v1::SecretKey& reference, const ContentReader& content) {
  SLICELET_ASSIGN_OR_RETURN(const v1::FileSet set, content(reference.content_id()));
  for (const auto& file : set.files()) {
    if (file.key() == reference.key()) return file.data();
  }
  return absl::NotFoundError("couldn't find key " + reference.key() + " in " + reference.content_id());
}

}  // namespace

absl::StatusOr<Environment> ResolveEnvironment(const v1::Workload& workload, const v1::Container& container,
                                               const ContentReader& content, const HostFacts& facts) {
  Environment environment;
  for (const auto& variable : container.env()) {
    absl::StatusOr<std::string> value = std::string();
    switch (variable.value_case()) {
      case v1::EnvVar::kLiteral:
        value = variable.expand() ? Expand(variable.literal(), environment.values) : variable.literal();
        break;
      case v1::EnvVar::kSecret:
        value = ReadKey(variable.secret(), content);
        break;
      case v1::EnvVar::kHostField:
        value = ResolveField(workload, variable.host_field(), facts);
        break;
      case v1::EnvVar::kResource:
        value = ResolveResource(workload, variable.resource(), container.name(), facts);
        break;
      case v1::EnvVar::VALUE_NOT_SET:
        break;
    }
    if (!value.ok()) return value.status();
    const auto [it, added] = environment.values.insert_or_assign(variable.name(), *value);
    if (added) {
      environment.list.emplace_back(variable.name(), *std::move(value));
    } else {
      const auto entry = std::find_if(environment.list.begin(), environment.list.end(),
                                      [&](const auto& listed) { return listed.first == variable.name(); });
      entry->second = it->second;
    }
  }
  return environment;
}

}  // namespace slicelet::agent
