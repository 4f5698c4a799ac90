#pragma once

#include <string>

#include "kube/cluster/memory_cluster.h"

namespace slicelet::kube {

/// Writes what the manifests of a directory say, uids included.
inline constexpr char kDirectoryUser[] = "slicelet:directory";

enum class Verb { kGet, kList, kWatch, kCreate, kUpdate, kPatch, kDelete };

struct Access {
  Verb verb = Verb::kGet;
  ObjectRef ref;
  const Selector* selector = nullptr;  // of a list or a watch
  const Json* object = nullptr;        // what would be stored, where that is known
};

bool IsNodeUser(const User& user);

/// What the Node authorizer and NodeRestriction admission let a node identity do (1.36); everybody else may
/// do everything. As there, an object that does not exist or is unrelated answers 403, so that 403 is never
/// evidence.
absl::Status CheckAccess(const MemoryCluster& cluster, const User& user, const Access& access);

}  // namespace slicelet::kube
