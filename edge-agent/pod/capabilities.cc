#include "edge-agent/pod/capabilities.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace slicelet::agent {
namespace {

/// containerd: oci/spec.go, defaultUnixCaps. The "baseline" of Kubernetes' Pod Security Standards, and
/// NET_RAW.
constexpr std::string_view kGivenAnyway[] = {
    "AUDIT_WRITE",      "CHOWN",   "DAC_OVERRIDE", "FOWNER", "FSETID",  "KILL",   "MKNOD",
    "NET_BIND_SERVICE", "NET_RAW", "SETFCAP",      "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"};

constexpr std::string_view kOthers[] = {"ALL",
                                        "AUDIT_CONTROL",
                                        "AUDIT_READ",
                                        "BLOCK_SUSPEND",
                                        "BPF",
                                        "CHECKPOINT_RESTORE",
                                        "DAC_READ_SEARCH",
                                        "IPC_LOCK",
                                        "IPC_OWNER",
                                        "LEASE",
                                        "LINUX_IMMUTABLE",
                                        "MAC_ADMIN",
                                        "MAC_OVERRIDE",
                                        "NET_ADMIN",
                                        "NET_BROADCAST",
                                        "PERFMON",
                                        "SYS_ADMIN",
                                        "SYS_BOOT",
                                        "SYS_MODULE",
                                        "SYS_NICE",
                                        "SYS_PACCT",
                                        "SYS_PTRACE",
                                        "SYS_RAWIO",
                                        "SYS_RESOURCE",
                                        "SYS_TIME",
                                        "SYS_TTY_CONFIG",
                                        "SYSLOG",
                                        "WAKE_ALARM"};

template <typename List>
bool Has(const List& list, const std::string& name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

}  // namespace

std::string CapabilityName(const std::string& text) {
  std::string name = text;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  if (name.starts_with("CAP_")) name.erase(0, 4);
  return name;
}

bool IsCapability(const std::string& name) { return Has(kGivenAnyway, name) || Has(kOthers, name); }

bool IsGivenAnyway(const std::string& name) { return Has(kGivenAnyway, name); }

}  // namespace slicelet::agent
