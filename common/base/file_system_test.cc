#include "common/base/file_system.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/testing/fake_file_system.h"
#include "common/base/testing/temporary_directory.h"

namespace slicelet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Both file systems keep the same contract.
class FileSystemTest : public ::testing::TestWithParam<bool> {
 protected:
  FileSystemTest() {
    if (real()) {
      root_ = directory_.path();
      files_ = MakeSystemFileSystem();
    } else {
      root_ = "/fake";
      files_ = std::make_unique<FakeFileSystem>();
      EXPECT_TRUE(files_->MakeDirectories(root_, 0755).ok());
    }
  }

  static bool real() { return GetParam(); }
  [[nodiscard]] std::string At(const std::string& name) const { return root_ + "/" + name; }

  TemporaryDirectory directory_;
  std::string root_;
  std::unique_ptr<FileSystem> files_;
};

INSTANTIATE_TEST_SUITE_P(Both, FileSystemTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "System" : "Fake"; });

TEST_P(FileSystemTest, ReadsWhatWasWritten) {
  ASSERT_TRUE(files_->WriteAtomically(At("a"), "one", 0640).ok());
  ASSERT_TRUE(files_->WriteAtomically(At("a"), "two", 0600).ok());

  EXPECT_EQ(files_->Read(At("a"), 100).value(), "two");
  const auto info = files_->Stat(At("a")).value();
  EXPECT_EQ(info.kind, FileSystem::Kind::kFile);
  EXPECT_EQ(info.size, 3u);
  EXPECT_EQ(info.mode, 0600u);
  EXPECT_THAT(files_->List(root_).value(), ElementsAre("a"));
}

TEST_P(FileSystemTest, ReadsNoMoreThanTheLimit) {
  ASSERT_TRUE(files_->WriteAtomically(At("a"), "12345", 0600).ok());

  EXPECT_TRUE(files_->Read(At("a"), 5).ok());
  EXPECT_THAT(Message(files_->Read(At("a"), 4).status()), HasSubstr("larger than 4 bytes"));
}

TEST_P(FileSystemTest, WhatIsMissingIsNotFoundAndNamed) {
  EXPECT_TRUE(absl::IsNotFound(files_->Read(At("no"), 1).status()));
  EXPECT_THAT(Message(files_->Read(At("no"), 1).status()), HasSubstr(At("no")));
  EXPECT_TRUE(absl::IsNotFound(files_->Stat(At("no")).status()));
  EXPECT_TRUE(absl::IsNotFound(files_->List(At("no")).status()));
  EXPECT_TRUE(absl::IsNotFound(files_->ReadSymlink(At("no")).status()));
  EXPECT_TRUE(absl::IsNotFound(files_->WriteAtomically(At("no/a"), "", 0600)));
  EXPECT_TRUE(absl::IsNotFound(files_->Rename(At("no"), At("b"))));
}

TEST_P(FileSystemTest, MakesParentsAndKeepsWhatExists) {
  ASSERT_TRUE(files_->MakeDirectories(At("a"), 0700).ok());
  ASSERT_TRUE(files_->MakeDirectories(At("a/b/c"), 0755).ok());
  ASSERT_TRUE(files_->MakeDirectories(At("a/b/c"), 0711).ok());

  EXPECT_EQ(files_->Stat(At("a")).value().mode, 0700u);
  EXPECT_EQ(files_->Stat(At("a/b/c")).value().mode, 0755u);
}

TEST_P(FileSystemTest, AFileInTheWayOfADirectoryIsAnError) {
  ASSERT_TRUE(files_->WriteAtomically(At("a"), "", 0600).ok());

  EXPECT_TRUE(absl::IsAlreadyExists(files_->MakeDirectories(At("a"), 0700)));
}

TEST_P(FileSystemTest, RemovesTreesButNotWhatLinksPointAt) {
  ASSERT_TRUE(files_->MakeDirectories(At("keep"), 0755).ok());
  ASSERT_TRUE(files_->WriteAtomically(At("keep/file"), "x", 0600).ok());
  ASSERT_TRUE(files_->MakeDirectories(At("tree/deep/er"), 0755).ok());
  ASSERT_TRUE(files_->WriteAtomically(At("tree/deep/file"), "x", 0600).ok());
  ASSERT_TRUE(files_->SwapSymlink(At("keep"), At("tree/link")).ok());

  EXPECT_TRUE(files_->RemoveAll(At("tree")).ok());
  EXPECT_TRUE(files_->RemoveAll(At("tree")).ok());

  EXPECT_THAT(files_->List(root_).value(), ElementsAre("keep"));
  EXPECT_EQ(files_->Read(At("keep/file"), 10).value(), "x");
}

