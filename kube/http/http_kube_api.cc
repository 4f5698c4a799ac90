#include "kube/http/http_kube_api.h"

#include <deque>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "common/base/encoding.h"
#include "common/base/random.h"
#include "common/json/json.h"
#include "common/log/log.h"
#include "kube/http/answer.h"
#include "kube/http/rest_client.h"
#include "kube/object.h"
#include "kube/paths.h"

namespace slicelet::kube {
namespace {

constexpr int kPageSize = 500;
constexpr Duration kTokenRefresh = std::chrono::seconds(60);
/// How long a watch is asked to last: uniform in [kWatchSeconds, 2 * kWatchSeconds), as client-go does.
constexpr std::uint64_t kWatchSeconds = 300;

const char* ContentType(PatchType type) {
  switch (type) {
    case PatchType::kStrategicMerge:
      return "application/strategic-merge-patch+json";
    case PatchType::kMerge:
      return "application/merge-patch+json";
    case PatchType::kJson:
      return "application/json-patch+json";
  }
  return "application/json";
}

/// List items of built-in kinds come without kind and apiVersion.
void Label(const Resource& resource, Json& object) {
  if (!object.is_object()) return;
  auto& kind = object["kind"];
  if (!kind.is_string()) kind = resource.kind;
  auto& version = object["apiVersion"];
  if (!version.is_string()) version = ApiVersion(resource);
}

class HttpWatch : public Watch {
 public:
  HttpWatch(RestClient& client, const RestClient::Request& request, WatchHandler handler)
      : handler_(std::move(handler)) {
    stream_ = client.Open(request, {lifetime_.Guard([this](std::vector<Json>& objects) { Deliver(objects); }),
                                    lifetime_.Guard([this](const absl::Status& status) { End(status); })});
  }

 private:
  void Deliver(std::vector<Json>& objects) {
    // The receiver may destroy this watch at any event.
    bool alive = true;
    alive_ = &alive;
    for (Json& line : objects) {
      const std::string type = TextAt(line, {"type"});
      const auto object = line.find("object");
      if (object == line.end()) {
        End(absl::InternalError("a watch event without object"));
        return;
      }
      if (type == "ERROR") {
        End(StatusOfErrorEvent(*object));
        return;
      }
      WatchEvent event{WatchEventType::kModified, &*object};
      if (type == "ADDED")
        event.type = WatchEventType::kAdded;
      else if (type == "DELETED")
        event.type = WatchEventType::kDeleted;
      else if (type == "BOOKMARK")
        event.type = WatchEventType::kBookmark;
      else if (type != "MODIFIED")
        continue;
      handler_.on_event(event);
      if (!alive) return;
    }
    alive_ = nullptr;
  }

  void End(const absl::Status& status) {
    stream_.reset();
    alive_ = nullptr;
    const auto on_end = std::exchange(handler_.on_end, nullptr);
    if (on_end) on_end(status);
  }

 public:
  ~HttpWatch() override {
    if (alive_ != nullptr) *alive_ = false;
  }

 private:
  WatchHandler handler_;
  std::unique_ptr<RestClient::Stream> stream_;
  bool* alive_ = nullptr;
  Lifetime lifetime_;
};

class HttpKubeApi : public KubeApi {
 public:
  HttpKubeApi(KubeConfig config, Loop& loop, FileSystem& files)
      : config_(std::move(config)),
        loop_(loop),
        files_(files),
        client_(std::make_unique<RestClient>(config_, loop)) {
    if (config_.certificate != nullptr) certificate_version_ = config_.certificate->Get().version;
  }

  void Get(const ObjectRef& ref, Callback<Json> done) override {
    Call({"GET", ObjectPath(ref), "", "", ""}, std::move(done));
  }

  void List(const Resource& resource, const std::string& ns, const ListOptions& options,
            Callback<ObjectList> done) override {
    auto page = std::make_shared<Page>();
    page->resource = resource;
    page->path = CollectionPath(resource, ns);
    page->query = ListQuery(options);
    page->done = std::move(done);
    page->budget = std::make_shared<std::size_t>(config_.max_answer);
    NextPage(page, "");
  }

  std::unique_ptr<Watch> StartWatch(const Resource& resource, const std::string& ns,
                                    const ListOptions& options, WatchHandler handler) override {
    std::string query = ListQuery(options);
    query += (query.empty() ? "" : "&") + std::string("watch=true&allowWatchBookmarks=true&timeoutSeconds=") +
             std::to_string(kWatchSeconds + random_.Below(kWatchSeconds));
    RefreshCertificate();
    const RestClient::Request request{"GET", CollectionPath(resource, ns) + "?" + query, "", "", Token()};
    return std::make_unique<HttpWatch>(*client_, request, std::move(handler));
  }

  void Create(const ObjectRef& ref, const Json& object, Callback<Json> done) override {
    ObjectRef target = ref;
    Json body = object;
    if (ref.subresource.empty()) {
      if (!ref.name.empty()) body["metadata"]["name"] = ref.name;
      target.name.clear();
      if (target.ns.empty()) target.ns = NamespaceOf(object);
      Label(ref.resource, body);
    }
    Call({"POST", ObjectPath(target), "application/json", DumpJson(body), ""}, std::move(done));
  }

