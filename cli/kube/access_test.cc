#include "cli/kube/access.h"

#include <gmock/gmock.h>

#include <map>

#include "common/base/testing/fake_file_system.h"

namespace slicelet::cli {
namespace {

using testing::HasSubstr;

constexpr char kConfig[] =
    "current-context: one\n"
    "contexts:\n"
    "- {name: one, context: {cluster: a, user: u, namespace: north}}\n"
    "- {name: two, context: {cluster: b, user: u}}\n"
    "clusters:\n"
    "- {name: a, cluster: {server: 'https://a:6443', insecure-skip-tls-verify: true}}\n"
    "- {name: b, cluster: {server: 'https://b:6443', insecure-skip-tls-verify: true}}\n"
    "users:\n"
    "- {name: u, user: {token: t}}\n";

class AccessTest : public testing::Test {
 protected:
  absl::StatusOr<KubeAccess> Find(const KubeOptions& options) {
    return FindCluster(options, files, [this](const std::string& name) { return variables[name]; });
  }
  bool Has(const KubeOptions& options) {
    return HasCluster(options, files, [this](const std::string& name) { return variables[name]; });
  }
  void Put(const std::string& path, const std::string& text) { files.Put(path, {.data = text}); }

  FakeFileSystem files;
  std::map<std::string, std::string> variables;
};

TEST_F(AccessTest, TheOptionWinsOverTheVariableAndThatOverTheDefault) {
  variables["HOME"] = "/root";
  EXPECT_FALSE(Has({}));
  Put("/root/.kube/config", kConfig);
  EXPECT_TRUE(Has({}));
  ASSERT_TRUE(Find({}).ok());
  EXPECT_EQ(Find({})->where, "https://a:6443 (kubeconfig /root/.kube/config)");
  EXPECT_EQ(Find({})->config.ns, "north");
  Put("/two", kConfig);
  variables["KUBECONFIG"] = "/two";
  EXPECT_THAT(Find({})->where, HasSubstr("/two"));
  Put("/three", kConfig);
  EXPECT_EQ(Find({"/three", "two"})->where, "https://b:6443 (kubeconfig /three)");
}

TEST_F(AccessTest, WhatPointsNowhereSaysWhereAndWhatToDo) {
  const auto nothing = Find({});
  EXPECT_TRUE(absl::IsNotFound(nothing.status()));
  EXPECT_THAT(Message(nothing.status()), HasSubstr("--kubeconfig FILE or KUBECONFIG"));
  variables["KUBECONFIG"] = "/nowhere";
  EXPECT_THAT(Message(Find({}).status()), HasSubstr("the kubeconfig /nowhere (KUBECONFIG) does not exist"));
  EXPECT_THAT(Message(Find({"/nowhere2", ""}).status()),
              HasSubstr("/nowhere2 (--kubeconfig) does not exist"));
  variables["KUBECONFIG"] = "/a:/b";
  EXPECT_THAT(Message(Find({}).status()), HasSubstr("names several files (/a:/b)"));
  Put("/file", kConfig);
  EXPECT_THAT(Message(Find({"/file", "three"}).status()), HasSubstr("contexts has no entry \"three\""));
  Put("/bad", "a: [\n");
  const auto bad = Find({"/bad", ""});
  EXPECT_TRUE(absl::IsFailedPrecondition(bad.status()));
  EXPECT_THAT(Message(bad.status()), HasSubstr("/bad"));
}

}  // namespace
}  // namespace slicelet::cli
