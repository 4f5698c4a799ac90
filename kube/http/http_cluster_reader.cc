#include "kube/http/http_cluster_reader.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/json/json.h"
#include "kube/http/http_kube_api.h"
#include "kube/http/rest_client.h"
#include "kube/object.h"

namespace slicelet::kube {
namespace {

constexpr std::uint64_t kMaxTokenBytes = std::uint64_t{64} << 10;
/// Of what a foreign server says of itself.
constexpr std::size_t kMaxText = 64;

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
    auto question = std::make_shared<Question>(*config, loop_);
    question->token = config->token;
    question->facts.server = config->server;
    question->done = std::move(done);
    questions_.emplace(id, std::move(question));
    AskVersion(id);
  }

  absl::StatusOr<std::unique_ptr<KubeApi>> Open(const KubeConfigText& way) override {
    SLICELET_ASSIGN_OR_RETURN(const KubeConfig config, ParseKubeConfig(way.text, way.name, way.context));
    return MakeHttpKubeApi(config, loop_, files_);
  }

 private:
  struct Question {
    Question(const KubeConfig& config, Loop& loop) : client(config, loop) {}
    RestClient client;
    std::string token;
    ClusterFacts facts;
    Callback<ClusterFacts> done;
  };

  /// Projected tokens rotate.
  absl::StatusOr<KubeConfig> WithToken() {
    KubeConfig config = own_;
    if (config.token_file.empty()) return config;
    auto token = files_.Read(config.token_file, kMaxTokenBytes);
    if (!token.ok()) return absl::UnavailableError(config.token_file + ": " + Message(token.status()));
    config.token = token->substr(0, token->find_last_not_of(" \r\n") + 1);
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
      facts.nodes =
          static_cast<std::int64_t>(GetArray(answer, "/items").size()) + std::max<std::int64_t>(more, 0);
      Finish(id, absl::OkStatus());
    });
  }

  void Get(std::uint64_t id, const std::string& target,
           std::function<void(const Json&, ClusterFacts&)> next) {
    Question& question = *questions_.at(id);
    question.client.Send(
        {"GET", target, "", "", question.token},
        lifetime_.Guard([this, id, target, next = std::move(next)](const absl::StatusOr<Json>& answer) {
          const auto it = questions_.find(id);
          if (it == questions_.end()) return;
          ClusterFacts& facts = it->second->facts;
          if (!answer.ok()) return Finish(id, WithContext(answer.status(), "GET " + facts.server + target));
          next(*answer, facts);
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
