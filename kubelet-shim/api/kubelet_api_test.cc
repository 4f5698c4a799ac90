#include "kubelet-shim/api/kubelet_api.h"

#include <gmock/gmock.h>

#include <deque>
#include <nlohmann/json.hpp>

#include "common/loop/testing/sim_loop.h"
#include "kubelet-shim/api/stream_session.h"

namespace slicelet::shim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

/// What a test's client did and saw.
struct Wire {
  HttpRequest request;
  int status = 0;
  std::string content_type;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  bool ended = false;
  bool hijacked = false;
  bool raw_closed = false;
  std::function<void()> gone;
  /// What the client sends after the head; "" is its end.
  std::deque<std::string> input;
  Callback<std::string> reader;
  std::string output;
};

class FakeRawStream : public RawStream {
 public:
  FakeRawStream(Loop& loop, std::shared_ptr<Wire> wire) : loop_(loop), wire_(std::move(wire)) {}
  ~FakeRawStream() override { wire_->raw_closed = true; }
  void Read(Callback<std::string> done) override {
    wire_->reader = std::move(done);
    Deliver(loop_, wire_);
  }
  void Write(std::string data, StatusCallback done) override {
    wire_->output += data;
    loop_.Post([done = std::move(done)] { done(absl::OkStatus()); });
  }
  void Close() override { wire_->raw_closed = true; }

  static void Deliver(Loop& loop, const std::shared_ptr<Wire>& wire) {
    if (!wire->reader || wire->input.empty()) return;
    auto data = std::move(wire->input.front());
    wire->input.pop_front();
    loop.Post([reader = std::exchange(wire->reader, nullptr), data] { reader(data); });
  }

 private:
  Loop& loop_;
  std::shared_ptr<Wire> wire_;
};

class FakeExchange : public HttpExchange {
 public:
  FakeExchange(Loop& loop, std::shared_ptr<Wire> wire) : loop_(loop), wire_(std::move(wire)) {}
  [[nodiscard]] const HttpRequest& request() const override { return wire_->request; }
  void Respond(HttpResponse response) override {
    EXPECT_EQ(wire_->status, 0) << "answered twice";
    wire_->status = response.status;
    wire_->content_type = response.content_type;
    wire_->body = response.body;
    wire_->headers = response.headers;
    wire_->ended = true;
  }
  void StartStream(int status, const std::string& content_type) override {
    wire_->status = status;
    wire_->content_type = content_type;
  }
  void Write(std::string data, StatusCallback written) override {
    wire_->body += data;
    loop_.Post([written = std::move(written)] { written(absl::OkStatus()); });
  }
  void EndStream() override { wire_->ended = true; }
  std::unique_ptr<RawStream> Hijack() override {
    wire_->hijacked = true;
    return std::make_unique<FakeRawStream>(loop_, wire_);
  }
  void OnGone(std::function<void()> gone) override { wire_->gone = std::move(gone); }

 private:
  Loop& loop_;
  std::shared_ptr<Wire> wire_;
};

/// One node "edge-1" with pod default/web (uid u-1) and container main.
class FakeNodePods : public NodePods {
 public:
  [[nodiscard]] std::vector<std::string> Nodes() const override { return {"edge-0", "edge-1"}; }
  [[nodiscard]] std::vector<kube::Json> Pods(const std::string& node) const override {
    return {{{"metadata", {{"name", "web"}, {"node", node}}}}};
  }
  [[nodiscard]] std::vector<kube::Json> RunningPods(const std::string&) const override { return {}; }
  [[nodiscard]] absl::StatusOr<std::string> FindContainer(const std::string& node, const std::string& ns,
                                                          const std::string& pod, const std::string& uid,
                                                          const std::string& container) const override {
    if (node != "edge-1" || ns != "default" || pod != "web" || (!uid.empty() && uid != "u-1")) {
      return absl::NotFoundError("pod does not exist");
    }
    if (!container.empty() && container != "main")
      return absl::NotFoundError("container " + container + " not found");
    return "u-1";
  }
};

