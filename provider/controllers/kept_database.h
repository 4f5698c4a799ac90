#pragma once

#include <string>
#include <vector>

#include "provider/controllers/pod_parts.h"
#include "provider/controllers/world.h"

namespace slicelet::provider {

/// A PostgreSQL whose data lies in a directory of its host and outlives containers and pods. It is mounted as
/// volume "database" at /var/lib/postgresql, owned, begun and run by containers of one image that has `sh`,
/// `chown`, `flock` and PostgreSQL's programs.
struct KeptDatabase {
  std::string image;
  /// Made when the data begins.
  std::vector<std::string> databases;
  /// The variable DATABASE_PASSWORD: that of user postgres, from this start on.
  Json password;
  /// The password may have quotes in it.
  bool quoted = false;
};

/// An init container that gives what is mounted to "USER:GROUP": a directory of the host belongs to root.
Json OwnDirectory(const std::string& name, const std::string& image, const Json& mount,
                  const std::string& owner);
/// The same for the data: "own-data".
Json OwnData(const KeptDatabase& database);
/// The init container "begin-database": the data is there as a whole or not at all, whenever it is killed.
Json BeginDatabase(const KeptDatabase& database);
/// The container "postgres".
Json RunDatabase(const std::string& image);

/// A directory of the host, made when it is not there.
Json KeptVolume(const std::string& name, const std::string& path);

/// Where what is kept of an IotGateway or an IotServer lies: below its spec.dataPath. No two objects ever
/// share it.
std::string DataPathOf(const Json& owner);

}  // namespace slicelet::provider
