#include "common/base/ip_address.h"

#include <arpa/inet.h>

namespace slicelet {

bool IsIpAddress(const std::string& text) {
  // What comes after it would be left unread.
  if (text.find('\0') != std::string::npos) return false;
  unsigned char parsed[sizeof(in6_addr)];
  return inet_pton(AF_INET, text.c_str(), parsed) == 1 || inet_pton(AF_INET6, text.c_str(), parsed) == 1;
}

}  // namespace slicelet
