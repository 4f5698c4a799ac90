#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/names.h"
#include "provider/translate/field_reader.h"
#include "provider/translate/translate.h"

namespace slicelet::provider {

/// What the parts of a pod collect while they are translated.
struct PodParts {
  v1::Workload& workload;
  const std::vector<v1::ContainerEnvironment>& environment;
  /// Whether the automatic service account token is delivered.
  bool api_access = false;
  std::set<std::string> contents;
  std::set<std::string> credentials;
};

// resources.cc
/// Reads resources.requests and .limits; a request that is not given is the limit.
void TranslateResources(FieldReader& resources, v1::Container& out);
/// Reads a resourceFieldRef. `container` is used where it names none.
void TranslateResourceField(FieldReader& ref, const std::string& container, v1::ResourceField& out);
/// A quantity as whole units of `unit` ("milli" for cpu, bytes otherwise), rounded up. Refuses what is not
/// one.
std::int64_t ReadQuantity(FieldReader& reader, const std::string& key, bool milli);

// probes.cc
void TranslateProbe(FieldReader& probe, const v1::Container& container, v1::Probe& out);
void TranslateHook(FieldReader& hook, const v1::Container& container, v1::Handler& out);

// security.cc
void TranslatePodSecurity(FieldReader& security, v1::PodSecurity& out);
void TranslateContainerSecurity(FieldReader& security, v1::ContainerSecurity& out);

// volumes.cc
void TranslateVolume(FieldReader& volume, PodParts& parts);

// containers.cc
void TranslateContainer(FieldReader& container, bool init, PodParts& parts, v1::Container& out);

// annotations.cc
/// Reads the labels and annotations that slicelet understands.
void TranslateAnnotations(FieldReader& metadata, const TranslateOptions& options, Translation& out,
                          bool& api_access);

/// Reads which Secrets are divided among the hosts. Call when `out.contents` is complete.
inline constexpr char kPerHostSecrets[] = "slicelet.io/per-host-secrets";
void TranslatePerHostSecrets(FieldReader& annotations, Translation& out);

// start_order.cc
inline constexpr char kDependsOn[] = "slicelet.io/depends-on";
/// Reads "NAME=NAME[,NAME...]; ..." into the containers' `depends_on`. Call when the containers are there.
void TranslateStartOrder(FieldReader& annotations, v1::Workload& workload);

// host_aliases.cc
inline constexpr char kHostAliases[] = "slicelet.io/host-aliases";
/// Reads "ADDRESS=NAME[,NAME...]; ..." into host aliases, after those of the spec.
void TranslateHostAliases(FieldReader& annotations, v1::Workload& workload);

// roles.cc
inline constexpr char kIotDevices[] = "slicelet.io/iot-devices";
/// Fills in what only gateways and servers have. Call when the workload is complete.
void TranslateRole(FieldReader& annotations, Translation& out);

// checks.cc
/// Without the blanks around it.
std::string TrimBlanks(const std::string& text);
/// The parts of a list, trimmed; a single empty one at the end does not count.
std::vector<std::string> SplitList(const std::string& text, char separator);
/// "90s", "1h30m", "3d": units ns, us, ms, s, m, h, d. Positive only.
std::optional<Duration> ParseDuration(const std::string& text);

}  // namespace slicelet::provider