class KubeletApiTest : public testing::Test {
 protected:
  std::shared_ptr<Wire> Request(const std::string& method, const std::string& target, bool upgrade = false) {
    auto wire = std::make_shared<Wire>();
    wire->request.listener = "edge-1";
    wire->request.method = method;
    wire->request.target = ParseTarget(target).value();
    wire->request.peer = {
        .verified = true, .common_name = "kube-apiserver-kubelet-client", .organizations = {}};
    wire->request.upgrade = upgrade;
    if (upgrade) {
      wire->request.headers = {{"connection", "Upgrade"},
                               {"upgrade", "SPDY/3.1"},
                               {"x-stream-protocol-version", "v4.channel.k8s.io"},
                               {"authorization", "Bearer secret"}};
    }
    return wire;
  }
  void Send(const std::shared_ptr<Wire>& wire) {
    api_.Handle(std::make_shared<FakeExchange>(loop_, wire));
    loop_.RunReady();
  }
  std::shared_ptr<Wire> Do(const std::string& method, const std::string& target, bool upgrade = false) {
    auto wire = Request(method, target, upgrade);
    Send(wire);
    return wire;
  }

  /// The provider's side: reads the next frame.
  std::string Next() {
    std::string seen = "nothing";
    provider_->Read([&seen](const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
      if (!frame.ok()) {
        seen = Describe(frame.status());
      } else {
        seen = frame->has_value() ? (*frame)->ShortDebugString() : "end";
      }
    });
    loop_.RunReady();
    return seen;
  }
  void Reply(absl::StatusCode code, const std::string& message = "") {
    v1::StreamFrame frame;
    frame.mutable_reply()->set_code(static_cast<int>(code));
    frame.mutable_reply()->set_message(message);
    provider_->Write(std::move(frame), [](const absl::Status&) {});
    loop_.RunReady();
  }
  void SendData(const std::string& data) {
    v1::StreamFrame frame;
    frame.set_data(data);
    provider_->Write(std::move(frame), [](const absl::Status&) {});
    loop_.RunReady();
  }

  SimLoop loop_;
  FakeNodePods pods_;
  std::unique_ptr<FrameStream> provider_;
  KubeletApi api_{{.users = {"kube-apiserver-kubelet-client"}, .groups = {"system:masters"}},
                  {.loop = loop_, .pods = pods_, .open_stream = [this] {
                     auto [shim, provider] = MakeLocalFrameStreams(loop_);
                     provider_ = std::move(provider);
                     return std::move(shim);
                   }}};
};

TEST_F(KubeletApiTest, OnlyListedUsersAndGroupsGetIn) {
  auto nobody = Request("GET", "/healthz");
  nobody->request.peer = {};
  Send(nobody);
  EXPECT_EQ(nobody->status, 401);
  EXPECT_EQ(nobody->body, "Unauthorized");

  auto host = Request("POST", "/exec/default/web/main");
  host->request.peer = {.verified = true, .common_name = "gw-1", .organizations = {"slicelet:hosts"}};
  Send(host);
  EXPECT_EQ(host->status, 403);
  EXPECT_EQ(host->body, "Forbidden (user=gw-1, verb=create, resource=nodes, subresource(s)=[proxy])");

  auto admin = Request("GET", "/healthz");
  admin->request.peer = {.verified = true, .common_name = "admin", .organizations = {"system:masters"}};
  Send(admin);
  EXPECT_EQ(admin->status, 200);
  EXPECT_EQ(admin->body, "ok");
}

TEST_F(KubeletApiTest, AnswersUnknownPathsAndMethodsAsTheKubeletDoes) {
  for (const char* path : {"/", "/podsX", "/pods/", "/metrics", "/healthz/", "/containerLogs/default/web",
                           "/containerLogs/default/web/main/more", "/containerLogs%2Fdefault/web/main",
                           "/api/v1/nodes", "/exec/default/web"}) {
    EXPECT_EQ(Do("GET", path)->status, 404) << path;
  }
  const auto post = Do("POST", "/containerLogs/default/web/main");
  EXPECT_EQ(post->status, 405);
  EXPECT_THAT(post->headers, ElementsAre(Pair("Allow", "GET")));
  EXPECT_EQ(Do("DELETE", "/exec/default/web/main")->status, 405);
}

