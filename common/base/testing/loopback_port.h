#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <random>
#include <string>

namespace slicelet {

inline sockaddr_in LoopbackAddress(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/// Whether a server on it takes connections.
inline bool LoopbackPortAccepts(int port) {
  const int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = LoopbackAddress(port);
  const bool connected = connect(one, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(one);
  return connected;
}

/// A port that no other test of this machine is given while this process lives, also while nobody listens on
/// it. It lies below the range of outgoing connections, as tests/harness/ports.py says, which shares its
/// locks. 0 when none is found.
inline int FreeLoopbackPort() {
  constexpr int kFirst = 10000;
  constexpr int kCount = 20000;
  const std::string locks = "/tmp/slicelet-ports";
  mkdir(locks.c_str(), 0777);
  std::random_device random;
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const int port = kFirst + static_cast<int>(random() % kCount);
    const int lock = open((locks + "/" + std::to_string(port)).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0) continue;
    if (flock(lock, LOCK_EX | LOCK_NB) == 0 && !LoopbackPortAccepts(port)) return port;  // held to the end
    close(lock);
  }
  return 0;
}

}  // namespace slicelet
