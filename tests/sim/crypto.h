#pragma once

#include <cstdint>
#include <string>

namespace slicelet::sim {

/// Makes every random byte of OpenSSL follow from `seed`, so that sealed blobs, and with them digests, are
/// the same in every replay. For the simulation's process only.
void SeedCrypto(std::uint64_t seed);

/// The sealing key of the `n`-th host: the same in every run.
const std::string& SealingKeyPem(std::size_t n);

}  // namespace slicelet::sim
