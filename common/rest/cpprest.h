#pragma once

#include <mutex>

#include "common/loop/loop.h"

namespace slicelet {

/// Posts to a loop that may be gone: cpprestsdk's threads finish what they do in their own time.
class LoopGate {
 public:
  explicit LoopGate(Loop& loop) : loop_(&loop) {}
  void Post(Loop::Task task) {
    const std::lock_guard lock(mutex_);
    if (loop_ != nullptr) loop_->Post(std::move(task));
  }
  void Close() {
    const std::lock_guard lock(mutex_);
    loop_ = nullptr;
  }

 private:
  std::mutex mutex_;
  Loop* loop_;
};

/// To be called before the library is used: otherwise it starts 40 threads.
void LimitCpprestThreads();

/// For `http_client_config::set_nativehandle_options`. The library writes head and body of a request apart;
/// with Nagle's algorithm the second would wait for the server's delayed acknowledgement. A socket that is
/// not open yet refuses the option and gets it at its next use.
void DisableNagle(void* handle, bool tls);

/// The end of `main`. Prints what is buffered and ends the process without the handlers of exit: the
/// library's threads may be inside TLS, which OpenSSL's handler takes apart under them, and good work would
/// end with a crash.
[[noreturn]] void LeaveProcess(int exit_code);

}  // namespace slicelet
