#pragma once

#include <memory>

#include "common/base/file_system.h"
#include "common/loop/loop.h"
#include "kube/cluster_reader.h"
#include "kube/http/kube_config.h"

namespace slicelet::kube {

/// Over HTTPS; `own` is how the program's own cluster is reached. Each question has connections of its own: a
/// kubeconfig may differ every time. Its user needs get of namespace kube-system and list of nodes, and for
/// the default StorageClass to be told list of storageclasses.
///
/// `loop` and `files` must outlive it. After its destruction no callback follows.
std::unique_ptr<ClusterReader> MakeHttpClusterReader(KubeConfig own, Loop& loop, FileSystem& files);

}  // namespace slicelet::kube
