#pragma once

#include <cpprest/http_msg.h>
#include <cpprest/producerconsumerstream.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace slicelet {

/// Takes the bytes of a response body at the moment cpprestsdk has read them, instead of queueing them for a
/// reader. Runs on the library's threads, one call at a time.
class BodySink : public concurrency::streams::details::basic_producer_consumer_buffer<std::uint8_t> {
 public:
  using Base = concurrency::streams::details::basic_producer_consumer_buffer<std::uint8_t>;
  explicit BodySink(std::function<void(std::string_view)> consume) : Base(1), consume_(std::move(consume)) {}

  /// For `http_request::set_response_stream`.
  static concurrency::streams::ostream Stream(std::function<void(std::string_view)> consume) {
    return concurrency::streams::ostream(Handle(std::make_shared<BodySink>(std::move(consume))));
  }

 protected:
  using Base::_putn;
  pplx::task<std::size_t> _putn(const std::uint8_t* bytes, std::size_t count) override {
    consume_({reinterpret_cast<const char*>(bytes), count});
    return pplx::task_from_result(count);
  }

 private:
  class Handle : public concurrency::streams::streambuf<std::uint8_t> {
   public:
    explicit Handle(std::shared_ptr<BodySink> sink) : streambuf(std::move(sink)) {}
  };

  std::function<void(std::string_view)> consume_;
};

/// A whole answer's body, which is read no further than a bound: the request is cancelled there, and with it
/// its connection. The library itself would take all that comes, and its time limit begins anew with every
/// piece.
class BoundedBody {
 public:
  BoundedBody(std::size_t most, pplx::cancellation_token_source cancel)
      : most_(most), cancel_(std::move(cancel)) {}

  /// On a library thread.
  void Consume(std::string_view bytes) {
    {
      const std::lock_guard lock(mutex_);
      if (too_large_) return;
      too_large_ = bytes.size() > most_ - bytes_.size();
      if (!too_large_) {
        bytes_.append(bytes);
        return;
      }
      bytes_ = std::string();
    }
    cancel_.cancel();
  }
  [[nodiscard]] bool too_large() const {
    const std::lock_guard lock(mutex_);
    return too_large_;
  }
  std::string Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(bytes_, {});
  }

 private:
  const std::size_t most_;
  pplx::cancellation_token_source cancel_;
  mutable std::mutex mutex_;
  std::string bytes_;
  bool too_large_ = false;
};

}  // namespace slicelet
