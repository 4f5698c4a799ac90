#include "cli/kube/blocking.h"

#include <boost/asio/io_context.hpp>

namespace slicelet::cli {

void RunUntil(AsioLoop& loop, const std::function<bool()>& done) {
  auto* context = static_cast<boost::asio::io_context*>(loop.io_context());
  while (!done()) context->run_one();
}

}  // namespace slicelet::cli
