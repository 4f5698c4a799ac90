#include "common/rest/cpprest.h"

#include <pplx/threadpool.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>

namespace slicelet {
namespace {

constexpr int kThreads = 4;

}  // namespace

void LimitCpprestThreads() {
  static std::once_flag once;
  std::call_once(once, [] {
    try {
      crossplat::threadpool::initialize_with_threads(kThreads);
    } catch (const std::exception&) {
      // Somebody in this process used the library before us; its pool serves as well.
    }
  });
}

void DisableNagle(void* handle, bool tls) {
  using boost::asio::ip::tcp;
  boost::system::error_code ignored;
  const tcp::no_delay option(true);
  if (tls) {
    static_cast<boost::asio::ssl::stream<tcp::socket&>*>(handle)->next_layer().set_option(option, ignored);
  } else {
    static_cast<tcp::socket*>(handle)->set_option(option, ignored);
  }
}

}  // namespace slicelet
