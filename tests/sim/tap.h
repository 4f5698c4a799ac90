#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "common/stream/message_pipe.h"

namespace slicelet::sim {

/// Sits between a program and its pipe: sees every message, and may change, drop or add some. This is where
/// the simulation looks at what was said, and where planted bugs of the messages live.
template <typename Out, typename In>
class TapConnector : public Connector<Out, In> {
 public:
  using Pipe = MessagePipe<Out, In>;
  template <typename Message>
  using Filter = std::function<std::vector<Message>(Message)>;

  TapConnector(std::unique_ptr<Connector<Out, In>> inner, Filter<Out> on_send, Filter<In> on_receive)
      : inner_(std::move(inner)), on_send_(std::move(on_send)), on_receive_(std::move(on_receive)) {}

  std::unique_ptr<Pipe> Connect(typename Pipe::Handler handler) override {
    auto deliver = std::move(handler.on_message);
    handler.on_message = [deliver = std::move(deliver), filter = on_receive_](In message) {
      // The receiver may close its pipe on the first message; what follows is then for nobody.
      for (In& kept : filter(std::move(message))) deliver(std::move(kept));
    };
    return std::make_unique<TapPipe>(inner_->Connect(std::move(handler)), on_send_);
  }

 private:
  class TapPipe : public Pipe {
   public:
    TapPipe(std::unique_ptr<Pipe> inner, Filter<Out> filter)
        : inner_(std::move(inner)), filter_(std::move(filter)) {}
    void Send(Out message) override {
      for (Out& kept : filter_(std::move(message))) inner_->Send(std::move(kept));
    }
    void Close() override { inner_->Close(); }

   private:
    std::unique_ptr<Pipe> inner_;
    Filter<Out> filter_;
  };

  std::unique_ptr<Connector<Out, In>> inner_;
  Filter<Out> on_send_;
  Filter<In> on_receive_;
};

}  // namespace slicelet::sim
