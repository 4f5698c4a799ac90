#include "kubelet-shim/env/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/encoding.h"

namespace slicelet::shim {
namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using Kind = ReferentKey::Kind;

/// One line per variable: NAME=literal, NAME=$expanded, NAME<-content:key, NAME<-host:field, NAME<-resource.
std::vector<std::string> Describe(const v1::ContainerEnvironment& environment) {
  std::vector<std::string> lines;
  for (const auto& variable : environment.env()) {
    switch (variable.value_case()) {
      case v1::EnvVar::kLiteral:
        lines.push_back(variable.name() + (variable.expand() ? "=$" : "=") + variable.literal());
        break;
      case v1::EnvVar::kSecret:
        lines.push_back(variable.name() + "<-" + variable.secret().content_id() + ":" +
                        variable.secret().key());
        break;
      case v1::EnvVar::kHostField:
        lines.push_back(variable.name() + "<-host:" + variable.host_field());
        break;
      case v1::EnvVar::kResource:
        lines.push_back(variable.name() + "<-" + variable.resource().container() + "/" +
                        variable.resource().resource() + "/" + std::to_string(variable.resource().divisor()));
        break;
      case v1::EnvVar::VALUE_NOT_SET:
        lines.push_back(variable.name() + "?");
        break;
    }
  }
  return lines;
}

class EnvironmentTest : public testing::Test {
 protected:
  void Has(Kind kind, const std::string& name, std::map<std::string, std::string> data) {
    Referent& referent = known_[{kind, "default", name}];
    referent.state = Referent::State::kPresent;
    referent.data = std::move(data);
  }
  void IsMissing(Kind kind, const std::string& name) {
    known_[{kind, "default", name}].state = Referent::State::kMissing;
  }

  static Json Pod(const Json& container, const Json& spec = Json::object()) {
    Json pod = {
        {"metadata",
         {{"name", "web"},
          {"namespace", "default"},
          {"uid", "u-1"},
          {"labels", {{"b", "2"}, {"a", "say \"hi\"\n"}}}}},
        {"spec", {{"nodeName", "edge-1"}, {"serviceAccountName", "robot"}, {"enableServiceLinks", false}}}};
    pod["spec"].update(spec);
    Json whole = {{"name", "app"}};
    whole.update(container);
    pod["spec"]["containers"] = Json::array({whole});
    return pod;
  }

  Environment Resolve(const Json& pod) {
    return ResolveEnvironment(
        pod,
        [this](const ReferentKey& key) {
          const auto it = known_.find(key);
          return it == known_.end() ? nullptr : &it->second;
        },
        services_);
  }

