#include "kubelet-shim/api/kubelet_api.h"

#include <gmock/gmock.h>

#include "kubelet-shim/api/testing/kubelet_api_test_base.h"

namespace slicelet::shim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

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

TEST_F(KubeletApiTest, AClientThatGoesWhileTheHostTakesNothingEndsTheStream) {
  window_ = 1;
  for (const bool breaks : {false, true}) {
    const auto wire = Do("POST", "/exec/default/web/main?input=1&command=cat", true);
    Next();
    Reply(absl::StatusCode::kOk);
    Say(wire, "taken");
    Say(wire, "not taken");
    EXPECT_EQ(api_.streams(), 1U);
    if (breaks) {
      Say(wire, absl::UnavailableError("reset"));
    } else {
      Say(wire, "");
      EXPECT_EQ(api_.streams(), 1U);
      loop_.Advance(UpgradeSession::kHalfClosedSilence);
    }
    EXPECT_EQ(api_.streams(), 0U);
  }
}

TEST_F(KubeletApiTest, AHostThatTakesInputLateGetsAllOfItAndItsEnd) {
  window_ = 1;
  const auto wire = Do("POST", "/exec/default/web/main?input=1&command=cat", true);
  Next();
  Reply(absl::StatusCode::kOk);
  for (const char* input : {"1", "2", "3", "4"}) wire->input.emplace_back(input);
  Say(wire, "");
  // One is taken, one is being written and one is held.
  EXPECT_EQ(wire->input.size(), 2U);
  for (const char* input : {"1", "2", "3", "4"}) {
    loop_.Advance(UpgradeSession::kHalfClosedSilence - std::chrono::seconds(1));
    EXPECT_EQ(Next(), std::string("data: \"") + input + "\"");
  }
  EXPECT_EQ(Next(), "half_close { }");
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