TEST_F(KubeletApiTest, ListsPods) {
  const auto pods = Do("GET", "/pods");
  EXPECT_EQ(pods->status, 200);
  EXPECT_EQ(pods->content_type, "application/json");
  const auto list = nlohmann::json::parse(pods->body);
  EXPECT_EQ(list.at("kind"), "PodList");
  EXPECT_EQ(list.at("items").at(0).at("metadata").at("node"), "edge-1");
  EXPECT_EQ(nlohmann::json::parse(Do("GET", "/runningpods/")->body).at("items"), nlohmann::json::array());
}

TEST_F(KubeletApiTest, StreamsLogsUntilTheHostEnds) {
  const auto wire = Do("GET", "/containerLogs/default/web/main?follow=true&tailLines=0");
  EXPECT_EQ(Next(),
            "head { node: \"edge-1\" namespace: \"default\" pod: \"web\" uid: \"u-1\" container: \"main\" "
            "logs { follow: true tail_lines: 0 } }");
  EXPECT_EQ(wire->status, 0);
  Reply(absl::StatusCode::kOk);
  EXPECT_EQ(wire->status, 200);
  EXPECT_EQ(wire->content_type, "text/plain");
  SendData("one\n");
  EXPECT_EQ(wire->body, "one\n");
  EXPECT_FALSE(wire->ended);
  SendData("two\n");
  provider_->Finish(absl::OkStatus());
  loop_.RunReady();
  EXPECT_EQ(wire->body, "one\ntwo\n");
  EXPECT_TRUE(wire->ended);
  EXPECT_EQ(api_.streams(), 0U);
}

TEST_F(KubeletApiTest, AListenerWithoutANodeFindsThePodOnAny) {
  auto wire = Request("GET", "/containerLogs/default/web/main");
  wire->request.listener = "";
  Send(wire);
  EXPECT_THAT(Next(), HasSubstr("node: \"edge-1\""));
  auto pods = Request("GET", "/pods");
  pods->request.listener = "";
  Send(pods);
  EXPECT_EQ(nlohmann::json::parse(pods->body).at("items").size(), 2U);
}

TEST_F(KubeletApiTest, LogsThatBreakOffDoNotLookComplete) {
  const auto wire = Do("GET", "/containerLogs/default/web/main");
  Next();
  Reply(absl::StatusCode::kOk);
  provider_.reset();
  loop_.RunReady();
  EXPECT_FALSE(wire->ended);
  EXPECT_EQ(api_.streams(), 0U);
}

TEST_F(KubeletApiTest, AClientThatGoesEndsTheStream) {
  const auto wire = Do("GET", "/containerLogs/default/web/main?follow=true");
  Next();
  Reply(absl::StatusCode::kOk);
  wire->gone();
  EXPECT_EQ(Next(), "CANCELLED: the client closed the connection");
  EXPECT_EQ(api_.streams(), 0U);
}

TEST_F(KubeletApiTest, AHostThatDoesNotAnswerIsATimeout) {
  const auto wire = Do("GET", "/containerLogs/default/web/main");
  loop_.Advance(StreamSession::kReplyTimeout);
  EXPECT_EQ(wire->status, 504);
  EXPECT_EQ(api_.streams(), 0U);
}

TEST_F(KubeletApiTest, RefusesBadLogRequestsBeforeAskingAnyone) {
  EXPECT_EQ(Do("GET", "/containerLogs/default/web/main?tailLines=x")->status, 400);
  EXPECT_EQ(Do("GET", "/containerLogs/default/web/main?tailLines=-1")->status, 422);
  EXPECT_EQ(Do("GET", "/containerLogs/default/other/main")->status, 404);
  const auto wire = Do("GET", "/containerLogs/default/web/sidecar");
  EXPECT_EQ(wire->status, 404);
  EXPECT_EQ(wire->body, "container sidecar not found\n");
  EXPECT_EQ(provider_, nullptr);
}

struct Refusal {
  std::string path;
  absl::StatusCode code;
  int status;
};
class RefusalTest : public KubeletApiTest, public testing::WithParamInterface<Refusal> {};

