#include "common/json/quantity.h"
#include "provider/translate/parts.h"

namespace slicelet::provider {
namespace {

void TranslateQuantities(FieldReader& quantities, v1::Resources& out) {
  if (quantities.Has("cpu")) out.set_cpu_milli(ReadQuantity(quantities, "cpu", true));
  if (quantities.Has("memory")) out.set_memory_bytes(ReadQuantity(quantities, "memory", false));
  if (quantities.Has("ephemeral-storage")) {
    out.set_ephemeral_storage_bytes(ReadQuantity(quantities, "ephemeral-storage", false));
  }
  quantities.RefuseUnread("only cpu, memory and ephemeral-storage can be asked for");
}

}  // namespace

std::int64_t ReadQuantity(FieldReader& reader, const std::string& key, bool milli) {
  const nlohmann::json* value = reader.Raw(key);
  if (value == nullptr) return 0;
  const auto parsed = milli ? ParseQuantityMilli(*value) : ParseQuantityBytes(*value);
  if (!parsed.ok() || *parsed < 0) {
    reader.Refuse(key, "is " + Shown(*value) + ", should be a quantity such as 500m, 64Mi or 1G");
    return 0;
  }
  return *parsed;
}

void TranslateResources(FieldReader& resources, v1::Container& out) {
  if (resources.Has("limits")) {
    FieldReader limits = resources.Object("limits");
    TranslateQuantities(limits, *out.mutable_limits());
    // As the API server's defaulting, for pods from files.
    *out.mutable_requests() = out.limits();
  }
  if (resources.Has("requests")) {
    FieldReader requests = resources.Object("requests");
    TranslateQuantities(requests, *out.mutable_requests());
  }
  resources.Unsupported("claims", "devices are given by the host's policy: use a hostPath volume");
}

void TranslateResourceField(FieldReader& ref, const std::string& container, v1::ResourceField& out) {
  out.set_container(ref.String("containerName", container));
  out.set_resource(ref.RequiredString("resource"));
  const std::string& resource = out.resource();
  const bool cpu = resource.ends_with(".cpu");
  const bool known = (resource.starts_with("limits.") || resource.starts_with("requests.")) &&
                     (cpu || resource.ends_with(".memory") || resource.ends_with(".ephemeral-storage"));
  if (!resource.empty() && !known) {
    ref.Refuse("resource", "\"" + resource + "\" is not supported on edge hosts", kUnsupported);
  }
  out.set_divisor(ReadQuantity(ref, "divisor", cpu));
  // 0 stands for the default, 1.
  if (out.divisor() == 0) out.set_divisor(cpu ? 1000 : 1);
}

}  // namespace slicelet::provider
