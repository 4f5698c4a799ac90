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
