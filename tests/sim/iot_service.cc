#include "tests/sim/iot_service.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "common/json/json.h"

namespace slicelet::sim {

using std::chrono::milliseconds;

namespace {

/// As long as the product's own client waits.
constexpr Duration kTimeout = std::chrono::seconds(10);
constexpr int kErrorCodes[] = {500, 502, 503, 504};

absl::Status NoAnswer(const HttpClient::Request& request) {
  return absl::UnavailableError("no answer from " + request.url);
}

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

class IotService::Client : public HttpClient {
 public:
  Client(IotService& service, FatalCall& fatal, std::function<void()> struck)
      : service_(service), fatal_(fatal), struck_(std::move(struck)) {}

  void Send(const Request& request, Callback<Answer> done) override {
    if (dead_) return;
    if (fatal_.Strikes()) {
      dead_ = true;
      service_.story_.Tell("provider: dies of " + request.method + " " + request.url +
                           (fatal_.carried_out ? ", which is carried out" : ", which is never sent"));
      if (fatal_.carried_out) Travel(request, [](const absl::StatusOr<Answer>&) {});
      return struck_();
    }
    Travel(request, lifetime_.Guard(std::move(done)));
  }

 private:
  /// What was sent arrives, also when its sender is dead by then.
  void Travel(const Request& request, Callback<Answer> done) {
    service_.loop_.RunAfter(service_.Travel(), [&service = service_, request, done = std::move(done)] {
      service.Take(request, done);
    });
  }

  IotService& service_;
  FatalCall& fatal_;
  const std::function<void()> struck_;
  bool dead_ = false;
  Lifetime lifetime_;
};

IotService::IotService(Loop& loop, SeededRandom random, Story& story)
    : loop_(loop), random_(random), story_(story), server_(loop) {}

std::unique_ptr<HttpClient> IotService::MakeClient(FatalCall& fatal, std::function<void()> struck) {
  return std::make_unique<Client>(*this, fatal, std::move(struck));
}

void IotService::SetTrouble(Trouble trouble) {
  trouble_ = trouble;
  server_.SetAuthDown(trouble == Trouble::kAuthDown || trouble == Trouble::kAuthComesBack);
}

void IotService::RemoveOne(std::uint64_t pick) {
  auto& things = server_.things();
  auto& channels = server_.channels();
  if (things.empty() && channels.empty()) return;
  tampered_ = true;
  const std::size_t n = pick % (things.size() + channels.size());
  const bool thing = n < things.size();
  const std::string id =
      thing ? std::next(things.begin(), static_cast<std::ptrdiff_t>(n))->first
            : std::next(channels.begin(), static_cast<std::ptrdiff_t>(n - things.size()))->first;
  story_.Tell("iot server: somebody removes " + id);
  things.erase(id);
  channels.erase(id);
  std::erase_if(server_.connections(),
                [&](const auto& pair) { return pair.first == id || pair.second == id; });
}

Duration IotService::Travel() { return milliseconds(1 + random_.Below(20)); }

void IotService::Take(const HttpClient::Request& request, const Callback<Answer>& done) {
  const bool does = random_.Below(2) == 0;
  switch (trouble_) {
    case Trouble::kRefuses:
      return Reply(Travel(), NoAnswer(request), done);
    case Trouble::kHangs:
      if (does) Do(request, [](const absl::StatusOr<Answer>&) {});
      return Reply(kTimeout, NoAnswer(request), done);
    case Trouble::kErrors:
      if (random_.Below(3) == 0) break;
      if (does) Do(request, [](const absl::StatusOr<Answer>&) {});
      return Reply(Travel(), Answer{.status = kErrorCodes[random_.Below(4)]}, done);
    case Trouble::kAuthComesBack:
      if (EndsWith(request.url, "auth/version")) return Reply(Travel(), Answer{.status = 200}, done);
      break;
    case Trouble::kNone:
    case Trouble::kAuthDown:
      break;
  }
  if (lost_answers_ > 0) {
    --lost_answers_;
    Do(request, [](const absl::StatusOr<Answer>&) {});
    return Reply(kTimeout, NoAnswer(request), done);
  }
  Do(request, [this, done](const absl::StatusOr<Answer>& answer) { Reply(Travel(), answer, done); });
}

void IotService::Do(const HttpClient::Request& request, const Callback<Answer>& done) {
  CheckNotThere(request);
  if (const auto name = request.url.find("?name="); name != std::string::npos)
    looked_for_ = request.url.substr(name + 6, request.url.find('&') - name - 6);
  if (story_.told() && request.method != "GET" && !EndsWith(request.url, "/tokens"))
    story_.Tell("iot server: " + request.method + " " + request.url + " " +
                (EndsWith(request.url, "access-by-key") ? "" : request.body));
  server_.Send(request, done);
}

void IotService::Reply(Duration delay, absl::StatusOr<Answer> answer, const Callback<Answer>& done) {
  loop_.RunAfter(delay, [answer = std::move(answer), done] { done(answer); });
}

void IotService::CheckNotThere(const HttpClient::Request& request) {
  if (request.method != "POST") return;
  const bool thing = EndsWith(request.url, "/things");
  if ((!thing && !EndsWith(request.url, "/channels")) || server_.auth_down()) return;
  const std::string name = GetString(ParseJson(request.body).value_or(nlohmann::json()), "/name");
  bool there = false;
  for (const auto& [id, one] : server_.things()) there = there || (thing && one.name == name);
  for (const auto& [id, one] : server_.channels()) there = there || (!thing && one == name);
  if (there) story_.Violate("a second " + std::string(thing ? "thing" : "channel") + " is made for " + name);
}

}  // namespace slicelet::sim
