#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/kinds/schema.h"
#include "kube/kube_api.h"

namespace slicelet::cli {

/// A Secret that a kind's spec names and that the command line can make.
struct KindSecret {
  std::string field;   // "credentialsSecret"
  std::string option;  // "--credentials-secret"
  /// What its name has after the object's when nobody names it.
  std::string suffix;
  /// On the Secret: the object's name.
  std::string label;
};

/// A noun of the command line and the kind of object behind it. Everything that is not told here (fields,
/// types, help, columns) is the kind's CustomResourceDefinition's to tell.
struct Kind {
  std::string noun;  // "gateway"
  kube::Resource resource;
  std::string about;
  /// It lives in the hub's namespace; the others live in their slice's.
  bool of_hub = false;
  /// Options that are named otherwise than their field: by path.
  std::map<std::string, std::string> options{};
  /// When the first is set, the others have no meaning any more.
  std::map<std::string, std::vector<std::string>> displaces{};
  /// A field that names another object of the same namespace, and that object's noun.
  std::map<std::string, std::string> refers{};
  /// Fields that have a verb of their own instead of `set`.
  std::vector<std::string> not_set{};
  /// Its deletion may wait for a party that is gone for good, and can be told not to: what that means. Empty:
  /// it cannot.
  std::string give_up{};
  std::optional<KindSecret> secret{};
  /// Command lines that work, by verb.
  std::map<std::string, std::string> examples;
};

/// cluster, slice, host, gateway, server, device.
const std::vector<Kind>& Kinds();
/// Null for what is no noun.
const Kind* FindKind(const std::string& noun);

/// "--target-condition": how the command line names a field.
std::string OptionOf(const Kind& kind, const Field& field);
/// The field behind an option, or null.
const Field* FieldOf(const Kind& kind, const std::string& option);
/// `iotgateway.slicelet.io/press`, as kubectl names and takes it.
std::string NameFor(const Kind& kind, const std::string& name);

}  // namespace slicelet::cli
