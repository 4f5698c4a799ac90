#pragma once

#include <memory>

#include "common/base/file_system.h"
#include "common/loop/loop.h"
#include "kube/http/kube_config.h"
#include "kube/kube_api.h"

namespace slicelet::kube {

/// A real API server over HTTPS, with cpprestsdk. Connections are kept and used again; answers are parsed on
/// the library's four threads and arrive on `loop`. At most `kMaxParallelCalls` calls run at once, the rest
/// wait their turn, so that a burst uses warm connections instead of opening new ones.
///
/// A watch has a connection of its own. Its events are read as the bytes arrive, and silence of more than two
/// missed bookmarks ends it with Unavailable.
///
/// `loop` and `files` must outlive it. After its destruction no callback follows.
std::unique_ptr<KubeApi> MakeHttpKubeApi(const KubeConfig& config, Loop& loop, FileSystem& files);

inline constexpr int kMaxParallelCalls = 8;
/// Calls that wait for their turn. One more is answered with Unavailable.
inline constexpr std::size_t kMaxWaitingCalls = 10'000;

}  // namespace slicelet::kube
