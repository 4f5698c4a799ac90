#include <gtest/gtest.h>

#include "common/base/testing/fake_file_system.h"
#include "edge-agent/volumes/atomic_files.h"
#include "edge-agent/volumes/pod_volumes.h"
#include "edge-agent/volumes/safe_path.h"

namespace slicelet::agent {
namespace {

TEST(WriteProjection, SwapsAllFilesAtOnceAndRemovesStaleOnes) {
  FakeFileSystem files;
  ASSERT_TRUE(WriteProjection(files, "/v", {{"a", {"1", 0644}}, {"d/b", {"2", 0400}}}, {}).ok());
  EXPECT_EQ(files.Read("/v/a", 10).value(), "1");
  EXPECT_EQ(files.Read("/v/d/b", 10).value(), "2");
  const std::string first = files.ReadSymlink("/v/..data").value();
  ASSERT_TRUE(WriteProjection(files, "/v", {{"a", {"3", 0644}}}, {}).ok());
  EXPECT_EQ(files.Read("/v/a", 10).value(), "3");
  EXPECT_FALSE(files.Stat("/v/d").ok());
  EXPECT_FALSE(files.Stat("/v/" + first).ok());
  EXPECT_EQ(files.Find("/v/a")->kind, FileSystem::Kind::kSymlink);
}

TEST(WriteProjection, SameContentWritesNothing) {
  FakeFileSystem files;
  ASSERT_TRUE(WriteProjection(files, "/v", {{"a", {"1", 0644}}}, 1000).ok());
  const int writes = files.writes();
  ASSERT_TRUE(WriteProjection(files, "/v", {{"a", {"1", 0644}}}, 1000).ok());
  EXPECT_EQ(files.writes(), writes);
}

TEST(WriteProjection, WhatIsNoFileIsReplacedWithoutBeingRead) {
  FakeFileSystem files;
  const std::map<std::string, ProjectedFile> wanted = {{"key", {"value", 0644}}};
  ASSERT_TRUE(WriteProjection(files, "/v", wanted, std::nullopt).ok());
  ASSERT_TRUE(files.RemoveAll("/v/..1/key").ok());
  files.Put("/v/..1/key", {.kind = FileSystem::Kind::kOther, .mode = 0644, .data = "value"});
  ASSERT_TRUE(WriteProjection(files, "/v", wanted, std::nullopt).ok());
  EXPECT_EQ(files.Stat("/v/..2/key")->kind, FileSystem::Kind::kFile);
}

TEST(WriteProjection, GroupMayReadWhatItOwns) {
  FakeFileSystem files;
  ASSERT_TRUE(WriteProjection(files, "/v", {{"a", {"1", 0400}}}, 1000).ok());
  const auto* node = files.Find("/v/" + files.ReadSymlink("/v/..data").value() + "/a");
  EXPECT_EQ(node->mode, 0440U);
  EXPECT_EQ(node->group, 1000);
}

TEST(WriteProjection, RefusesPathsThatLeadOut) {
  FakeFileSystem files;
  for (const char* path : {"/abs", "../up", "a/../../up", "..hidden", ""}) {
    EXPECT_TRUE(absl::IsInvalidArgument(WriteProjection(files, "/v", {{path, {"1", 0644}}}, {}))) << path;
  }
}

TEST(ResolveBelow, FollowsLinksButNotOutOfTheRoot) {
  FakeFileSystem files;
  files.Put("/root/dir/file", {});
  files.Put("/root/inside", {.kind = FileSystem::Kind::kSymlink, .data = "dir"});
  files.Put("/root/outside", {.kind = FileSystem::Kind::kSymlink, .data = "/etc"});
  files.Put("/root/up", {.kind = FileSystem::Kind::kSymlink, .data = "dir/../../etc"});
  files.Put("/root/loop", {.kind = FileSystem::Kind::kSymlink, .data = "loop"});
  EXPECT_EQ(ResolveBelow(files, "/root", "inside/file").value(), "/root/dir/file");
  EXPECT_TRUE(absl::IsPermissionDenied(ResolveBelow(files, "/root", "outside/passwd").status()));
  EXPECT_TRUE(absl::IsPermissionDenied(ResolveBelow(files, "/root", "up").status()));
  EXPECT_FALSE(ResolveBelow(files, "/root", "../etc").ok());
  EXPECT_FALSE(ResolveBelow(files, "/root", "loop").ok());
}

class PodVolumesTest : public ::testing::Test {
 protected:
  PodVolumesTest() : volumes_(files_, "/agent", PodUid("u")) {
    EXPECT_TRUE(PodVolumes::MountRoots(files_, "/agent").ok());
    sources_.content = [this](const std::string& id) -> absl::StatusOr<v1::FileSet> {
      if (id != "secret/s") return absl::NotFoundError(id + " not found");
      return secret_;
    };
    sources_.token = [](const std::string& name) -> absl::StatusOr<std::string> {
      return absl::NotFoundError("token " + name + " has not arrived yet");
    };
    auto& file = *secret_.add_files();
    file.set_key("password");
    file.set_data("s3cret");
    pod_.set_uid("u");
  }

