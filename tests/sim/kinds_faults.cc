// Faults of the calls that controllers make.
#include <utility>

#include "tests/sim/world.h"

namespace slicelet::sim {

namespace {

/// Less than the product needs to believe a refusal.
constexpr Duration kAuthLag = std::chrono::seconds(20);

}  // namespace

void World::KillProviderAtWrite(int nth, bool carried_out, std::optional<std::uint64_t> hasty) {
  if (!kinds_) return;
  around_.story.Tell("provider: will be killed by its controllers' write " + std::to_string(nth) +
                     " from now on");
  around_.controller_faults.write = {nth, carried_out};
  hasty_ = hasty;
}

void World::KillProviderAtRequest(int nth, bool carried_out, std::optional<std::uint64_t> hasty) {
  if (!kinds_) return;
  around_.story.Tell("provider: will be killed by request " + std::to_string(nth) +
                     " to the IoT server from now on");
  around_.controller_faults.request = {nth, carried_out};
  hasty_ = hasty;
}

void World::Conflict(std::uint64_t parts, Duration time) {
  around_.story.Tell("api: controllers meet conflicts" + For(time));
  around_.controller_faults.conflicts = parts;
  After(time, [this] { around_.controller_faults.conflicts = 0; });
}

void World::TroubleIotServer(IotService::Trouble trouble, Duration time) {
  if (!around_.iot) return;
  around_.story.Tell("iot server: trouble " + std::to_string(static_cast<int>(trouble)) + For(time));
  around_.iot->SetTrouble(trouble);
  // Its services find an auth that has come back only after a while.
  const bool lags = trouble == IotService::Trouble::kAuthDown;
  After(time, [this, lags] {
    around_.iot->SetTrouble(lags ? IotService::Trouble::kAuthComesBack : IotService::Trouble::kNone);
    if (lags) After(kAuthLag, [this] { around_.iot->SetTrouble(IotService::Trouble::kNone); });
  });
}

void World::RestartProvider() {
  After(kRestart, [this] { provider_->Start(); });
  if (!hasty_) return;
  After(kRestart / 2, [this, pick = *std::exchange(hasty_, std::nullopt)] {
    if (pick % 3 == 0)
      kinds_->ChangeGateway(pick / 3);
    else
      kinds_->DeleteGatewayInHand(pick / 3);
  });
}

}  // namespace slicelet::sim
