#include "common/http/watched_files.h"

#include <gmock/gmock.h>

#include "common/base/testing/fake_file_system.h"
#include "common/loop/testing/sim_loop.h"

namespace slicelet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Contents = std::vector<std::string>;

class WatchedFilesTest : public testing::Test {
 protected:
  WatchedFilesTest() { EXPECT_TRUE(files_.MakeDirectories("/tls", 0700).ok()); }
  void Write(const std::string& path, const std::string& text) {
    ASSERT_TRUE(files_.WriteAtomically(path, text, 0600).ok());
  }
  SimLoop loop_;
  FakeFileSystem files_;
  std::vector<Contents> taken_;
  absl::Status answer_;
  WatchedFiles watched_{loop_, files_, {"/tls/crt", "/tls/key"}, [this](const Contents& contents) {
                          taken_.push_back(contents);
                          return answer_;
                        }};
};

TEST_F(WatchedFilesTest, TakesThemAtOnceAndWhenTheyChange) {
  Write("/tls/crt", "c1");
  Write("/tls/key", "k1");
  ASSERT_TRUE(watched_.Start().ok());
  loop_.Advance(WatchedFiles::kInterval * 3);
  EXPECT_THAT(taken_, ElementsAre(Contents{"c1", "k1"})) << "the unchanged are not taken again";
  Write("/tls/crt", "c2");
  Write("/tls/key", "k2");
  loop_.Advance(WatchedFiles::kInterval);
  EXPECT_THAT(taken_, ElementsAre(Contents{"c1", "k1"}, Contents{"c2", "k2"}));
}

TEST_F(WatchedFilesTest, WhatIsNotTakenIsTriedAgain) {
  Write("/tls/crt", "c1");
  Write("/tls/key", "k1");
  ASSERT_TRUE(watched_.Start().ok());
  // Half of a pair that is being replaced.
  Write("/tls/crt", "c2");
  answer_ = absl::InvalidArgumentError("the key is not the certificate's");
  loop_.Advance(WatchedFiles::kInterval);
  Write("/tls/key", "k2");
  answer_ = absl::OkStatus();
  loop_.Advance(WatchedFiles::kInterval * 2);
  EXPECT_THAT(taken_, ElementsAre(Contents{"c1", "k1"}, Contents{"c2", "k1"}, Contents{"c2", "k2"}));
}

TEST_F(WatchedFilesTest, AMissingFileLeavesTheFormerInForce) {
  EXPECT_THAT(Message(watched_.Start()), HasSubstr("/tls/crt"));
  Write("/tls/crt", "c1");
  Write("/tls/key", "k1");
  ASSERT_TRUE(watched_.Start().ok());
  ASSERT_TRUE(files_.RemoveAll("/tls/key").ok());
  loop_.Advance(WatchedFiles::kInterval * 2);
  EXPECT_EQ(taken_.size(), 1U);
  Write("/tls/key", "k3");
  loop_.Advance(WatchedFiles::kInterval);
  EXPECT_EQ(taken_.size(), 2U);
}

TEST_F(WatchedFilesTest, ABadStartIsAnErrorWithTheFile) {
  Write("/tls/crt", "c1");
  Write("/tls/key", "k1");
  answer_ = absl::InvalidArgumentError("no certificate");
  EXPECT_THAT(Message(watched_.Start()), HasSubstr("/tls/crt"));
}

}  // namespace
}  // namespace slicelet
