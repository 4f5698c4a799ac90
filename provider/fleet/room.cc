#include "provider/fleet/room.h"

#include <algorithm>

namespace slicelet::provider {

std::int64_t MaxReplicas(const Room& free, const Room& app) {
  // Also what takes nothing of it has no place where there is too little already.
  if (free.cpu_milli < 0 || free.memory_bytes < 0) return 0;
  std::int64_t replicas = Room::kNoLimit;
  if (app.cpu_milli > 0) replicas = std::min(replicas, free.cpu_milli / app.cpu_milli);
  if (app.memory_bytes > 0) replicas = std::min(replicas, free.memory_bytes / app.memory_bytes);
  return replicas;
}

}  // namespace slicelet::provider
