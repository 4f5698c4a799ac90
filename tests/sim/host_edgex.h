#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "edge-agent/edgex/testing/fake_edgex.h"

namespace slicelet::sim {

/// The EdgeX services of one machine's gateways, each behind its pod's address: they outlive the agent.
class HostEdgex {
 public:
  explicit HostEdgex(Loop& loop) : loop_(loop) {}

  /// For one life of the agent.
  std::unique_ptr<agent::EdgexClient> MakeClient() { return std::make_unique<Client>(*this); }

 private:
  class Client : public agent::EdgexClient {
   public:
    explicit Client(HostEdgex& edgex) : edgex_(edgex) {}
    void Send(const Endpoint& endpoint, const Request& request, Callback<Answer> done) override {
      edgex_.At(endpoint.host).Send(endpoint, request, lifetime_.Guard(std::move(done)));
    }

   private:
    HostEdgex& edgex_;
    Lifetime lifetime_;
  };

  agent::FakeEdgex& At(const std::string& address) {
    auto& found = gateways_[address];
    if (!found) {
      found = std::make_unique<agent::FakeEdgex>(loop_);
      found->services["device-virtual"] = {{"name", "device-virtual"}};
    }
    return *found;
  }

  Loop& loop_;
  std::map<std::string, std::unique_ptr<agent::FakeEdgex>> gateways_;
};

}  // namespace slicelet::sim