  void Update(const ObjectRef& ref, const Json& object, Callback<Json> done) override {
    Json body = object;
    if (ref.subresource.empty() || ref.subresource == "status") Label(ref.resource, body);
    Call({"PUT", ObjectPath(ref), "application/json", DumpJson(body), ""}, std::move(done));
  }

  void Patch(const ObjectRef& ref, PatchType type, const Json& patch, Callback<Json> done) override {
    Call({"PATCH", ObjectPath(ref), ContentType(type), DumpJson(patch), ""}, std::move(done));
  }

  void Delete(const ObjectRef& ref, const DeleteOptions& options, StatusCallback done) override {
    Json body = {{"kind", "DeleteOptions"}, {"apiVersion", "v1"}};
    if (!options.uid.empty()) body["preconditions"]["uid"] = options.uid;
    if (!options.resource_version.empty())
      body["preconditions"]["resourceVersion"] = options.resource_version;
    if (options.grace_seconds.has_value()) body["gracePeriodSeconds"] = *options.grace_seconds;
    Call({"DELETE", ObjectPath(ref), "application/json", DumpJson(body), ""},
         [done = std::move(done)](const absl::StatusOr<Json>& answer) { done(answer.status()); });
  }

 private:
  struct Page {
    Resource resource;
    std::string path;
    std::string query;
    ObjectList list;
    Callback<ObjectList> done;
    /// A server that always has one more page ends here.
    std::shared_ptr<std::size_t> budget;
  };
  struct Waiting {
    RestClient::Request request;
    Callback<Json> done;
  };

  void NextPage(const std::shared_ptr<Page>& page, const std::string& token) {
    std::string target = page->path + "?limit=" + std::to_string(kPageSize);
    if (!page->query.empty()) target += "&" + page->query;
    if (!token.empty()) target += "&continue=" + PercentEncode(token);
    Call({"GET", target, "", "", "", page->budget}, [this, page](absl::StatusOr<Json> answer) {
      if (!answer.ok()) return page->done(answer.status());
      page->list.resource_version = ResourceVersionOf(*answer);
      const auto items = answer->find("items");
      if (items != answer->end() && items->is_array()) {
        for (Json& item : *items) {
          Label(page->resource, item);
          page->list.items.push_back(std::move(item));
        }
      }
      const std::string next = TextAt(*answer, {"metadata", "continue"});
      if (!next.empty()) return NextPage(page, next);
      page->done(std::move(page->list));
    });
  }

  void Call(RestClient::Request request, Callback<Json> done) {
    if (running_ < kMaxParallelCalls) return Send(std::move(request), std::move(done));
    if (waiting_.size() >= kMaxWaitingCalls) {
      LogWarning("too many calls wait for the API server", {{"server", config_.server}});
      loop_.Post(lifetime_.Guard([done = std::move(done)] {
        done(absl::UnavailableError(std::to_string(kMaxWaitingCalls) +
                                    " calls wait for the API server already"));
      }));
      return;
    }
    waiting_.push_back({std::move(request), std::move(done)});
  }

  void Send(RestClient::Request request, Callback<Json> done) {
    RefreshCertificate();
    request.token = Token();
    ++running_;
    client_->Send(request, lifetime_.Guard([this, done = std::move(done)](absl::StatusOr<Json> answer) {
      --running_;
      if (!waiting_.empty() && running_ < kMaxParallelCalls) {
        Waiting next = std::move(waiting_.front());
        waiting_.pop_front();
        Send(std::move(next.request), std::move(next.done));
      }
      done(std::move(answer));
    }));
  }

  /// Connections made with a former certificate would be used beyond its end: a new client has none of them.
  /// The former one stays until its calls are answered.
  void RefreshCertificate() {
    if (config_.certificate == nullptr) return;
    const std::uint64_t version = config_.certificate->Get().version;
    if (version == certificate_version_) return;
    certificate_version_ = version;
    std::erase_if(retired_, [](const auto& client) { return client->idle(); });
    retired_.push_back(std::move(client_));
    client_ = std::make_unique<RestClient>(config_, loop_);
  }

  std::string Token() {
    if (config_.token_file.empty()) return config_.token;
    if (!token_read_ || loop_.Now() - token_read_at_ >= kTokenRefresh) {
      auto token = ReadToken(config_, files_);
      if (token.ok()) {
        config_.token = *std::move(token);
        token_read_ = true;
        token_read_at_ = loop_.Now();
      } else {
        LogWarning("cannot read the token", {{"error", Describe(token.status())}});
      }
    }
    return config_.token;
  }

  KubeConfig config_;
  Loop& loop_;
  FileSystem& files_;
  SystemRandom random_;
  std::unique_ptr<RestClient> client_;
  std::vector<std::unique_ptr<RestClient>> retired_;
  std::uint64_t certificate_version_ = 0;
  bool token_read_ = false;
  MonotonicTime token_read_at_{};
  int running_ = 0;
  std::deque<Waiting> waiting_;
  Lifetime lifetime_;
};

}  // namespace

std::unique_ptr<KubeApi> MakeHttpKubeApi(const KubeConfig& config, Loop& loop, FileSystem& files) {
  return std::make_unique<HttpKubeApi>(config, loop, files);
}

}  // namespace slicelet::kube
