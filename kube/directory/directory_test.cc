#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "common/base/testing/fake_clock.h"
#include "common/base/testing/fake_file_system.h"
#include "common/base/testing/temporary_directory.h"
#include "common/json/json.h"
#include "common/json/testing/mutations.h"
#include "common/log/log.h"
#include "common/loop/testing/run_until.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/cluster/access.h"
#include "kube/directory/directory_kube_api.h"
#include "kube/directory/manifest_directory.h"
#include "kube/object.h"
#include "kube/shape/shape.h"

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

/// Written first, and in the place of what is sound, with every member of every other type.
class WrongTypesTest : public DirectoryTest {
 protected:
  void TryAll(const Json& sound) {
    const Resource& kind = sound["kind"] == "Pod" ? kPods : kServices;
    int refused = 0;
    const std::vector<Mutation> mutations = MutationsOf(sound);
    // Each member with some of the values.
    for (std::size_t i = 0; i < mutations.size(); i += 3) {
      const Mutation& mutation = mutations[i];
      SCOPED_TRACE(mutation.what);
      const absl::Status fits = CheckShape(kind.kind, mutation.object);
      {
        Write("one.json", mutation.object.dump(1));
        MemoryCluster empty{clock, random};
        ManifestDirectory first("/m", loop, files, empty);
        ASSERT_TRUE(first.Start().ok());
        loop.RunReady();
        EXPECT_TRUE(fits.ok() || empty.All(kind).empty());
      }
      Write("one.json", sound.dump(1));
      MemoryCluster held{clock, random};
      ManifestDirectory second("/m", loop, files, held);
      ASSERT_TRUE(second.Start().ok());
      loop.RunReady();
      const auto before = held.Peek(kind, "default", "web");
      ASSERT_NE(before, nullptr);
      warnings.clear();
      Write("one.json", mutation.object.dump(1));
      second.Rescan();
      loop.RunReady();
      EXPECT_THAT(warnings, testing::Not(Contains(HasSubstr("something unexpected"))));
      if (fits.ok()) continue;
      // Without kind or name nobody knows what it is meant to be.
      ++refused;
      EXPECT_EQ(held.Peek(kind, "default", "web"), before);
      EXPECT_THAT(warnings, Contains(HasSubstr("one.json")));
      EXPECT_THAT(warnings, Contains(HasSubstr("its last good content stays in force")));
      const std::string field = Message(fits).substr(0, Message(fits).find(": "));
      EXPECT_THAT(warnings, Contains(HasSubstr(field)));
    }
    EXPECT_GT(refused, 3 * kMutationsEach);
  }
};

TEST_F(WrongTypesTest, OfAPod) { TryAll(FullPod()); }
TEST_F(WrongTypesTest, OfAService) { TryAll(FullService()); }

TEST_F(DirectoryTest, AMemberThatIsNullIsNotThere) {
  Write("pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web, annotations: null}\nspec:\n  nodeName: gw\n"
        "  tolerations: null\n  containers: [{name: c, image: 'i:1', ports: null}]\n");
  Begin();
  EXPECT_EQ(GetArray(Pod(), "/spec/tolerations").size(), 2U);
  EXPECT_EQ(FindJson(Pod(), "/metadata/annotations"), nullptr);
  EXPECT_EQ(FindJson(Pod(), "/spec/containers/0/ports"), nullptr);
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

TEST_F(DirectoryTest, AnEmptiedFileEndsNothing) {
  WritePod("i:1");
  Begin();
  const Json before = Pod();
  for (const char* text : {"", "# written in a moment\n", "---\n"}) {
    Write("pod.yaml", text);
    Scan();
    loop.Advance(seconds(60));
    EXPECT_EQ(Pod(), before) << text;
    EXPECT_THAT(warnings, Contains(HasSubstr("remove the file"))) << text;
  }
  Erase("pod.yaml");
  Scan();
  EXPECT_TRUE(BeingDeleted(Pod()));
}

TEST_F(DirectoryTest, WhatAHalfWrittenFileLacksIsNotRemoved) {
  const std::string one = "{apiVersion: v1, kind: ConfigMap, metadata: {name: one}}\n";
  const std::string two = "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: two}}\n";
  const auto there = [&](const char* name) { return cluster.Peek(kConfigMaps, "default", name) != nullptr; };
  Write("both.yaml", one + two);
  Begin();
  Write("both.yaml", one);
  Scan();
  EXPECT_TRUE(there("two"));
  Write("both.yaml", one + two);
  Scan();
  loop.Advance(seconds(60));
  EXPECT_TRUE(there("two"));
  Write("both.yaml", one);
  Scan();
  Scan();
  EXPECT_TRUE(there("two")) << "another file's event is no proof";
  loop.Advance(seconds(7));
  EXPECT_FALSE(there("two")) << "it stayed so";
  EXPECT_TRUE(there("one"));
}

TEST_F(DirectoryTest, EventsAreKeptForAnHour) {
  Begin();
  const ObjectRef ref{kEvents, "default", "pulled", ""};
  ASSERT_TRUE(cluster.Create("shim", ref, {{"lastTimestamp", FormatTime(clock.Now())}}).ok());
  loop.Advance(std::chrono::minutes(59));
  EXPECT_EQ(cluster.All(kEvents).size(), 1U);
  loop.Advance(std::chrono::minutes(2));
  EXPECT_TRUE(cluster.All(kEvents).empty());
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

TEST_F(DirectoryTest, WhatOthersWriteStaysUntilTheFileChanges) {
  WritePod("example.org/a:1");
  Begin();
  ASSERT_EQ(GetInt(Pod(), "/spec/tolerations/0/tolerationSeconds"), 300);
  Json lifted = GetArray(Pod(), "/spec/tolerations");
  for (Json& toleration : lifted) toleration.erase("tolerationSeconds");
  ASSERT_TRUE(
      cluster
          .Patch("shim", {kPods, "default", "web", ""}, PatchType::kMerge,
                 {{"metadata", {{"annotations", {{"by", "shim"}}}}}, {"spec", {{"tolerations", lifted}}}})
          .ok());
  const auto version = cluster.version();
  loop.Advance(seconds(60));
  EXPECT_EQ(cluster.version(), version) << "nobody fights for it";
  EXPECT_EQ(GetArray(Pod(), "/spec/tolerations"), lifted);
  WritePod("example.org/a:2");
  Scan();
  EXPECT_EQ(GetString(Pod(), "/spec/containers/0/image"), "example.org/a:2");
  EXPECT_EQ(GetInt(Pod(), "/spec/tolerations/0/tolerationSeconds"), 300);
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
