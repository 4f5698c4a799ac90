#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/stream/message_pipe.h"

namespace slicelet {

/// Several ways in, one door: connections of all of them are handed over as if they came from one.
template <typename Out, typename In>
class CombinedAcceptor : public Acceptor<Out, In> {
 public:
  /// They must outlive this object.
  explicit CombinedAcceptor(std::vector<Acceptor<Out, In>*> acceptors) : acceptors_(std::move(acceptors)) {}
  void Start(typename Acceptor<Out, In>::OnAccept on_accept) override {
    for (auto* acceptor : acceptors_) acceptor->Start(on_accept);
  }
  void Forget(const std::string& peer) override {
    for (auto* acceptor : acceptors_) acceptor->Forget(peer);
  }

 private:
  const std::vector<Acceptor<Out, In>*> acceptors_;
};

}  // namespace slicelet