TEST_P(RefusalTest, HasTheKubeletsStatus) {
  const bool upgrade = GetParam().path.rfind("/containerLogs", 0) != 0;
  const auto wire = Do("GET", GetParam().path, upgrade);
  Next();
  Reply(GetParam().code, "no");
  EXPECT_EQ(wire->status, GetParam().status);
  EXPECT_EQ(wire->body, "no\n");
  EXPECT_EQ(api_.streams(), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Table, RefusalTest,
    testing::Values(Refusal{"/containerLogs/default/web/main", absl::StatusCode::kNotFound, 404},
                    Refusal{"/containerLogs/default/web/main", absl::StatusCode::kFailedPrecondition, 400},
                    Refusal{"/containerLogs/default/web/main", absl::StatusCode::kInternal, 400},
                    Refusal{"/containerLogs/default/web/main", absl::StatusCode::kUnavailable, 503},
                    Refusal{"/exec/default/web/main?output=1", absl::StatusCode::kNotFound, 404},
                    Refusal{"/exec/default/web/main?output=1", absl::StatusCode::kResourceExhausted, 429},
                    Refusal{"/exec/default/web/main?output=1", absl::StatusCode::kInternal, 500},
                    Refusal{"/attach/default/web/main?output=1", absl::StatusCode::kUnimplemented, 501},
                    Refusal{"/portForward/default/web", absl::StatusCode::kUnimplemented, 501}));

TEST_F(KubeletApiTest, TunnelsExecAsRawBytes) {
  const auto wire =
      Do("POST",
         "/exec/default/web/u-1/main?command=sh&command=-c&command=echo+hi&input=1&output=1&error=1&tty=1",
         true);
  EXPECT_EQ(
      Next(),
      "head { node: \"edge-1\" namespace: \"default\" pod: \"web\" uid: \"u-1\" container: \"main\" exec { "
      "method: \"POST\" headers { name: \"connection\" value: \"Upgrade\" } headers { name: \"upgrade\" "
      "value: "
      "\"SPDY/3.1\" } headers { name: \"x-stream-protocol-version\" value: \"v4.channel.k8s.io\" } command: "
      "\"sh\" command: \"-c\" command: \"echo hi\" stdin: true stdout: true tty: true } }");
  EXPECT_FALSE(wire->hijacked);
  Reply(absl::StatusCode::kOk);
  EXPECT_TRUE(wire->hijacked);
  EXPECT_EQ(wire->status, 0);
  SendData("HTTP/1.1 101 Switching Protocols\r\n\r\n");
  EXPECT_EQ(wire->output, "HTTP/1.1 101 Switching Protocols\r\n\r\n");
  wire->input.push_back("ls\n");
  FakeRawStream::Deliver(loop_, wire);
  EXPECT_EQ(Next(), "data: \"ls\\n\"");
  provider_->Finish(absl::OkStatus());
  loop_.RunReady();
  EXPECT_TRUE(wire->raw_closed);
  EXPECT_EQ(api_.streams(), 0U);
}

TEST_F(KubeletApiTest, AClientThatEndsHalfClosesAndThenCutsASilentHost) {
  const auto wire = Do("POST", "/exec/default/web/main?output=1&command=cat", true);
  Next();
  Reply(absl::StatusCode::kOk);
  wire->input.push_back("");
  FakeRawStream::Deliver(loop_, wire);
  EXPECT_EQ(Next(), "half_close { }");
  SendData("the rest");
  EXPECT_EQ(wire->output, "the rest");
  EXPECT_EQ(api_.streams(), 1U);
  loop_.Advance(UpgradeSession::kHalfClosedSilence);
  EXPECT_EQ(api_.streams(), 0U);
  EXPECT_EQ(Next(), "CANCELLED: the client closed the connection");
}

TEST_F(KubeletApiTest, RefusesExecThatCannotWork) {
  const auto wire = Do("POST", "/exec/default/web/main?command=ls", true);
  EXPECT_EQ(wire->status, 400);
  EXPECT_EQ(wire->body, "you must specify at least 1 of stdin, stdout, stderr\n");
  // A terminal has no error stream.
  EXPECT_EQ(Do("POST", "/exec/default/web/main?command=ls&tty=1&error=1", true)->status, 400);
  EXPECT_THAT(Do("POST", "/exec/default/web/main?command=ls&output=1")->body,
              HasSubstr("missing upgrade headers"));
  EXPECT_EQ(Do("POST", "/exec/default/web/u-2/main?command=ls&output=1", true)->status, 404);
  EXPECT_EQ(Do("POST", "/portForward/default/web?port=http", true)->status, 400);
  EXPECT_EQ(provider_, nullptr);
}

}  // namespace
}  // namespace slicelet::shim
