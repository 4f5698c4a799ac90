#include "kube/definitions/definitions.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "common/json/yaml.h"
#include "kube/kube_api.h"
#include "kube/object.h"

namespace slicelet::kube {
namespace {

/// What `kubectl explain` would show without a word about it.
void FindUndescribed(const Json& schema, const std::string& path, std::set<std::string>& found) {
  if (TextAt(schema, {"description"}).empty()) found.insert(path);
  if (const Json* properties = Find(schema, {"properties"})) {
    for (const auto& [name, property] : properties->items()) {
      // Of every kind; the API server has its own words.
      if (path.empty() && (name == "apiVersion" || name == "kind" || name == "metadata")) continue;
      FindUndescribed(property, path + "." + name, found);
    }
  }
  // What a list or a map holds is described by its members.
  for (const char* members : {"items", "additionalProperties"}) {
    const Json* inner = Find(schema, {members});
    const Json* properties = inner == nullptr ? nullptr : Find(*inner, {"properties"});
    if (properties == nullptr) continue;
    for (const auto& [name, property] : properties->items())
      FindUndescribed(property, path + "[]." + name, found);
  }
}

/// What no API server knows as a word of a schema: a YAML flow mapping with a comma in its text makes such.
void FindStrangeWords(const Json& schema, const std::string& path, std::set<std::string>& found) {
  static const std::set<std::string> kWords = {"additionalProperties",
                                               "default",
                                               "description",
                                               "enum",
                                               "format",
                                               "items",
                                               "maxItems",
                                               "maxLength",
                                               "maximum",
                                               "minItems",
                                               "minimum",
                                               "properties",
                                               "minLength",
                                               "required",
                                               "nullable",
                                               "pattern",
                                               "type",
                                               "anyOf",
                                               "maxProperties",
                                               "minProperties",
                                               "x-kubernetes-int-or-string",
                                               "x-kubernetes-list-map-keys",
                                               "x-kubernetes-list-type",
                                               "x-kubernetes-preserve-unknown-fields",
                                               "x-kubernetes-validations"};
  for (const auto& [word, value] : schema.items()) {
    if (kWords.count(word) == 0) found.insert(path + ": " + word);
  }
  if (const Json* properties = Find(schema, {"properties"})) {
    for (const auto& [name, property] : properties->items())
      FindStrangeWords(property, path + "." + name, found);
  }
  for (const char* members : {"items", "additionalProperties"}) {
    const Json* inner = Find(schema, {members});
    if (inner != nullptr && inner->is_object()) FindStrangeWords(*inner, path + "[]", found);
  }
}

class DefinitionsTest : public testing::Test {
 protected:
  DefinitionsTest() {
    for (const auto& [plural, text] : CustomResourceDefinitions()) {
      const auto definition = ParseYaml(std::string(text));
      EXPECT_TRUE(definition.ok()) << plural << ": " << definition.status();
      if (definition.ok()) definitions_[plural] = *definition;
    }
  }
  std::map<std::string, Json> definitions_;
};

TEST_F(DefinitionsTest, AreThoseOfOurKinds) {
  std::set<std::string> plurals;
  for (const Resource& kind :
       {kEdgeHosts, kIotClusters, kIotSlices, kIotGateways, kIotServers, kIotDevices}) {
    plurals.insert(kind.plural);
    const Json& definition = definitions_[kind.plural];
    EXPECT_EQ(TextAt(definition, {"metadata", "name"}), kind.plural + "." + kind.group);
    EXPECT_EQ(TextAt(definition, {"spec", "names", "kind"}), kind.kind);
  }
  EXPECT_EQ(definitions_.size(), plurals.size());
}

TEST_F(DefinitionsTest, EveryFieldIsDescribed) {
  for (const auto& [plural, definition] : definitions_) {
    for (const Json& version : definition["spec"]["versions"]) {
      std::set<std::string> undescribed;
      FindUndescribed(version["schema"]["openAPIV3Schema"], "", undescribed);
      EXPECT_EQ(undescribed, std::set<std::string>()) << plural;
    }
  }
}

TEST_F(DefinitionsTest, EveryWordIsOneOfASchema) {
  for (const auto& [plural, definition] : definitions_) {
    for (const Json& version : definition["spec"]["versions"]) {
      std::set<std::string> strange;
      FindStrangeWords(version["schema"]["openAPIV3Schema"], "", strange);
      EXPECT_EQ(strange, std::set<std::string>()) << plural;
    }
  }
}

TEST_F(DefinitionsTest, EveryKindHasAShortNameTheCategoryAndColumns) {
  const std::map<std::string, std::string> short_names = {{"edgehosts", "eh"},   {"iotclusters", "icl"},
                                                          {"iotslices", "isl"},  {"iotgateways", "igw"},
                                                          {"iotservers", "isv"}, {"iotdevices", "idv"}};
  for (const auto& [plural, definition] : definitions_) {
    SCOPED_TRACE(plural);
    EXPECT_EQ(definition["spec"]["names"]["shortNames"], Json::array({short_names.at(plural)}));
    EXPECT_EQ(definition["spec"]["names"]["categories"], Json::array({"slicelet"}));
    for (const Json& version : definition["spec"]["versions"]) {
      const Json& properties = version["schema"]["openAPIV3Schema"]["properties"];
      std::map<std::string, std::string> columns;
      for (const Json& column : version["additionalPrinterColumns"]) {
        const std::string path = TextAt(column, {"jsonPath"});
        columns[TextAt(column, {"name"})] = path;
        // What it shows is there to be shown.
        if (path.rfind(".metadata.", 0) == 0) continue;
        const Json* at = &properties;
        for (std::size_t begin = 1; begin < path.size();) {
          const std::size_t end = std::min(path.find_first_of(".[", begin), path.size());
          ASSERT_TRUE(at->contains(path.substr(begin, end - begin))) << path;
          at = &at->at(path.substr(begin, end - begin));
          if (end == path.size() || path[end] == '[') break;
          at = &at->at("properties");
          begin = end + 1;
        }
      }
      EXPECT_EQ(columns["Age"], ".metadata.creationTimestamp");
      EXPECT_EQ(columns["Why"], R"(.status.conditions[?(@.type=="Ready")].message)");
      EXPECT_GT(columns.size(), 4U);
    }
  }
}

}  // namespace
}  // namespace slicelet::kube