  std::map<ReferentKey, Referent> known_;
  std::vector<ServiceAddress> services_;
};

TEST_F(EnvironmentTest, LaterSourcesFollowEarlierOnes) {
  Has(Kind::kConfigMap, "first", {{"A", "1"}, {"B", "1"}});
  Has(Kind::kConfigMap, "second", {{"B", "$(A)"}});
  Has(Kind::kSecret, "hidden", {{"KEY", "never shown"}});
  const Json from = Json::array({{{"configMapRef", {{"name", "first"}}}},
                                 {{"prefix", ""}, {"configMapRef", {{"name", "second"}}}},
                                 {{"prefix", "S_"}, {"secretRef", {{"name", "hidden"}}}}});
  const Json env =
      Json::array({{{"name", "C"}, {"value", "$(B)"}}, {{"name", "A"}, {"value", "2"}}, {{"name", "D"}}});

  const auto result = Resolve(Pod({{"envFrom", from}, {"env", env}}));

  ASSERT_TRUE(result.complete());
  EXPECT_THAT(Describe(result.containers.at(0)),
              ElementsAre("A=1", "B=$(A)", "S_KEY<-secret/hidden:KEY", "C=$$(B)", "A=$2", "D=$"));
  EXPECT_THAT(result.references, ElementsAre("configmap/first", "configmap/second", "secret/hidden"));
  EXPECT_FALSE(result.containers.at(0).env(1).expand());
}

TEST_F(EnvironmentTest, KeysOfConfigMapsAreLiteralsAndOfSecretsReferences) {
  Has(Kind::kConfigMap, "c", {{"k", "v"}});
  Has(Kind::kSecret, "s", {{"k", "v"}});
  const Json env =
      Json::array({{{"name", "A"}, {"valueFrom", {{"configMapKeyRef", {{"name", "c"}, {"key", "k"}}}}}},
                   {{"name", "B"}, {"valueFrom", {{"secretKeyRef", {{"name", "s"}, {"key", "k"}}}}}}});

  const auto result = Resolve(Pod({{"env", env}}));

  EXPECT_THAT(Describe(result.containers.at(0)), ElementsAre("A=v", "B<-secret/s:k"));
}

struct MissingCase {
  const char* what;
  Json container;
  const char* reason;
  const char* error;  // "" when the container starts without it
};

class MissingReferents : public EnvironmentTest, public testing::WithParamInterface<MissingCase> {};

TEST_P(MissingReferents, GiveTheKubeletsMessageAndAnEvent) {
  Has(Kind::kConfigMap, "here", {{"x", "1"}});
  Has(Kind::kSecret, "here", {{"x", "1"}});
  IsMissing(Kind::kConfigMap, "gone");
  IsMissing(Kind::kSecret, "gone");

  const auto result = Resolve(Pod(GetParam().container));

  ASSERT_EQ(result.notices.size(), 1u);
  EXPECT_EQ(result.notices[0].reason, GetParam().reason);
  EXPECT_EQ(result.notices[0].container, "app");
  if (std::string(GetParam().error).empty()) {
    EXPECT_TRUE(result.complete());
    EXPECT_THAT(Describe(result.containers.at(0)), ElementsAre());
  } else {
    EXPECT_EQ(result.config_errors.at("app"), GetParam().error);
    EXPECT_TRUE(result.containers.empty());
  }
}

Json From(const char* ref, const char* name, bool optional) {
  return {{"envFrom", Json::array({{{ref, {{"name", name}, {"optional", optional}}}}})}};
}
Json Key(const char* ref, const char* name, const char* key, bool optional) {
  return {{"env",
           Json::array({{{"name", "V"},
                         {"valueFrom", {{ref, {{"name", name}, {"key", key}, {"optional", optional}}}}}}})}};
}

INSTANTIATE_TEST_SUITE_P(
    Table, MissingReferents,
    testing::Values(
        MissingCase{"envFrom", From("configMapRef", "gone", false), "MandatoryConfigMapNotFound",
                    "configmap \"gone\" not found"},
        MissingCase{"envFrom", From("configMapRef", "gone", true), "OptionalConfigMapNotFound", ""},
        MissingCase{"envFrom", From("secretRef", "gone", false), "MandatorySecretNotFound",
                    "secret \"gone\" not found"},
        MissingCase{"envFrom", From("secretRef", "gone", true), "OptionalSecretNotFound", ""},
        MissingCase{"env", Key("configMapKeyRef", "gone", "k", false), "MandatoryConfigMapNotFound",
                    "configmap \"gone\" not found"},
        MissingCase{"env", Key("configMapKeyRef", "gone", "k", true), "OptionalConfigMapNotFound", ""},
        MissingCase{"env", Key("secretKeyRef", "gone", "k", false), "MandatorySecretNotFound",
                    "secret \"gone\" not found"},
        MissingCase{"env", Key("configMapKeyRef", "here", "k", false), "MandatoryConfigMapKeyNotFound",
                    "couldn't find key k in ConfigMap default/here"},
        MissingCase{"env", Key("configMapKeyRef", "here", "k", true), "OptionalConfigMapKeyNotFound", ""},
        MissingCase{"env", Key("secretKeyRef", "here", "k", false), "MandatorySecretKeyNotFound",
                    "couldn't find key k in Secret default/here"},
        MissingCase{"env", Key("secretKeyRef", "here", "k", true), "OptionalSecretKeyNotFound", ""}));

TEST_F(EnvironmentTest, AnUnreadReferentMeansNotYet) {
  const auto result = Resolve(Pod(From("configMapRef", "soon", true)));
  EXPECT_TRUE(result.unread);
  EXPECT_TRUE(result.notices.empty());
}

TEST_F(EnvironmentTest, AReferentThatCanNotBeReadStopsTheContainerEvenIfOptional) {
  Referent& referent = known_[{Kind::kSecret, "default", "s"}];
  referent.state = Referent::State::kUnreadable;
  referent.error = "forbidden";

  const auto result = Resolve(Pod(From("secretRef", "s", true)));

  EXPECT_EQ(result.config_errors.at("app"), "secret \"s\" can not be read: forbidden");
  EXPECT_EQ(result.notices.at(0).reason, "FailedToReadOptionalSecret");
}

struct FieldCase {
  const char* path;
  const char* line;
};

class FieldReferences : public EnvironmentTest, public testing::WithParamInterface<FieldCase> {};

TEST_P(FieldReferences, AreResolvedHereOrOnTheHost) {
  const Json env =
      Json::array({{{"name", "F"}, {"valueFrom", {{"fieldRef", {{"fieldPath", GetParam().path}}}}}}});
  const auto result = Resolve(Pod({{"env", env}}));
  ASSERT_TRUE(result.complete());
  EXPECT_THAT(Describe(result.containers.at(0)), ElementsAre(GetParam().line));
}

INSTANTIATE_TEST_SUITE_P(
    Table, FieldReferences,
    testing::Values(FieldCase{"metadata.name", "F=web"}, FieldCase{"metadata.namespace", "F=default"},
                    FieldCase{"metadata.uid", "F=u-1"}, FieldCase{"metadata.labels['b']", "F=2"},
                    FieldCase{"metadata.labels['none']", "F="},
                    FieldCase{"metadata.annotations['none']", "F="},
                    FieldCase{"metadata.labels", "F=a=\"say \\\"hi\\\"\\n\"\nb=\"2\""},
                    FieldCase{"spec.nodeName", "F=edge-1"}, FieldCase{"spec.host", "F=edge-1"},
                    FieldCase{"spec.serviceAccountName", "F=robot"},
                    FieldCase{"status.podIP", "F<-host:status.podIP"},
                    FieldCase{"status.hostIPs", "F<-host:status.hostIPs"}));

TEST_F(EnvironmentTest, AFieldThatHasNoValueIsAConfigError) {
  const Json env =
      Json::array({{{"name", "F"}, {"valueFrom", {{"fieldRef", {{"fieldPath", "status.phase"}}}}}}});
  EXPECT_EQ(Resolve(Pod({{"env", env}})).config_errors.at("app"), "unsupported fieldPath: status.phase");
}

TEST_F(EnvironmentTest, AnUnsupportedSourceIsRefusedByName) {
  const Json env = Json::array({{{"name", "F"}, {"valueFrom", {{"fileKeyRef", {{"path", "x"}}}}}}});
  const auto result = Resolve(Pod({{"env", env}}));
  ASSERT_TRUE(result.refusal.has_value());
  EXPECT_EQ(result.refusal->field(), "spec.containers[0].env[0].valueFrom.fileKeyRef");
}

struct ResourceCase {
  const char* resource;
  const char* divisor;
  const char* line;
};

class ResourceFields : public EnvironmentTest, public testing::WithParamInterface<ResourceCase> {};

TEST_P(ResourceFields, AreRoundedUpOrLeftToTheHost) {
  const Json env = Json::array(
      {{{"name", "R"},
        {"valueFrom",
         {{"resourceFieldRef", {{"resource", GetParam().resource}, {"divisor", GetParam().divisor}}}}}}});
  const Json resources = {{"limits", {{"cpu", "500m"}}}, {"requests", {{"memory", "64Mi"}}}};
  const auto result = Resolve(Pod({{"env", env}, {"resources", resources}},
                                  {{"resources", {{"limits", {{"ephemeral-storage", "3Gi"}}}}}}));
  ASSERT_TRUE(result.complete());
  EXPECT_THAT(Describe(result.containers.at(0)), ElementsAre(GetParam().line));
}

INSTANTIATE_TEST_SUITE_P(
    Table, ResourceFields,
    testing::Values(ResourceCase{"limits.cpu", "1", "R=1"}, ResourceCase{"limits.cpu", "0", "R=1"},
                    ResourceCase{"limits.cpu", "1m", "R=500"}, ResourceCase{"requests.memory", "1Mi", "R=64"},
                    ResourceCase{"requests.memory", "60Mi", "R=2"}, ResourceCase{"requests.cpu", "1", "R=0"},
                    ResourceCase{"limits.ephemeral-storage", "1Gi", "R=3"},
                    ResourceCase{"limits.memory", "1Mi", "R<-app/limits.memory/1048576"}));

TEST_F(EnvironmentTest, ServicesOfTheNamespaceAndTheMasterServiceBecomeVariables) {
  services_ = {
      {.ns = "default", .name = "kubernetes", .cluster_ip = "10.96.0.1", .ports = {{"https", "TCP", 443}}},
      {.ns = "default", .name = "my-db", .cluster_ip = "fd00::1", .ports = {{"", "UDP", 53}}},
      {.ns = "other", .name = "far", .cluster_ip = "10.96.0.9", .ports = {{"", "TCP", 1}}}};

  const auto linked = Resolve(Pod(Json::object(), {{"enableServiceLinks", true}}));
  EXPECT_THAT(
      Describe(linked.containers.at(0)),
      ElementsAre("KUBERNETES_PORT=tcp://10.96.0.1:443", "KUBERNETES_PORT_443_TCP=tcp://10.96.0.1:443",
                  "KUBERNETES_PORT_443_TCP_ADDR=10.96.0.1", "KUBERNETES_PORT_443_TCP_PORT=443",
                  "KUBERNETES_PORT_443_TCP_PROTO=tcp", "KUBERNETES_SERVICE_HOST=10.96.0.1",
                  "KUBERNETES_SERVICE_PORT=443", "KUBERNETES_SERVICE_PORT_HTTPS=443",
                  "MY_DB_PORT=udp://[fd00::1]:53", "MY_DB_PORT_53_UDP=udp://[fd00::1]:53",
                  "MY_DB_PORT_53_UDP_ADDR=fd00::1", "MY_DB_PORT_53_UDP_PORT=53",
                  "MY_DB_PORT_53_UDP_PROTO=udp", "MY_DB_SERVICE_HOST=fd00::1", "MY_DB_SERVICE_PORT=53"));

  const auto alone = Resolve(Pod(Json::object()));
  EXPECT_EQ(alone.containers.at(0).env_size(), 8);
}

TEST_F(EnvironmentTest, HeadlessServicesGiveNoVariables) {
  EXPECT_FALSE(ParseService({{"metadata", {{"name", "x"}}}, {"spec", {{"clusterIP", "None"}}}}).has_value());
  EXPECT_FALSE(ParseService({{"metadata", {{"name", "x"}}}, {"spec", Json::object()}}).has_value());
}

TEST_F(EnvironmentTest, VolumesSayWhatTheyMiss) {
  Has(Kind::kConfigMap, "here", {{"x", "1"}});
  IsMissing(Kind::kConfigMap, "gone");
  IsMissing(Kind::kSecret, "gone");
  IsMissing(Kind::kSecret, "pull");
  const Json volumes = Json::array(
      {{{"name", "a"}, {"configMap", {{"name", "gone"}}}},
       {{"name", "b"}, {"secret", {{"secretName", "gone"}, {"optional", true}}}},
       {{"name", "c"},
        {"projected",
         {{"sources",
           Json::array({{{"configMap", {{"name", "here"}, {"items", Json::array({{{"key", "y"}}})}}}}})}}}}});

  const auto result = Resolve(
      Pod(Json::object(), {{"volumes", volumes}, {"imagePullSecrets", Json::array({{{"name", "pull"}}})}}));

  EXPECT_THAT(
      result.mount_errors,
      ElementsAre("MountVolume.SetUp failed for volume \"a\" : configmap \"gone\" not found",
                  "MountVolume.SetUp failed for volume \"c\" : configmap \"here\" references non-existent "
                  "config key: y"));
  EXPECT_THAT(result.references, ElementsAre("configmap/here"));
  EXPECT_EQ(result.notices.size(), 3u);
  EXPECT_FALSE(result.complete());
}

TEST(Referents, AreDecodedAndSortedIntoOneContent) {
  const auto secret = ParseReferent(Kind::kSecret, {{"metadata", {{"name", "s"}, {"resourceVersion", "7"}}},
                                                    {"type", "Opaque"},
                                                    {"data", {{"k", Base64Encode("v\0w")}}}});
  ASSERT_TRUE(secret.ok());
  EXPECT_EQ(secret->resource_version, "7");
  EXPECT_EQ(secret->type, "Opaque");

  const auto map =
      ParseReferent(Kind::kConfigMap, {{"data", {{"b", "text"}}}, {"binaryData", {{"a", "AAE="}}}});
  ASSERT_TRUE(map.ok());
  const auto content = ContentOf(*map);
  ASSERT_EQ(content.files_size(), 2);
  EXPECT_EQ(content.files(0).key(), "a");
  EXPECT_EQ(content.files(0).data(), std::string("\0\1", 2));
  EXPECT_EQ(content.files(1).data(), "text");
}

TEST(Referents, BadBase64NamesTheEntry) {
  const auto secret = ParseReferent(Kind::kSecret, {{"metadata", {{"name", "s"}}}, {"data", {{"k", "!!"}}}});
  EXPECT_EQ(Message(secret.status()), "Secret s: data[k] is not base64");
}

}  // namespace
}  // namespace slicelet::shim
