#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <variant>

#include "provider/translate/translate.h"

namespace slicelet::provider {

using Json = nlohmann::json;

/// The plainest pod.
inline Json SamplePod() {
  return Json::parse(R"({"metadata": {"uid": "u-1", "name": "web", "namespace": "shop"},
                         "spec": {"containers": [{"name": "main", "image": "registry.example/app:1"}]}})");
}

/// The same with something in one place.
inline Json With(const char* pointer, Json value) {
  Json pod = SamplePod();
  pod[Json::json_pointer(pointer)] = std::move(value);
  return pod;
}

/// The plainest pod with its metadata, its spec or its only container patched.
inline Json Metadata(const char* patch) {
  Json pod = SamplePod();
  pod["metadata"].merge_patch(Json::parse(patch));
  return pod;
}

inline Json Spec(const char* patch) {
  Json pod = SamplePod();
  pod["spec"].merge_patch(Json::parse(patch));
  return pod;
}

inline Json Main(const char* patch) {
  Json pod = SamplePod();
  pod["spec"]["containers"][0].merge_patch(Json::parse(patch));
  return pod;
}

/// A pod with one volume "v", mounted at /v.
inline Json Volume(const char* source, const char* mount = "{}") {
  Json pod = SamplePod();
  Json volume = {{"name", "v"}};
  volume.merge_patch(Json::parse(source));
  pod["spec"]["volumes"] = Json::array({volume});
  Json entry = {{"name", "v"}, {"mountPath", "/v"}};
  entry.merge_patch(Json::parse(mount));
  pod["spec"]["containers"][0]["volumeMounts"] = Json::array({entry});
  return pod;
}

inline Json Projected(const char* source) {
  return Volume((std::string(R"({"projected": {"sources": [)") + source + "]}}").c_str());
}

inline Translation Translated(const Json& pod, const TranslateOptions& options = {}) {
  auto result = Translate(pod, {}, options);
  if (const auto* refusal = std::get_if<v1::Refusal>(&result)) {
    ADD_FAILURE() << refusal->message();
    return {};
  }
  return std::get<Translation>(std::move(result));
}

inline v1::Refusal Refused(const Json& pod, const TranslateOptions& options = {}) {
  auto result = Translate(pod, {}, options);
  if (const auto* refusal = std::get_if<v1::Refusal>(&result)) return *refusal;
  ADD_FAILURE() << "translated";
  return {};
}

}  // namespace slicelet::provider
