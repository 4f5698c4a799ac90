#pragma once

#include <string>

#include "common/base/status.h"

namespace slicelet::agent {

/// OK when `name` is a well-formed image reference: [HOST[:PORT]/]PATH[:TAG][@DIGEST]
/// (distribution/reference).
absl::Status CheckImageName(const std::string& name);

/// "docker.io/library/nginx" for "nginx:1": where credentials are looked up.
std::string RepositoryOf(const std::string& name);

}  // namespace slicelet::agent
