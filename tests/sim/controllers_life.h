#pragma once

#include <memory>

#include "common/rest/http_client.h"
#include "provider/controllers/engine.h"
#include "provider/controllers/testing/fake_cluster_reader.h"
#include "provider/hub/hub.h"
#include "tests/sim/iot_service.h"

namespace slicelet::sim {

struct Surroundings;

/// As whom they speak with the API server.
inline constexpr char kControllersUser[] = "slicelet:controllers";

/// What goes wrong with the calls that controllers make.
struct ControllerFaults {
  /// Writes to the API server, and requests to the IoT server.
  FatalCall write, request;
  /// So many of a million writes meet a conflict.
  std::uint64_t conflicts = 0;
  /// A fatal call was made: the provider is to be killed before it does anything more.
  bool struck = false;
};

/// The controllers of the product in one life of the provider, beside its hub.
class ControllersLife {
 public:
  /// `around.iot` is there. All must outlive it.
  ControllersLife(Surroundings& around, Random& random, provider::Hub& hub);
  ~ControllersLife();

  void Start() { engine_->Start(); }

 private:
  std::unique_ptr<kube::KubeApi> api_;
  std::unique_ptr<HttpClient> http_;
  provider::FakeClusterReader clusters_;
  std::unique_ptr<provider::Engine> engine_;
};

}  // namespace slicelet::sim
