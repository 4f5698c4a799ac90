#pragma once

#include <optional>
#include <string>

#include "common/base/file_system.h"
#include "common/http/http_server.h"
#include "common/http/watched_files.h"
#include "common/loop/loop.h"

namespace slicelet {

/// A listener whose certificate and key are PEM files that may be replaced while it serves: new connections
/// get the new ones.
class WatchedListener {
 public:
  /// The references must outlive it.
  WatchedListener(Loop& loop, FileSystem& files, HttpServer& server,
                  Duration interval = WatchedFiles::kInterval)
      : loop_(loop), files_(files), server_(server), interval_(interval) {}

  /// As `HttpServer::Listen`, which sets the listener's certificate and key from the files. An error in
  /// reading them names the file.
  absl::StatusOr<int> Open(HttpServer::Listener listener, const std::string& certificate_file,
                           const std::string& key_file);

 private:
  Loop& loop_;
  FileSystem& files_;
  HttpServer& server_;
  const Duration interval_;
  bool open_ = false;
  std::optional<WatchedFiles> watched_;
};

}  // namespace slicelet
