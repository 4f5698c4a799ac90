#include "cli/kinds/dry_run.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "cli/kinds/printer.h"
#include "common/json/json.h"
#include "kube/object.h"

namespace slicelet::cli {

std::string PrintPlanned(const Kind& kind, const Json& object, Json secret, const std::string& format,
                         WallTime now) {
  const std::string form = format.empty() ? "yaml" : format;
  if (secret.is_null() || form == "table" || form == "wide") return PrintOne(kind, object, form, now);
  for (auto& [key, value] : secret["data"].items()) value = kRedacted;
  if (form == "name") return "secret/" + kube::NameOf(secret) + "\n" + PrintOne(kind, object, form, now);
  if (form == "json") return PrintList(kind, {secret, object}, form, false, now);
  return PrintOne(kind, secret, form, now) + "---\n" + PrintOne(kind, object, form, now);
}

absl::Status PrintDryRun(const Kind& kind, const KindOptions& options, const KindDefaults& defaults,
                         FileSystem& files, const KindCommands::Print& out, const KindCommands::Print& say) {
  std::string ns = options.ns;
  if (ns.empty()) ns = kind.of_hub ? defaults.hub_ns : GivenSlice(options);
  SLICELET_ASSIGN_OR_RETURN(Json object, ObjectOf(kind, ns, options.names.front(), options.given, files));
  Json secret;
  if (options.secret.given()) {
    SLICELET_ASSIGN_OR_RETURN(
        const NamedSecret named,
        NameSecret(kind, options.names.front(), options.secret, Json::object(), object["spec"], files, say));
    secret = SecretObject(kind, ns, options.names.front(), named, nullptr);
  }
  for (Json* one : {&object, &secret}) {
    if (ns.empty() && one->is_object()) (*one)["metadata"].erase("namespace");
  }
  out(PrintPlanned(kind, object, std::move(secret), options.output, SystemClock().Now()));
  return absl::OkStatus();
}

}  // namespace slicelet::cli
