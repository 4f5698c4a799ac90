#include "edge-agent/app/machine.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>

namespace slicelet::agent {
namespace {

constexpr std::uint64_t kFileLimit = std::uint64_t{64} * 1024;
/// The kubelet's default hard eviction thresholds are kept back.
constexpr std::int64_t kReservedMemory = 100LL * 1024 * 1024;
constexpr int kUsableDiskPercent = 90;

/// The value of KEY=value or KEY="value" in /etc/os-release.
std::string OsRelease(FileSystem& files, const std::string& key) {
  const auto text = files.Read("/etc/os-release", kFileLimit);
  if (!text.ok()) return "";
  const auto at = ("\n" + *text).find("\n" + key + "=");
  if (at == std::string::npos) return "";
  std::string value = text->substr(at + key.size() + 1);
  value = value.substr(0, value.find('\n'));
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
    value = value.substr(1, value.size() - 2);
  return value;
}

std::int64_t MemoryTotal(FileSystem& files) {
  const auto text = files.Read("/proc/meminfo", kFileLimit);
  if (!text.ok()) return 0;
  const auto at = text->find("MemTotal:");
  if (at == std::string::npos) return 0;
  return std::strtoll(text->c_str() + at + sizeof("MemTotal:") - 1, nullptr, 10) * 1024;
}

/// As GOARCH, which is what Kubernetes labels say.
std::string Architecture(const std::string& machine) {
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  if (machine.rfind("arm", 0) == 0) return "arm";
  return machine;
}

/// The source address of the default route: connecting a datagram socket sends nothing.
std::string DefaultRouteAddress() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return "";
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(9);
  inet_pton(AF_INET, "192.0.2.1", &address.sin_addr);
  std::string result;
  socklen_t size = sizeof address;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    std::array<char, INET_ADDRSTRLEN> text{};
    if (inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size()) != nullptr) result = text.data();
  }
  close(fd);
  return result;
}

constexpr char kLoopback[] = "127.0.0.1";

/// Calls `each` with every interface that is up and has an address. False when the kernel does not tell.
bool ForEachInterface(const std::function<void(const ifaddrs&)>& each) {
  ifaddrs* interfaces = nullptr;
  if (getifaddrs(&interfaces) != 0) return false;
  for (const ifaddrs* one = interfaces; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr != nullptr && (one->ifa_flags & IFF_UP) != 0) each(*one);
  }
  freeifaddrs(interfaces);
  return true;
}

/// Containers' interfaces: a bridge they are joined by, or the host's end of a pair.
bool IsForContainers(const std::string& interface) {
  return interface.rfind("veth", 0) == 0 ||
         access(("/sys/class/net/" + interface + "/bridge").c_str(), F_OK) == 0;
}

std::vector<InterfaceAddress> InterfaceAddresses() {
  std::vector<InterfaceAddress> all;
  ForEachInterface([&all](const ifaddrs& one) {
    if (one.ifa_addr->sa_family != AF_INET || (one.ifa_flags & IFF_LOOPBACK) != 0) return;
    std::array<char, INET_ADDRSTRLEN> text{};
    const auto* address = reinterpret_cast<const sockaddr_in*>(one.ifa_addr);
    if (inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size()) == nullptr) return;
    const std::string own = text.data();
    all.push_back({own, own.rfind("169.254.", 0) == 0 || IsForContainers(one.ifa_name)});
  });
  return all;
}

}  // namespace

std::string ChooseAddress(const std::vector<InterfaceAddress>& interfaces, const std::string& before) {
  const InterfaceAddress* best = nullptr;
  for (const InterfaceAddress& one : interfaces) {
    if (one.address == before && !one.poor) return before;
    if (best == nullptr || (best->poor && !one.poor)) best = &one;
  }
  const bool known = !before.empty() && before != kLoopback;
  if (best == nullptr || (best->poor && known)) return known ? before : "";
  return best->address;
}

std::string FindAddress(const std::string& before) {
  const std::string of_route = DefaultRouteAddress();
  return of_route.empty() ? ChooseAddress(InterfaceAddresses(), before) : of_route;
}

bool HasAddress(const std::string& address) {
  in_addr v4{};
  in6_addr v6{};
  const bool is_v4 = inet_pton(AF_INET, address.c_str(), &v4) == 1;
  if (!is_v4 && inet_pton(AF_INET6, address.c_str(), &v6) != 1) return true;
  bool found = false;
  const bool told = ForEachInterface([&](const ifaddrs& one) {
    if (is_v4 && one.ifa_addr->sa_family == AF_INET) {
      const auto* own = reinterpret_cast<const sockaddr_in*>(one.ifa_addr);
      found = found || own->sin_addr.s_addr == v4.s_addr;
    } else if (!is_v4 && one.ifa_addr->sa_family == AF_INET6) {
      const auto* own = reinterpret_cast<const sockaddr_in6*>(one.ifa_addr);
      found = found || std::memcmp(&own->sin6_addr, &v6, sizeof v6) == 0;
    }
  });
  return found || !told;
}

std::string FirstLine(FileSystem& files, const std::string& path) {
  const auto text = files.Read(path, kFileLimit);
  return text.ok() ? text->substr(0, text->find('\n')) : "";
}

v1::NodeFacts DescribeMachine(FileSystem& files, const std::string& root, const std::string& address,
                              int max_pods) {
  v1::NodeFacts facts;
  facts.set_machine_id(FirstLine(files, "/etc/machine-id"));
  facts.set_system_uuid(FirstLine(files, "/sys/class/dmi/id/product_uuid"));
  utsname name{};
  if (uname(&name) == 0) {
    facts.set_kernel_version(name.release);
    facts.set_architecture(Architecture(name.machine));
  }
  facts.set_os_image(OsRelease(files, "PRETTY_NAME"));
  facts.set_operating_system("linux");
  facts.set_cpu_milli(1000 * static_cast<std::int64_t>(sysconf(_SC_NPROCESSORS_ONLN)));
  facts.set_allocatable_cpu_milli(facts.cpu_milli());
  facts.set_memory_bytes(MemoryTotal(files));
  facts.set_allocatable_memory_bytes(std::max<std::int64_t>(0, facts.memory_bytes() - kReservedMemory));
  if (const auto space = files.FreeSpace(root); space.ok()) {
    const auto total = static_cast<std::int64_t>(space->total);
    facts.set_ephemeral_storage_bytes(total);
    facts.set_allocatable_ephemeral_storage_bytes(total / 100 * kUsableDiskPercent);
  }
  facts.set_pods(max_pods);
  const std::string own = address.empty() ? FindAddress("") : address;
  facts.set_address(own.empty() ? kLoopback : own);
  return facts;
}

}  // namespace slicelet::agent
