#include "kube/http/http_cluster_reader.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/encoding.h"
#include "common/json/json.h"
#include "kube/http/cluster_features.h"
#include "kube/http/http_kube_api.h"
#include "kube/http/rest_client.h"
#include "kube/object.h"

namespace slicelet::kube {
namespace {

/// Of what a foreign server says of itself.
constexpr std::size_t kMaxText = 64;
/// The network is looked for on so many nodes, page by page, until one has it. Those of hubs have nothing to
/// tell: their pods' network is made elsewhere.
constexpr int kMaxNodePages = 10;
constexpr char kNodePage[] = "/api/v1/nodes?limit=10&labelSelector=type%21%3Dvirtual-kubelet";
/// Of its answers: the namespaces and quotas of slices, and never all that it holds.
constexpr std::size_t kMaxForeignAnswer = std::size_t{16} << 20;
constexpr std::int64_t kMaxNodes = 1'000'000;

class HttpClusterReader final : public ClusterReader {
 public:
  HttpClusterReader(KubeConfig own, Loop& loop, FileSystem& files)
      : own_(std::move(own)), loop_(loop), files_(files) {}

  void Read(const std::optional<KubeConfigText>& way, Callback<ClusterFacts> done) override {
    auto config = way ? ParseKubeConfig(way->text, way->name, way->context) : WithToken();
    if (!config.ok()) {
      loop_.Post(lifetime_.Guard([done = std::move(done), status = config.status()] { done(status); }));
      return;
    }
    const std::uint64_t id = ++last_id_;
    if (way) config->max_answer = kMaxForeignAnswer;
    auto question = std::make_shared<Question>(*config, loop_);
    question->token = config->token;
    question->facts.server = config->server;
    question->done = std::move(done);
    questions_.emplace(id, std::move(question));
    AskVersion(id);
  }

  absl::StatusOr<std::unique_ptr<KubeApi>> Open(const KubeConfigText& way) override {
    SLICELET_ASSIGN_OR_RETURN(KubeConfig config, ParseKubeConfig(way.text, way.name, way.context));
    config.max_answer = kMaxForeignAnswer;
    return MakeHttpKubeApi(config, loop_, files_);
  }

 private:
  struct Question {
    Question(const KubeConfig& config, Loop& loop) : client(config, loop) {}
    RestClient client;
    std::string token;
    ClusterFacts facts;
    int node_pages = 0;
    Callback<ClusterFacts> done;
  };

  /// Projected tokens rotate.
  absl::StatusOr<KubeConfig> WithToken() {
    KubeConfig config = own_;
    SLICELET_ASSIGN_OR_RETURN(config.token, ReadToken(own_, files_));
    return config;
  }

  void AskVersion(std::uint64_t id) {
    Get(id, "/version", [this, id](const Json& answer, ClusterFacts& facts) {
      facts.version = TextAt(answer, {"gitVersion"}).substr(0, kMaxText);
      AskUid(id);
    });
  }

  void AskUid(std::uint64_t id) {
    Get(id, "/api/v1/namespaces/kube-system", [this, id](const Json& answer, ClusterFacts& facts) {
      facts.uid = UidOf(answer);
      if (facts.uid.empty() || facts.uid.size() > kMaxText) {
        return Finish(id, absl::InternalError(facts.server + " is no API server: kube-system has no uid"));
      }
      AskNodes(id);
    });
  }

  /// The first one, and how many more there are.
  void AskNodes(std::uint64_t id) {
    Get(id, "/api/v1/nodes?limit=1", [this, id](const Json& answer, ClusterFacts& facts) {
      const auto more = IntegerAt(answer, {"metadata", "remainingItemCount"}, 0);
      facts.nodes = static_cast<std::int64_t>(GetArray(answer, "/items").size()) +
                    std::clamp<std::int64_t>(more, 0, kMaxNodes);
      AskStorageClasses(id);
    });
  }

  /// What follows may be unreadable for the user, and is Unknown then.
  void AskStorageClasses(std::uint64_t id) {
    Send(id, "/apis/storage.k8s.io/v1/storageclasses",
         [this, id](const absl::StatusOr<Json>& answer, ClusterFacts& facts) {
           facts.storage_class = answer.ok() ? DefaultStorageClassIn(*answer)
                                             : Unreadable(answer.status(), "list storageclasses");
           facts.network_plugin = NetworkWithoutNodes();
           AskNetwork(id, kNodePage);
         });
  }

  void AskNetwork(std::uint64_t id, const std::string& page) {
    Send(id, page, [this, id](const absl::StatusOr<Json>& answer, ClusterFacts& facts) {
      facts.network_plugin = answer.ok() ? NetworkPluginOn(*answer, std::move(facts.network_plugin))
                                         : Unreadable(answer.status(), "list nodes");
      const std::string more = answer.ok() ? TextAt(*answer, {"metadata", "continue"}) : "";
      const bool enough = facts.network_plugin.status == "True" || more.empty();
      if (enough || ++questions_.at(id)->node_pages == kMaxNodePages) return Finish(id, absl::OkStatus());
      AskNetwork(id, std::string(kNodePage) + "&continue=" + PercentEncode(more));
    });
  }

  /// What a cluster is known by: without it nothing else is asked.
  void Get(std::uint64_t id, const std::string& target,
           std::function<void(const Json&, ClusterFacts&)> next) {
    Send(id, target,
         [this, id, next = std::move(next)](const absl::StatusOr<Json>& answer, ClusterFacts& facts) {
           if (!answer.ok()) return Finish(id, answer.status());
           next(*answer, facts);
         });
  }

  /// An API server that goes away meanwhile ends the question.
  void Send(std::uint64_t id, const std::string& target,
            std::function<void(const absl::StatusOr<Json>&, ClusterFacts&)> next) {
    Question& question = *questions_.at(id);
    question.client.Send(
        {"GET", target, "", "", question.token},
        lifetime_.Guard([this, id, target, next = std::move(next)](absl::StatusOr<Json> answer) {
          const auto it = questions_.find(id);
          if (it == questions_.end()) return;
          ClusterFacts& facts = it->second->facts;
          if (!answer.ok()) answer = WithContext(answer.status(), "GET " + facts.server + target);
          if (absl::IsUnavailable(answer.status())) return Finish(id, answer.status());
          next(answer, facts);
        }));
  }

  void Finish(std::uint64_t id, const absl::Status& status) {
    auto question = std::move(questions_.extract(id).mapped());
    if (status.ok())
      question->done(std::move(question->facts));
    else
      question->done(status);
    // Its client is at work below this call.
    loop_.Post([question = std::move(question)] {});
  }

  const KubeConfig own_;
  Loop& loop_;
  FileSystem& files_;
  std::map<std::uint64_t, std::shared_ptr<Question>> questions_;
  std::uint64_t last_id_ = 0;
  Lifetime lifetime_;
};

}  // namespace

std::unique_ptr<ClusterReader> MakeHttpClusterReader(KubeConfig own, Loop& loop, FileSystem& files) {
  return std::make_unique<HttpClusterReader>(std::move(own), loop, files);
}

}  // namespace slicelet::kube
