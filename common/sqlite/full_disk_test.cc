#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "common/base/testing/temporary_directory.h"
#include "common/sqlite/open.h"

namespace slicelet::sqlite {
namespace {

/// A disk of its own, of 2 MiB.
class FullDiskTest : public testing::Test {
 protected:
  void SetUp() override {
    // Of this process alone, and gone with it.
    if (unshare(CLONE_NEWNS) != 0) GTEST_SKIP() << "mounting needs root";
    ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(mount("disk", directory_.path().c_str(), "tmpfs", 0, "size=2m"), 0);
  }
  void TearDown() override { umount(directory_.path().c_str()); }

  absl::StatusOr<Opened> Open() {
    return OpenStore(path_, {"CREATE TABLE kv (k TEXT PRIMARY KEY) STRICT"},
                     [this](Database& database) -> absl::Status {
                       SLICELET_ASSIGN_OR_RETURN(Statement read, database.Prepare("SELECT count(*) FROM kv"));
                       SLICELET_RETURN_IF_ERROR(read.Step().status());
                       rows_ = read.Int(0);
                       return absl::OkStatus();
                     });
  }
  /// Leaves not a byte.
  void Fill() {
    const int fd = open(directory_.File("logs").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    std::array<char, 4096> block{};
    while (write(fd, block.data(), block.size()) > 0) continue;
    close(fd);
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.File("store.db");
  std::int64_t rows_ = -1;
};

TEST_F(FullDiskTest, AStoreOpensOnItAndKeepsWhatItTakes) {
  {
    auto opened = Open();
    ASSERT_TRUE(opened.ok()) << opened.status();
    ASSERT_TRUE(opened->database->Execute("INSERT INTO kv VALUES ('a')").ok());
  }
  Fill();
  {
    auto opened = Open();
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(rows_, 1);
    EXPECT_FALSE(std::filesystem::exists(path_ + ".reserve"));
  }
  std::filesystem::remove(directory_.File("logs"));
  auto opened = Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(opened->database->Execute("INSERT INTO kv VALUES ('b')").ok());
  EXPECT_TRUE(std::filesystem::exists(path_ + ".reserve")) << "for the next time";
}

}  // namespace
}  // namespace slicelet::sqlite
