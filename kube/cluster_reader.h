#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/base/status.h"
#include "kube/kube_api.h"

namespace slicelet::kube {

/// Whether a cluster has something that whoever uses it may count on, in a condition's words.
struct ClusterFeature {
  /// True, False, or Unknown when it can not be read.
  std::string status;
  std::string reason;
  std::string message;

  friend bool operator==(const ClusterFeature&, const ClusterFeature&) = default;
};

/// What an API server says of its cluster.
struct ClusterFacts {
  /// Its address.
  std::string server;
  /// Of its namespace kube-system, by which a cluster is known.
  std::string uid;
  std::string version;
  std::int64_t nodes = 0;
  /// A StorageClass for claims that name none, and a network for pods.
  ClusterFeature storage_class{};
  ClusterFeature network_plugin{};

  friend bool operator==(const ClusterFacts&, const ClusterFacts&) = default;
};

/// A kubeconfig with everything inside it.
struct KubeConfigText {
  std::string text;
  /// What it is, for errors.
  std::string name;
  /// Empty: its current-context.
  std::string context;

  friend bool operator==(const KubeConfigText&, const KubeConfigText&) = default;
};

/// Asks API servers who they are, and opens them.
class ClusterReader {
 public:
  virtual ~ClusterReader() = default;
  /// `way` nullopt: the program's own cluster. InvalidArgument: the kubeconfig can not be used, and why;
  /// Unauthenticated or PermissionDenied: the server refuses its user; else the server can not be reached.
  virtual void Read(const std::optional<KubeConfigText>& way, Callback<ClusterFacts> done) = 0;
  /// A client of it, which this object must outlive. Nothing is asked yet; errors as above.
  virtual absl::StatusOr<std::unique_ptr<KubeApi>> Open(const KubeConfigText& way) = 0;
};

}  // namespace slicelet::kube
