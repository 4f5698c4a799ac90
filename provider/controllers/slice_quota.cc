#include "provider/controllers/slice_quota.h"

#include <map>

#include "common/json/quantity.h"
#include "kube/object.h"
#include "provider/controllers/slices.h"

namespace slicelet::provider {
namespace {

/// The members of a ResourceQuota's spec.hard, by those of spec.quota.
Json HardLimits(const Json& quota) {
  static const std::map<std::string, std::string> keys = {{"pods", "pods"},
                                                          {"cpu", "requests.cpu"},
                                                          {"memory", "requests.memory"},
                                                          {"gateways", "count/iotgateways.slicelet.io"},
                                                          {"servers", "count/iotservers.slicelet.io"},
                                                          {"devices", "count/iotdevices.slicelet.io"}};
  Json hard = Json::object();
  for (const auto& [member, key] : keys) {
    const auto it = quota.find(member);
    if (it != quota.end()) hard[key] = it->is_string() ? *it : Json(it->dump());
  }
  return hard;
}

/// The API server writes quantities in its own way: 1.5Gi becomes 1536Mi.
bool SameLimits(const Json& one, const Json& other) {
  if (!one.is_object() || one.size() != other.size()) return false;
  for (const auto& [key, value] : one.items()) {
    const auto it = other.find(key);
    if (it == other.end()) return false;
    const auto left = ParseQuantityMilli(value), right = ParseQuantityMilli(*it);
    if (left.ok() && right.ok() ? *left != *right : value != *it) return false;
  }
  return true;
}

}  // namespace

void MakeQuota(Plan& plan, const std::string& step, const Json& slice, const Json& labels, const Json* quota,
               const std::string& cluster) {
  const Json* wanted = kube::Find(slice, {"spec", "quota"});
  const auto there = [&](Write write) {
    write.cluster = cluster;
    return write;
  };
  if (wanted == nullptr || !wanted->is_object()) {
    if (quota == nullptr) return plan.Make(step, true, "none", {});
    return plan.Make(step, false, "", [&] { return there(DeleteOf(kube::kResourceQuotas, *quota)); });
  }
  const Json hard = HardLimits(*wanted);
  const Json* is = quota == nullptr ? nullptr : kube::Find(*quota, {"spec", "hard"});
  plan.Make(step, is != nullptr && SameLimits(*is, hard), kQuotaName, [&]() -> Write {
    if (quota == nullptr) {
      return there({.verb = Write::Verb::kCreate,
                    .ref = {kube::kResourceQuotas, NamespaceOfSlice(slice), kQuotaName, ""},
                    .body = {{"metadata", {{"labels", labels}}}, {"spec", {{"hard", hard}}}}});
    }
    Json change = hard;
    const Json former = is == nullptr || !is->is_object() ? Json::object() : *is;
    for (const auto& [key, value] : former.items()) {
      if (!hard.contains(key)) change[key] = nullptr;
    }
    return there(MergePatch(kube::kResourceQuotas, *quota, {{"spec", {{"hard", change}}}}));
  });
}

}  // namespace slicelet::provider
