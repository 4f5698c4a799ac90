// Any bytes of a client and of a host's runtime in a session of exec: they are translated or refused with a
// reason, the client hears nothing before the runtime has upgraded, and neither side's bytes make more than
// they can. A byte says whose the next ones are (its highest bit: the client's), and how many.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "kubelet-shim/channels/channel_translator.h"

using slicelet::shim::ChannelTranslator;

namespace {

/// The answer to the upgrade and five opened streams.
constexpr std::size_t kGreeting = 1'024;
/// A ping of 6 bytes, or a byte of input, makes fewer.
constexpr std::size_t kGrowth = 12;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  ChannelTranslator translator({.in = true, .out = true, .err = true, .tty = size % 2 == 0}, "key");
  while (!rest.empty()) {
    const auto head = static_cast<std::uint8_t>(rest.front());
    rest.remove_prefix(1);
    const auto bytes = rest.substr(0, head & 0x7f);
    rest.remove_prefix(bytes.size());
    const bool client = (head & 0x80) != 0;
    // So does the session.
    if (client && !translator.opened()) continue;
    const auto output = client ? translator.FromClient(bytes) : translator.FromRuntime(bytes);
    if (!output.ok()) {
      if (slicelet::Message(output.status()).empty()) std::abort();
      return 0;
    }
    if (!translator.upgraded() && !output->to_client.empty()) std::abort();
    if (output->to_client.size() + output->to_runtime.size() > kGreeting + kGrowth * bytes.size())
      std::abort();
    if (output->closed) return 0;
  }
  return 0;
}