  FakeFileSystem files_;
  PodVolumes volumes_;
  PodVolumes::Sources sources_;
  v1::FileSet secret_;
  v1::Workload pod_;
};

TEST_F(PodVolumesTest, SecretsLieOnTmpfsOnly) {
  auto& volume = *pod_.add_volumes();
  volume.set_name("s");
  volume.mutable_projection()->set_default_mode(0400);
  volume.mutable_projection()->add_sources()->mutable_content()->set_content_id("secret/s");
  ASSERT_TRUE(volumes_.Prepare(pod_, sources_).ok());
  EXPECT_EQ(files_.Read("/agent/volatile/u/s/password", 100).value(), "s3cret");
  EXPECT_TRUE(files_.Find("/agent/volatile")->mounted);
  EXPECT_EQ(files_.Find("/agent/volatile")->mode, 0700U);
  ASSERT_TRUE(volumes_.Remove().ok());
  EXPECT_FALSE(files_.Stat("/agent/volatile/u").ok());
}

TEST_F(PodVolumesTest, WithoutTmpfsNoSecretIsWritten) {
  auto& volume = *pod_.add_volumes();
  volume.set_name("s");
  volume.mutable_projection()->add_sources()->mutable_content()->set_content_id("secret/s");
  ASSERT_TRUE(files_.Unmount("/agent/volatile").ok());
  files_.set_mount_error(absl::PermissionDeniedError("cannot mount tmpfs at /agent/volatile"));
  for (const absl::Status& status : {volumes_.Prepare(pod_, sources_), volumes_.Refresh(pod_, sources_)}) {
    EXPECT_EQ(Message(status),
              "MountVolume.SetUp failed for volume \"s\": its content must not be written to a disk: cannot "
              "mount tmpfs at /agent/volatile");
  }
  EXPECT_FALSE(files_.Stat("/agent/volatile/u/s").ok());

  // Pods without any are not concerned.
  v1::Workload other;
  other.set_uid("u");
  EXPECT_TRUE(volumes_.Prepare(other, sources_).ok());
  // It heals by itself.
  files_.set_mount_error(absl::OkStatus());
  EXPECT_TRUE(volumes_.Prepare(pod_, sources_).ok());
  EXPECT_TRUE(files_.Find("/agent/volatile")->mounted);
  EXPECT_EQ(files_.Read("/agent/volatile/u/s/password", 100).value(), "s3cret");
}

TEST_F(PodVolumesTest, MissingContentFailsUnlessOptional) {
  auto& volume = *pod_.add_volumes();
  volume.set_name("c");
  auto& content = *volume.mutable_projection()->add_sources()->mutable_content();
  content.set_content_id("configmap/none");
  EXPECT_FALSE(volumes_.Prepare(pod_, sources_).ok());
  content.set_optional(true);
  EXPECT_TRUE(volumes_.Prepare(pod_, sources_).ok());
}

TEST_F(PodVolumesTest, HostPathsFollowTypeAndPrefixEvenThroughLinks) {
  auto& volume = *pod_.add_volumes();
  volume.set_name("h");
  auto& host_path = *volume.mutable_host_path();
  sources_.host_path_prefixes = {"/data"};
  host_path.set_path("/data/new");
  host_path.set_type("Directory");
  EXPECT_FALSE(volumes_.Prepare(pod_, sources_).ok());
  host_path.set_type("DirectoryOrCreate");
  EXPECT_TRUE(volumes_.Prepare(pod_, sources_).ok());
  files_.Put("/data/link", {.kind = FileSystem::Kind::kSymlink, .data = "/etc"});
  host_path.set_type("");
  host_path.set_path("/data/link");
  EXPECT_FALSE(volumes_.Prepare(pod_, sources_).ok());
  host_path.set_path("/database");
  EXPECT_FALSE(volumes_.Prepare(pod_, sources_).ok());
}

TEST_F(PodVolumesTest, ALinkThatAContainerPutsIntoAHostPathIsNotFollowedAtTheNextStart) {
  auto& volume = *pod_.add_volumes();
  volume.set_name("h");
  volume.mutable_host_path()->set_path("/data/x");
  volume.mutable_host_path()->set_type("DirectoryOrCreate");
  sources_.host_path_prefixes = {"/data"};
  ASSERT_TRUE(volumes_.Prepare(pod_, sources_).ok());
  v1::Mount mount;
  mount.set_volume("h");
  const auto source = [&](const std::string& sub_path) {
    return volumes_.MountSource(pod_, mount, sub_path, sources_.host_path_prefixes);
  };
  EXPECT_EQ(source("").value_or(""), "/data/x");
  ASSERT_TRUE(files_.RemoveAll("/data/x").ok());
  files_.Put("/data/x", {.kind = FileSystem::Kind::kSymlink, .data = "/etc"});
  EXPECT_TRUE(absl::IsPermissionDenied(source("").status())) << source("").status();
  EXPECT_TRUE(absl::IsPermissionDenied(source("cron.d").status()));
  EXPECT_FALSE(files_.Stat("/etc/cron.d").ok());
  // Within what is allowed a link leads on, and the runtime gets where to.
  ASSERT_TRUE(files_.RemoveAll("/data/x").ok());
  ASSERT_TRUE(files_.MakeDirectories("/data/y", 0755).ok());
  files_.Put("/data/x", {.kind = FileSystem::Kind::kSymlink, .data = "y"});
  EXPECT_EQ(source("").value_or(""), "/data/y");
}

TEST_F(PodVolumesTest, AHostPathThatCanNotBeJudgedIsNotMounted) {
  auto& volume = *pod_.add_volumes();
  volume.set_name("h");
  volume.mutable_host_path()->set_path("/data/x");
  sources_.host_path_prefixes = {"/data"};
  files_.Put("/data/x", {.kind = FileSystem::Kind::kSymlink, .data = "/etc"});
  v1::Mount mount;
  mount.set_volume("h");
  for (const char* dead : {"/data/x", "/data", "/etc"}) {
    files_.set_stat_error(dead, absl::InternalError("Input/output error"));
    EXPECT_FALSE(volumes_.Prepare(pod_, sources_).ok()) << dead;
    EXPECT_FALSE(volumes_.MountSource(pod_, mount, "", sources_.host_path_prefixes).ok()) << dead;
    EXPECT_FALSE(volumes_.MountSource(pod_, mount, "sub", sources_.host_path_prefixes).ok()) << dead;
  }
  files_.set_stat_error("", absl::OkStatus());
  EXPECT_TRUE(
      absl::IsPermissionDenied(volumes_.MountSource(pod_, mount, "", sources_.host_path_prefixes).status()));
}

TEST_F(PodVolumesTest, WhatContainersMayFillIsThePodsOwn) {
  const auto hosts = volumes_.WriteHosts(pod_, "pod", {"10.0.0.1"});
  ASSERT_TRUE(hosts.ok()) << hosts.status();
  const auto log = volumes_.MakeTerminationLog("main", 0);
  ASSERT_TRUE(log.ok()) << log.status();
  for (const std::string& path : {*hosts, *log}) EXPECT_EQ(path.rfind("/agent/pods/u/run/", 0), 0U) << path;
  EXPECT_TRUE(files_.Find("/agent/pods/u/run")->mounted);
  EXPECT_GT(files_.Find("/agent/pods/u/run")->mount_size, 0U);
  ASSERT_TRUE(volumes_.Remove().ok());
  EXPECT_FALSE(files_.Stat("/agent/pods/u").ok());
}

TEST_F(PodVolumesTest, AMessageLeftWhereAFormerAgentPutTheFileIsRead) {
  files_.Put("/agent/termination/u/main/0", {.data = "out of paper"});
  EXPECT_EQ(volumes_.ReadTerminationLog("main", 0), "out of paper");
}

TEST_F(PodVolumesTest, AreRemovedInPartsAndSecretsFirst) {
  for (const char* name : {"data", "s"}) pod_.add_volumes()->set_name(name);
  pod_.mutable_volumes(0)->mutable_empty_dir();
  pod_.mutable_volumes(1)->mutable_projection()->add_sources()->mutable_content()->set_content_id("secret/s");
  ASSERT_TRUE(volumes_.Prepare(pod_, sources_).ok());
  const std::string data = "/agent/pods/u/volumes/data";
  const auto left = [&] { return files_.Find(data) == nullptr ? 0 : files_.List(data)->size(); };
  for (int i = 0; i < 1'000; ++i) files_.Put(data + "/" + std::to_string(i), {});
  for (std::size_t before = left(); before > 0; before = left()) {
    ASSERT_EQ(volumes_.Remove().value_or(true), false);
    EXPECT_GE(left() + PodVolumes::kRemovedAtOnce, before);
    ASSERT_LT(left(), before);
    EXPECT_EQ(files_.Find("/agent/volatile/u"), nullptr);
  }
  EXPECT_EQ(volumes_.Remove().value_or(false), true);
  EXPECT_EQ(files_.Find("/agent/pods/u"), nullptr);
  EXPECT_EQ(volumes_.Remove().value_or(false), true);
}

TEST_F(PodVolumesTest, MemoryEmptyDirIsATmpfsOfItsSize) {
  auto& volume = *pod_.add_volumes();
  volume.set_name("m");
  volume.mutable_empty_dir()->set_memory(true);
  volume.mutable_empty_dir()->set_size_limit_bytes(4096);
  ASSERT_TRUE(volumes_.Prepare(pod_, sources_).ok());
  EXPECT_TRUE(files_.Find("/agent/pods/u/volumes/m")->mounted);
  EXPECT_EQ(files_.Find("/agent/pods/u/volumes/m")->mount_size, 4096U);
}

TEST(ResolveResource, RoundsUpAndFallsBackToTheHost) {
  v1::Workload pod;
  auto& container = *pod.add_containers();
  container.set_name("c");
  container.mutable_limits()->set_cpu_milli(1500);
  HostFacts facts;
  facts.allocatable_memory_bytes = 1'000'001;
  v1::ResourceField field;
  field.set_container("c");
  field.set_resource("limits.cpu");
  field.set_divisor(1000);
  EXPECT_EQ(ResolveResource(pod, field, "", facts).value(), "2");
  field.set_divisor(1);
  EXPECT_EQ(ResolveResource(pod, field, "", facts).value(), "1500");
  field.set_resource("limits.memory");
  field.set_divisor(1000);
  EXPECT_EQ(ResolveResource(pod, field, "", facts).value(), "1001");
  field.set_resource("requests.memory");
  EXPECT_EQ(ResolveResource(pod, field, "", facts).value(), "0");
}

}  // namespace
}  // namespace slicelet::agent
