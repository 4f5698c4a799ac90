#pragma once

#include <map>
#include <string>

#include "common/loop/loop.h"
#include "kube/cluster_reader.h"
#include "kube/testing/memory_kube_api.h"

namespace slicelet::provider {

/// Clusters by their kubeconfig's text, the hub's own under "". Of others it says that nobody answers.
class FakeClusterReader final : public kube::ClusterReader {
 public:
  explicit FakeClusterReader(Loop& loop) : loop_(loop) { Put("", "own"); }

  /// A cluster with this uid at https://UID:6443.
  void Put(const std::string& kubeconfig, const std::string& uid) {
    answers_.insert_or_assign(kubeconfig, kube::ClusterFacts{.server = "https://" + uid + ":6443",
                                                             .uid = uid,
                                                             .version = "v1.35.0",
                                                             .nodes = 3,
                                                             .storage_class = {"True", "Found", "fast"},
                                                             .network_plugin = {"True", "Found", "a"}});
  }
  /// The same with something that it lacks or keeps to itself.
  void Put(const std::string& kubeconfig, const std::string& uid, const kube::ClusterFeature& storage_class,
           const kube::ClusterFeature& network_plugin) {
    Put(kubeconfig, uid);
    answers_.at(kubeconfig)->storage_class = storage_class;
    answers_.at(kubeconfig)->network_plugin = network_plugin;
  }
  void Fail(const std::string& kubeconfig, const absl::Status& status) {
    answers_.insert_or_assign(kubeconfig, status);
  }
  /// What is opened with this kubeconfig.
  void Serve(const std::string& kubeconfig, kube::MemoryApiServer& server) { servers_[kubeconfig] = &server; }
  absl::StatusOr<std::unique_ptr<kube::KubeApi>> Open(const kube::KubeConfigText& way) override {
    const auto it = servers_.find(way.text);
    if (it == servers_.end()) return absl::InvalidArgumentError(way.name + " is no kubeconfig");
    return it->second->ApiAs("provider");
  }
  [[nodiscard]] int questions() const { return questions_; }
  /// Of the last question with a kubeconfig.
  [[nodiscard]] const std::string& context() const { return context_; }

  void Read(const std::optional<kube::KubeConfigText>& way, Callback<kube::ClusterFacts> done) override {
    ++questions_;
    if (way) context_ = way->context;
    const auto it = answers_.find(way ? way->text : "");
    const absl::StatusOr<kube::ClusterFacts> answer =
        it == answers_.end() ? absl::UnavailableError("nobody answers") : it->second;
    loop_.Post(lifetime_.Guard([done = std::move(done), answer] { done(answer); }));
  }

 private:
  Loop& loop_;
  std::map<std::string, absl::StatusOr<kube::ClusterFacts>> answers_;
  std::map<std::string, kube::MemoryApiServer*> servers_;
  std::string context_;
  int questions_ = 0;
  Lifetime lifetime_;
};

}  // namespace slicelet::provider
