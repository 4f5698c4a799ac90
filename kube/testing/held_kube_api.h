#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "kube/testing/forwarding_kube_api.h"
#include "kube/testing/memory_kube_api.h"

namespace slicelet::kube {

/// Calls to another API that stay on their way, there or back, until the test lets them go.
class HeldKubeApi : public ForwardingKubeApi {
 public:
  using Which = std::function<bool(const KubeCall&)>;

  using ForwardingKubeApi::ForwardingKubeApi;

  /// Those that are held before they are carried out, and those whose answer is held. Empty: none.
  Which requests, answers;

  /// How many are held of the object of that name.
  [[nodiscard]] std::size_t held(const std::string& name) const {
    return static_cast<std::size_t>(
        std::count_if(held_.begin(), held_.end(), [&](const Held& one) { return one.name == name; }));
  }
  void Release(const std::string& name) {
    std::vector<Held> kept, released;
    for (Held& one : held_) (one.name == name ? released : kept).push_back(std::move(one));
    held_ = std::move(kept);
    for (const Held& one : released) one.go_on();
  }

  void Get(const ObjectRef& ref, Callback<Json> done) override {
    Pass<Json>({"", Verb::kGet, ref, nullptr}, std::move(done),
               [this, ref](Callback<Json> then) { ForwardingKubeApi::Get(ref, std::move(then)); });
  }
  void Create(const ObjectRef& ref, const Json& object, Callback<Json> done) override {
    Pass<Json>({"", Verb::kCreate, ref, &object}, std::move(done), [this, ref, object](Callback<Json> then) {
      ForwardingKubeApi::Create(ref, object, std::move(then));
    });
  }
  void Patch(const ObjectRef& ref, PatchType type, const Json& patch, Callback<Json> done) override {
    Pass<Json>({"", Verb::kPatch, ref, &patch}, std::move(done),
               [this, ref, type, patch](Callback<Json> then) {
                 ForwardingKubeApi::Patch(ref, type, patch, std::move(then));
               });
  }

 private:
  struct Held {
    std::string name;
    std::function<void()> go_on;
  };

  template <typename T>
  void Pass(const KubeCall& call, Callback<T> done, std::function<void(Callback<T>)> carry_out) {
    const std::string name = call.ref.name;
    if (answers && answers(call)) {
      done = [this, name, done = std::move(done)](absl::StatusOr<T> answer) {
        held_.push_back({name, [done, answer = std::move(answer)] { done(answer); }});
      };
    }
    if (!requests || !requests(call)) return carry_out(std::move(done));
    held_.push_back({name, [carry_out = std::move(carry_out), done = std::move(done)] { carry_out(done); }});
  }

  std::vector<Held> held_;
};

}  // namespace slicelet::kube