TEST_P(FileSystemTest, RemovesATreeInParts) {
  ASSERT_TRUE(files_->MakeDirectories(At("keep"), 0755).ok());
  for (const char* directory : {"tree", "tree/a", "tree/a/deep", "tree/empty"}) {
    ASSERT_TRUE(files_->MakeDirectories(At(directory), 0755).ok());
    if (directory == std::string("tree/empty")) continue;
    for (int i = 0; i < 10; ++i)
      ASSERT_TRUE(files_->WriteAtomically(At(directory) + "/" + std::to_string(i), "x", 0600).ok());
  }
  ASSERT_TRUE(files_->SwapSymlink(At("keep"), At("tree/link")).ok());
  const auto count = [&] {
    std::size_t all = 0;
    for (const char* directory : {"tree", "tree/a", "tree/a/deep", "tree/empty"}) {
      const auto names = files_->List(At(directory));
      if (names.ok()) all += names->size();
    }
    return all;
  };
  ASSERT_EQ(count(), 34U);
  for (std::size_t left = 34; left > 0;) {
    const auto done = files_->RemoveSome(At("tree"), 4);
    ASSERT_TRUE(done.ok()) << done.status();
    EXPECT_EQ(*done, left < 4);
    left -= std::min<std::size_t>(left, 4);
    EXPECT_EQ(count(), left);
  }
  EXPECT_EQ(files_->RemoveSome(At("tree"), 4).value_or(false), true);
  EXPECT_THAT(files_->List(root_).value(), ElementsAre("keep"));
}

TEST_P(FileSystemTest, SwapsALinkAndReadsThroughIt) {
  for (const char* version : {"v1", "v2"}) {
    ASSERT_TRUE(files_->MakeDirectories(At(version), 0755).ok());
    ASSERT_TRUE(files_->WriteAtomically(At(version) + "/key", version, 0600).ok());
    ASSERT_TRUE(files_->SwapSymlink(version, At("data")).ok());
  }

  EXPECT_EQ(files_->ReadSymlink(At("data")).value(), "v2");
  EXPECT_EQ(files_->Read(At("data/key"), 10).value(), "v2");
  EXPECT_EQ(files_->Stat(At("data")).value().kind, FileSystem::Kind::kSymlink);
  EXPECT_THAT(files_->List(root_).value(), ElementsAre("data", "v1", "v2"));
}

TEST_P(FileSystemTest, RenamesTrees) {
  ASSERT_TRUE(files_->MakeDirectories(At("a/b"), 0755).ok());
  ASSERT_TRUE(files_->WriteAtomically(At("a/b/c"), "x", 0600).ok());

  ASSERT_TRUE(files_->Rename(At("a"), At("z")).ok());

  EXPECT_EQ(files_->Read(At("z/b/c"), 10).value(), "x");
  EXPECT_TRUE(absl::IsNotFound(files_->Stat(At("a")).status()));
}

TEST_P(FileSystemTest, TellsTheFreeSpace) {
  const auto space = files_->FreeSpace(root_).value();

  EXPECT_GT(space.total, 0u);
  EXPECT_LE(space.available, space.total);
}

TEST(SystemFileSystem, ReadsFilesOnly) {
  const TemporaryDirectory directory;
  const auto files = MakeSystemFileSystem();
  // Opening it would wait for somebody who writes.
  ASSERT_EQ(mkfifo(directory.File("pipe").c_str(), 0600), 0);
  EXPECT_THAT(Message(files->Read(directory.File("pipe"), 100).status()), HasSubstr("not a regular file"));
  EXPECT_TRUE(files->Read("/proc/self/status", 100'000).ok());
}

TEST(SystemFileSystem, RemovesTreesOfAnyDepth) {
  const TemporaryDirectory directory;
  const auto files = MakeSystemFileSystem();
  const std::string root = directory.File("tree");
  ASSERT_TRUE(files->MakeDirectories(root, 0755).ok());
  int at = open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int depth = 0; depth < 500; ++depth) {
    ASSERT_EQ(mkdirat(at, "deep", 0755), 0);
    ASSERT_EQ(symlinkat("/", at, "link"), 0);
    const int below = openat(at, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(at);
    at = below;
  }
  close(at);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(files->RemoveSome(root, 30).value_or(true), false);
  EXPECT_TRUE(files->RemoveAll(root).ok());
  EXPECT_TRUE(absl::IsNotFound(files->Stat(root).status()));
}

TEST(FakeFileSystem, AFullDiskKeepsTheOldContent) {
  FakeFileSystem files;
  ASSERT_TRUE(files.WriteAtomically("/a", "old", 0600).ok());
  files.set_disk_full(true);

  EXPECT_TRUE(absl::IsResourceExhausted(files.WriteAtomically("/a", "new", 0600)));
  EXPECT_TRUE(absl::IsResourceExhausted(files.MakeDirectories("/d", 0700)));
  EXPECT_EQ(files.Read("/a", 10).value(), "old");

  files.set_disk_full(false);
  EXPECT_TRUE(files.WriteAtomically("/a", "new", 0600).ok());
}

TEST(FakeFileSystem, ALinkLoopIsAnErrorNotAHang) {
  FakeFileSystem files;
  ASSERT_TRUE(files.SwapSymlink("/b", "/a").ok());
  ASSERT_TRUE(files.SwapSymlink("/a", "/b").ok());

  EXPECT_FALSE(files.Read("/a", 10).ok());
}

}  // namespace
}  // namespace slicelet
