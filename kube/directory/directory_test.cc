#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "common/base/testing/fake_clock.h"
#include "common/base/testing/fake_file_system.h"
#include "common/base/testing/temporary_directory.h"
#include "common/json/json.h"
#include "common/log/log.h"
#include "common/loop/testing/run_until.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/cluster/access.h"
#include "kube/directory/directory_kube_api.h"
#include "kube/directory/manifest_directory.h"
#include "kube/object.h"

namespace slicelet::kube {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;

class DirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    SetLogSink([this](LogLevel level, const std::string& line) {
      if (level == LogLevel::kWarning) warnings.push_back(line);
    });
    ASSERT_TRUE(files.MakeDirectories("/m", 0755).ok());
    Write(".slicelet-directory", "6ba7b810-9dad-11d1-80b4-00c04fd430c8\n");
  }
  void TearDown() override { SetLogSink({}); }

  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(files.WriteAtomically("/m/" + name, text, 0644).ok());
  }
  void WritePod(const std::string& image, const std::string& more = "") {
    Write("pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  nodeName: gw\n" + more +
                          "  containers: [{name: c, image: '" + image + "'}]\n");
  }
  void Erase(const std::string& name) { ASSERT_TRUE(files.RemoveAll("/m/" + name).ok()); }
  void Scan() {
    directory->Rescan();
    loop.RunReady();
  }
  void AddNode(const std::string& name) {
    ASSERT_TRUE(cluster.Create("shim", {kNodes, "", name, ""}, Json::object()).ok());
  }
  Json Pod(const std::string& name = "web") {
    const auto stored = cluster.Peek(kPods, "default", name);
    return stored == nullptr ? Json() : *stored;
  }
  void Begin() {
    directory = std::make_unique<ManifestDirectory>("/m", loop, files, cluster);
    ASSERT_TRUE(directory->Start().ok());
    loop.RunReady();
  }

  SimLoop loop;
  FakeClock clock{loop};
  SeededRandom random{1};
  FakeFileSystem files;
  MemoryCluster cluster{clock, random};
  std::unique_ptr<ManifestDirectory> directory;
  std::vector<std::string> warnings;
};

TEST_F(DirectoryTest, WithoutMarkerItDoesNotStart) {
  Erase(".slicelet-directory");
  directory = std::make_unique<ManifestDirectory>("/m", loop, files, cluster);
  const absl::Status status = directory->Start();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(Message(status), HasSubstr("slicectl hub init"));
}

TEST_F(DirectoryTest, FilesBecomeDefaultedObjects) {
  WritePod("example.org/a:1");
  Write("more.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: v}\n---\n"
        "apiVersion: slicelet.io/v1alpha1\nkind: EdgeHost\nmetadata: {name: h, namespace: hub}\nspec: "
        "{approved: true}\n");
  Begin();
  EXPECT_EQ(GetString(Pod(), "/spec/restartPolicy"), "Always");
  EXPECT_EQ(GetString(Pod(), "/spec/containers/0/imagePullPolicy"), "IfNotPresent");
  const auto secret = cluster.Peek(kSecrets, "default", "s");
  ASSERT_NE(secret, nullptr);
  EXPECT_EQ(GetString(*secret, "/data/k"), "dg==");
  EXPECT_NE(cluster.Peek(kEdgeHosts, "hub", "h"), nullptr);
}

TEST_F(DirectoryTest, TheSameFileIsTheSamePodAfterARestart) {
  WritePod("example.org/a:1");
  Begin();
  const std::string uid = UidOf(Pod());
  MemoryCluster other(clock, random);
  ManifestDirectory again("/m", loop, files, other);
  ASSERT_TRUE(again.Start().ok());
  EXPECT_EQ(UidOf(*other.Peek(kPods, "default", "web")), uid);
  EXPECT_EQ(UidOf(*other.Peek(kNamespaces, "", "kube-system")),
            UidOf(*cluster.Peek(kNamespaces, "", "kube-system")));
}

TEST_F(DirectoryTest, AnEditedImageChangesThePodInPlace) {
  WritePod("example.org/a:1");
  Begin();
  const std::string uid = UidOf(Pod());
  ASSERT_TRUE(cluster
                  .Patch("shim", {kPods, "default", "web", "status"}, PatchType::kStrategicMerge,
                         {{"status", {{"phase", "Running"}}}})
                  .ok());
  WritePod("example.org/a");
  Scan();
  EXPECT_EQ(UidOf(Pod()), uid);
  EXPECT_EQ(GetString(Pod(), "/spec/containers/0/image"), "example.org/a");
  EXPECT_EQ(GetInt(Pod(), "/metadata/generation"), 2);
  EXPECT_EQ(GetString(Pod(), "/status/phase"), "Running");
}

TEST_F(DirectoryTest, AnyOtherEditReplacesThePodGracefully) {
  WritePod("example.org/a:1");
  Begin();
  const std::string uid = UidOf(Pod());
  WritePod("example.org/a:1", "  hostNetwork: true\n");
  Scan();
  EXPECT_EQ(UidOf(Pod()), uid);
  EXPECT_TRUE(BeingDeleted(Pod()));
  ASSERT_TRUE(cluster.Delete("shim", {kPods, "default", "web", ""}, {uid, 0}).ok());
  loop.RunReady();
  EXPECT_NE(UidOf(Pod()), uid);
  EXPECT_TRUE(GetBool(Pod(), "/spec/hostNetwork"));
}

