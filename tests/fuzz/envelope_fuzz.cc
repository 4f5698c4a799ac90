// Records of a channel (one byte), a length (two bytes, big endian) and that many bytes, as what comes from a
// broker: each is accepted or refused with a count, and what is kept of parts has its bound.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/mqtt/envelope.h"

using slicelet::EnvelopeFaults;
using slicelet::EnvelopeReader;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  EnvelopeFaults faults;
  EnvelopeReader reader(
      {.route = {"hub-1", slicelet::HostId("gw-1")},
       // The parser behind the signature is what is tried: an attacker may hold a host's key.
       .verify = [](const slicelet::v1::Envelope&) { return absl::OkStatus(); },
       .hub_now = [] { return std::optional<std::int64_t>(1'000); },
       .opener = nullptr},
      faults);
  reader.BeginSession(7);
  while (size > 3) {
    const auto channel = static_cast<slicelet::v1::Channel>(data[0] % 6);
    const std::size_t length = std::min<std::size_t>(data[1] * 256U + data[2], size - 3);
    const std::uint64_t before = faults.Total();
    const auto read = reader.Read(channel, std::string_view(reinterpret_cast<const char*>(data) + 3, length));
    if (!read.ok() && (faults.Total() != before + 1 || slicelet::Message(read.status()).empty()))
      std::abort();
    if (read.ok() && faults.Total() != before) std::abort();
    data += 3 + length;
    size -= 3 + length;
  }
  return 0;
}
