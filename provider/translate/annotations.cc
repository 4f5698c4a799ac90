#include <algorithm>
#include <charconv>
#include <limits>

#include "common/base/shown_text.h"
#include "common/logs/log_tail_rule.h"
#include "provider/translate/parts.h"

namespace slicelet::provider {
namespace {

constexpr char kPrefix[] = "slicelet.io/";
/// Written by the shim itself.
constexpr char kHostPodIp[] = "slicelet.io/host-pod-ip";

void ReadPriority(FieldReader& annotations, Translation& out) {
  const std::string text = annotations.String("slicelet.io/priority");
  std::int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    annotations.Refuse("slicelet.io/priority",
                       "is \"" + ShownText(text) + "\", should be a whole number of 32 bits",
                       kInvalidAnnotation);
  }
  out.priority = value;
}

void ReadAutonomy(FieldReader& annotations, Translation& out) {
  const std::string text = annotations.String("slicelet.io/autonomy", "forever");
  if (text == "forever") return;
  if (const auto value = ParseDuration(text)) {
    out.autonomy = *value;
  } else {
    annotations.Refuse("slicelet.io/autonomy",
                       "is \"" + ShownText(text) + "\", should be forever or a duration such as 72h or 30m",
                       kInvalidAnnotation);
  }
}

void ReadApiAccess(FieldReader& annotations, bool& api_access) {
  const std::string text = annotations.String("slicelet.io/api-access");
  api_access = text == "true";
  if (text != "true" && text != "false") {
    annotations.Refuse("slicelet.io/api-access",
                       "is \"" + ShownText(text) + "\", should be \"true\" or \"false\"", kInvalidAnnotation);
  }
}

void ReadLogTail(FieldReader& annotations, Translation& out) {
  const auto rule = ParseLogTailRule(annotations.String("slicelet.io/log-tail"));
  if (rule.ok())
    out.log_tails = *rule;
  else
    annotations.Refuse("slicelet.io/log-tail", Message(rule.status()), kInvalidAnnotation);
}

void ReadRole(FieldReader labels, Translation& out) {
  const std::string role = labels.String("slicelet.io/role", "app");
  if (role == "gateway")
    out.role = v1::ROLE_GATEWAY;
  else if (role == "server")
    out.role = v1::ROLE_SERVER;
  else if (role != "app") {
    labels.Refuse("slicelet.io/role", "is \"" + ShownText(role) + "\", should be gateway, server or app",
                  kInvalidLabel);
  }
  // The other labels are the user's.
  labels.AcceptAll();
}

void ReadFleet(FieldReader& annotations, const std::map<std::string, std::string>& values, Translation& out) {
  out.fleet.emplace();
  for (const AnnotationError& error : ReadFleetTerms(values, *out.fleet))
    annotations.Refuse(error.key, error.message, kInvalidAnnotation);
  for (const std::string& key : FleetAnnotationKeys()) annotations.Accept(key);
  if (out.fleet->priority) out.priority = *out.fleet->priority;
}

}  // namespace

void TranslateAnnotations(FieldReader& metadata, const TranslateOptions& options, Translation& out,
                          bool& api_access) {
  api_access = options.api_access_default;
  for (auto& [key, value] : metadata.StringMap("labels")) (*out.workload.mutable_labels())[key] = value;
  ReadRole(metadata.Object("labels"), out);
  for (auto& [key, value] : metadata.StringMap("annotations")) {
    // It changes with the pod's status, and would make a new digest of every pod that got an address.
    if (key != kHostPodIp) (*out.workload.mutable_annotations())[key] = value;
  }
  FieldReader annotations = metadata.Object("annotations");
  if (options.fleet) ReadFleet(annotations, metadata.StringMap("annotations"), out);
  if (annotations.Has("slicelet.io/priority")) ReadPriority(annotations, out);
  if (annotations.Has("slicelet.io/autonomy")) ReadAutonomy(annotations, out);
  if (annotations.Has("slicelet.io/api-access")) ReadApiAccess(annotations, api_access);
  if (annotations.Has("slicelet.io/log-tail")) ReadLogTail(annotations, out);
  annotations.Accept(kHostPodIp);
  // They need the rest of the pod or what it refers to: start_order.cc, host_aliases.cc, roles.cc, and below.
  annotations.Accept(kDependsOn);
  annotations.Accept(kHostAliases);
  annotations.Accept(kPerHostSecrets);
  if (out.role == v1::ROLE_GATEWAY) annotations.Accept(kIotDevices);
  // What is left under our prefix is a misspelling or newer than this version; everything else is the user's.
  for (const auto& [key, value] : out.workload.annotations()) {
    if (!key.starts_with(kPrefix)) annotations.Accept(key);
  }
}

void TranslatePerHostSecrets(FieldReader& annotations, Translation& out) {
  if (!annotations.Has(kPerHostSecrets)) return;
  const std::string text = annotations.String(kPerHostSecrets);
  std::string name;
  for (std::size_t begin = 0; begin <= text.size(); begin += name.size() + 1) {
    name = text.substr(begin, text.find(',', begin) - begin);
    const ContentId id("secret/" + name);
    if (std::ranges::find(out.contents, id) == out.contents.end()) {
      annotations.Refuse(
          kPerHostSecrets,
          "is \"" + ShownText(text) + "\", should be names of Secrets that this pod refers to, by commas",
          kInvalidAnnotation);
      return;
    }
    out.per_host.insert(id);
  }
}

}  // namespace slicelet::provider
