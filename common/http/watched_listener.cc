#include "common/http/watched_listener.h"

#include <utility>
#include <vector>

namespace slicelet {

absl::StatusOr<int> WatchedListener::Open(HttpServer::Listener listener, const std::string& certificate_file,
                                          const std::string& key_file) {
  watched_.emplace(
      loop_, files_, std::vector{certificate_file, key_file},
      [this, name = listener.name](const std::vector<std::string>& pem) {
        return open_ ? server_.SetCertificate(name, pem[0], pem[1]) : absl::OkStatus();
      },
      interval_);
  SLICELET_RETURN_IF_ERROR(watched_->Start());
  listener.certificate_pem = watched_->contents()[0];
  listener.key_pem = watched_->contents()[1];
  SLICELET_ASSIGN_OR_RETURN(const int port, server_.Listen(listener));
  open_ = true;
  return port;
}

}  // namespace slicelet
