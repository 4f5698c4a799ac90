#include "common/rest/cpprest.h"

#include <pplx/threadpool.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "common/log/log.h"

namespace slicelet {
namespace {

constexpr int kThreads = 4;

}  // namespace

void LimitCpprestThreads() {
  static std::once_flag once;
  std::call_once(once, [] {
    try {
      crossplat::threadpool::initialize_with_threads(kThreads);
    } catch (const std::exception& used) {
      // By somebody in this process, before us; that pool serves as well.
      LogDebug("cpprestsdk has its threads already", {{"why", used.what()}});
    }
  });
}

void DisableNagle(void* handle, bool tls) {
  using boost::asio::ip::tcp;
  auto& socket = tls ? static_cast<boost::asio::ssl::stream<tcp::socket&>*>(handle)->next_layer()
                     : *static_cast<tcp::socket*>(handle);
  boost::system::error_code refused;
  if (socket.set_option(tcp::no_delay(true), refused))
    LogDebug("a socket keeps Nagle's algorithm for now", {{"why", refused.message()}});
}

void LeaveProcess(int exit_code) {
  std::cout.flush();
  std::fflush(nullptr);
  std::_Exit(exit_code);
}

}  // namespace slicelet
