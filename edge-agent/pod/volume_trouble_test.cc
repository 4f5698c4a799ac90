// Volumes that can not be written or reached for a while, under pods that run.
#include <gtest/gtest.h>

#include "edge-agent/pod/testing/pod_host.h"

namespace slicelet::agent {
namespace {

using std::chrono::seconds;

constexpr char kSocket[] = "/run/plc/plc.sock";
constexpr char kKey[] = "/agent/volatile/u1/conf/key";

class VolumeTrouble : public ::testing::Test {
 protected:
  VolumeTrouble() {
    host_.Kill();
    host_.options.policy.host_path_prefixes = {"/run/plc"};
    host_.StartAgent();
    OpenSocket();
  }

  void OpenSocket() { host_.files.Put(kSocket, {.kind = FileSystem::Kind::kSocket}); }
  void CloseSocket() { ASSERT_TRUE(host_.files.RemoveAll(kSocket).ok()); }

  /// Pod "u1" with the socket of a daemon of the host, and with a ConfigMap.
  v1::Workload Pod(const std::string& content) {
    v1::Workload pod = host_.Pod("u1");
    v1::Volume& socket = *pod.add_volumes();
    socket.set_name("plc");
    socket.mutable_host_path()->set_path(kSocket);
    socket.mutable_host_path()->set_type("Socket");
    v1::Volume& conf = *pod.add_volumes();
    conf.set_name("conf");
    conf.mutable_projection()->add_sources()->mutable_content()->set_content_id("configmap/conf");
    host_.SetContent("configmap/conf", {{"key", content}});
    return pod;
  }
  void RunOld() {
    host_.Apply({Pod("old")});
    ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
    ASSERT_EQ(Key(), "old");
  }
  std::string Key() { return host_.files.Read(kKey, 100).value_or(""); }

  PodHost host_;
};

TEST_F(VolumeTrouble, AConfigMapIsWrittenOnceItCanBe) {
  RunOld();
  CloseSocket();
  host_.Apply({Pod("new")});
  host_.loop.Advance(seconds(20));
  EXPECT_EQ(Key(), "old");
  EXPECT_TRUE(host_.IsReady("u1")) << "what runs goes on";
  OpenSocket();
  EXPECT_TRUE(host_.RunUntil([&] { return Key() == "new"; }, seconds(40)));
  EXPECT_TRUE(host_.IsReady("u1"));
  EXPECT_EQ(host_.runtime_host.starts().size(), 1U);
}

TEST_F(VolumeTrouble, WhatArrivesForOthersBringsNothingOfARemovedPodBack) {
  RunOld();
  host_.Stop("u1", 30);
  ASSERT_TRUE(host_.RunUntil([&] { return host_.Status("u1").gone(); }));
  EXPECT_FALSE(host_.files.Stat("/agent/volatile/u1").ok());
  host_.Apply({Pod("old"), host_.Pod("u2")}, {"u1"});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u2"); }));
  EXPECT_TRUE(host_.Status("u1").gone());
  EXPECT_FALSE(host_.files.Stat("/agent/volatile/u1").ok());
}

TEST_F(VolumeTrouble, ATokenIsWrittenOnceThereIsRoom) {
  v1::Workload pod = host_.Pod("u1");
  v1::Volume& volume = *pod.add_volumes();
  volume.set_name("conf");
  v1::Projection::Token& token = *volume.mutable_projection()->add_sources()->mutable_token();
  token.set_credential("token");
  token.set_path("key");
  const auto arrives = [&](const std::string& text) {
    v1::StoredCredential credential;
    credential.set_uid("u1");
    credential.set_name("token");
    credential.mutable_sealed()->set_ciphertext(text);
    host_.agent->OnCredentialStored(credential);
  };
  host_.Apply({pod});
  arrives("old");
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  host_.files.set_disk_full_below("/agent/volatile");
  arrives("new");
  host_.loop.Advance(seconds(5));
  EXPECT_EQ(Key(), "old");
  host_.files.set_disk_full(false);
  EXPECT_TRUE(host_.RunUntil([&] { return Key() == "new"; }, seconds(10)));
  EXPECT_EQ(host_.runtime_host.starts().size(), 1U);
}

TEST_F(VolumeTrouble, TheOldImageServesUntilTheNewOneCanHaveItsVolumes) {
  RunOld();
  CloseSocket();
  v1::Workload pod = Pod("new");
  pod.mutable_containers(0)->set_image("app:2");
  host_.Apply({pod});
  host_.loop.Advance(seconds(20));
  EXPECT_TRUE(host_.IsReady("u1"));
  EXPECT_EQ(host_.runtime_host.starts().size(), 1U);
  OpenSocket();
  ASSERT_TRUE(host_.RunUntil(
      [&] { return host_.runtime_host.StartCount("u1", "main") == 2 && host_.IsReady("u1"); }));
  EXPECT_EQ(host_.Status("u1").containers(0).image(), "app:2");
  EXPECT_EQ(Key(), "new");
}

TEST_F(VolumeTrouble, ADiskThatDiesEndsNoPodThatRuns) {
  RunOld();
  host_.files.set_stat_error("/run/plc", absl::InternalError("Input/output error"));
  host_.Apply({Pod("new")});
  host_.loop.Advance(seconds(20));
  EXPECT_TRUE(host_.IsReady("u1"));
  host_.Kill();
  host_.StartAgent();
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  EXPECT_FALSE(host_.Status("u1").has_refused());
  host_.runtime_host.Kill(host_.runtime_host.Running("u1").at("main"), 7);
  host_.loop.Advance(seconds(60));
  EXPECT_EQ(host_.runtime_host.starts().size(), 1U) << "nothing is mounted that nobody can judge";
  EXPECT_EQ(host_.Status("u1").phase(), v1::PHASE_RUNNING);
  host_.files.set_stat_error("", absl::OkStatus());
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }, seconds(130)));
  EXPECT_EQ(Key(), "new");
}

TEST_F(VolumeTrouble, WhatEndsMeanwhileStartsWithTheNewContent) {
  RunOld();
  CloseSocket();
  host_.Apply({Pod("new")});
  host_.runtime_host.Kill(host_.runtime_host.Running("u1").at("main"), 7);
  host_.loop.Advance(seconds(20));
  EXPECT_EQ(host_.runtime_host.starts().size(), 1U);
  OpenSocket();
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  EXPECT_EQ(Key(), "new");
  EXPECT_EQ(host_.runtime_host.starts().size(), 2U);
}

}  // namespace
}  // namespace slicelet::agent