TEST_F(DirectoryTest, ARemovedFileIsAGracefulDeletionOnlyWithTheMarker) {
  WritePod("example.org/a:1");
  Begin();
  Erase("pod.yaml");
  Erase(".slicelet-directory");
  Scan();
  loop.Advance(seconds(120));
  EXPECT_FALSE(BeingDeleted(Pod()));
  EXPECT_THAT(warnings, Contains(HasSubstr("nothing is removed")));
  Write(".slicelet-directory", "another");
  Scan();
  EXPECT_FALSE(BeingDeleted(Pod()));
  Write(".slicelet-directory", "6ba7b810-9dad-11d1-80b4-00c04fd430c8\n");
  Scan();
  EXPECT_TRUE(BeingDeleted(Pod()));
}

TEST_F(DirectoryTest, AnUnlistableDirectoryRemovesNothing) {
  WritePod("example.org/a:1");
  Begin();
  Erase("");
  Scan();
  EXPECT_FALSE(BeingDeleted(Pod()));
}

TEST_F(DirectoryTest, ABrokenFileKeepsItsLastGoodContent) {
  WritePod("example.org/a:1");
  Begin();
  Write("pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: web\n");
  Scan();
  Scan();
  EXPECT_FALSE(BeingDeleted(Pod()));
  EXPECT_EQ(std::count_if(warnings.begin(), warnings.end(),
                          [](const std::string& w) { return w.find("last good") != std::string::npos; }),
            1);
  WritePod("example.org/a:2");
  Scan();
  EXPECT_EQ(GetString(Pod(), "/spec/containers/0/image"), "example.org/a:2");
}

TEST_F(DirectoryTest, WhatItCanNotServeIsNamed) {
  Write("a.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n");
  Write("b.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c}]}\n");
  WritePod("example.org/a:1");
  Write("z.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: other}]}\n");
  Begin();
  EXPECT_THAT(warnings, Contains(HasSubstr("Deployment")));
  EXPECT_THAT(warnings, Contains(HasSubstr("spec.containers[0].image")));
  EXPECT_THAT(warnings, Contains(HasSubstr("is in pod.yaml already")));
  EXPECT_EQ(GetString(Pod(), "/spec/containers/0/image"), "example.org/a:1");
}

TEST_F(DirectoryTest, APodWithoutNodeGoesToTheOnlyOne) {
  Write("p.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: a}]}\n");
  Begin();
  EXPECT_EQ(GetString(Pod("p"), "/spec/nodeName"), "");
  AddNode("gw");
  loop.Advance(seconds(1));
  EXPECT_EQ(GetString(Pod("p"), "/spec/nodeName"), "gw");
  EXPECT_TRUE(cluster.All(kEvents).empty());
  const std::string uid = UidOf(Pod("p"));
  loop.Advance(seconds(120));
  EXPECT_EQ(UidOf(Pod("p")), uid);
  EXPECT_FALSE(BeingDeleted(Pod("p")));
}

TEST_F(DirectoryTest, WithSeveralNodesAnEventAsksForAName) {
  Write("p.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: a}]}\n");
  Begin();
  AddNode("a");
  AddNode("b");
  loop.Advance(seconds(60));
  EXPECT_EQ(GetString(Pod("p"), "/spec/nodeName"), "");
  ASSERT_EQ(cluster.All(kEvents).size(), 1U);
  EXPECT_EQ(GetString(*cluster.All(kEvents)[0], "/reason"), "FailedScheduling");
}

TEST_F(DirectoryTest, AtRestNothingIsWritten) {
  WritePod("example.org/a:1", "  tolerations: [{key: a, operator: Exists}]\n");
  Write("s.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: v}\n");
  Begin();
  const auto version = cluster.version();
  loop.Advance(seconds(300));
  EXPECT_EQ(cluster.version(), version);
}

TEST_F(DirectoryTest, IncarnationsCountAndVersionsGrowOverThem) {
  EXPECT_EQ(*NextIncarnation(files, "/m/.slicelet-incarnation"), 1U);
  EXPECT_EQ(*NextIncarnation(files, "/m/.slicelet-incarnation"), 2U);
  Write(".slicelet-incarnation", "x");
  EXPECT_TRUE(absl::IsInvalidArgument(NextIncarnation(files, "/m/.slicelet-incarnation").status()));
  std::uint64_t last = 0;
  for (const std::uint64_t incarnation : {1, 2}) {
    const auto kube = MakeDirectoryKube({"/m", incarnation}, loop, clock, random, files);
    ASSERT_TRUE(kube->Start().ok());
    std::uint64_t version = 0;
    kube->api().List(kPods, "", {}, [&](const absl::StatusOr<ObjectList>& list) {
      version = VersionNumber(list->resource_version);
    });
    loop.RunReady();
    EXPECT_GT(version, last);
    last = version;
  }
}

TEST(DirectoryNotifier, TellsOfARealChange) {
  const TemporaryDirectory directory;
  AsioLoop loop;
  int changes = 0;
  auto notifier = WatchDirectory(loop, directory.path(), [&] { ++changes; });
  ASSERT_TRUE(notifier.ok()) << notifier.status();
  std::ofstream(directory.File("a.yaml")) << "x";
  ASSERT_TRUE(RunLoopUntil(loop, [&] { return changes > 0; }));
  EXPECT_EQ(changes, 1);
  EXPECT_FALSE(WatchDirectory(loop, directory.File("missing"), [] {}).ok());
}

}  // namespace
}  // namespace slicelet::kube
