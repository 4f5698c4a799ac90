#include "cli/hub_commands.h"

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "common/base/file_system.h"
#include "provider/enrol/hub_renewal.h"
#include "provider/enrol/hub_revocation.h"
#include "provider/enrol/hub_secret.h"

namespace slicelet::cli {
namespace {

/// Configuration files hold absolute paths, wherever the programs are started.
std::string Absolute(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

/// `then`: what systemctl is to do on the host.
void SayWhatToCopy(const std::string& credentials, const std::string& host, const char* then) {
  std::fprintf(stderr, "copy %s to %s as /etc/slicelet/host.json, then: systemctl %s\n", credentials.c_str(),
               host.c_str(), then);
}

}  // namespace

absl::Status RunHubInit(std::string directory, provider::HubOptions options) {
  directory = Absolute(directory);
  if (!options.kubeconfig.empty()) options.kubeconfig = Absolute(options.kubeconfig);
  const auto files = MakeSystemFileSystem();
  SLICELET_RETURN_IF_ERROR(provider::InitHub(directory, options, *files, SystemClock().Now()));
  std::printf("hub %s is in %s\n\n", options.name.c_str(), directory.c_str());
  std::printf("  provider.yaml shim.yaml   configuration of slicelet-provider and slicelet-shim\n");
  std::printf(
      "  operator.yaml             configuration of slicectl: export SLICELET_CONFIG=%s/operator.yaml\n",
      directory.c_str());
  std::printf(
      "  ca.key root.key           keep them secret; only 'host add', 'hub renew', 'hub revoke' and key "
      "rotation need them\n\n");
  std::printf("next:\n");
  if (!options.mqtt_endpoint.empty())
    std::printf("  mosquitto -c %s/mosquitto/mosquitto.conf\n", directory.c_str());
  std::printf("  slicelet-provider --config %s/provider.yaml\n", directory.c_str());
  std::printf("  slicelet-shim --config %s/shim.yaml\n", directory.c_str());
  std::printf("  slicectl host add NAME --dir %s%s\n", directory.c_str(),
              options.kubeconfig.empty() ? "" : " | kubectl apply -f -");
  return absl::OkStatus();
}

absl::Status RunHubSecret(const std::string& directory, const std::string& name, const std::string& ns) {
  const auto files = MakeSystemFileSystem();
  SLICELET_ASSIGN_OR_RETURN(const std::string secret,
                            provider::HubSecret(Absolute(directory), name, ns, *files));
  std::fputs(secret.c_str(), stdout);
  return absl::OkStatus();
}

absl::Status RunHubRevoke(const std::string& directory, const std::string& host) {
  const auto files = MakeSystemFileSystem();
  SLICELET_ASSIGN_OR_RETURN(const provider::RevokedHost revoked,
                            provider::RevokeHost(Absolute(directory), host, *files, SystemClock().Now()));
  std::printf("%s lists what host %s was given: %d certificate%s\n", revoked.list_path.c_str(), host.c_str(),
              revoked.certificates, revoked.certificates == 1 ? "" : "s");
  std::printf("next:\n");
  if (!revoked.missing_line.empty()) {
    std::printf("  add to the broker's configuration, and restart the broker: %s\n",
                revoked.missing_line.c_str());
  }
  std::printf("  give the broker the new list and restart it, which also ends the host's connection\n");
  std::printf("  slicectl host revoke %s     so that the provider refuses it too\n", host.c_str());
  return absl::OkStatus();
}

absl::Status RunHubRenew(const std::string& directory) {
  const std::string dir = Absolute(directory);
  const auto files = MakeSystemFileSystem();
  SLICELET_ASSIGN_OR_RETURN(const provider::RenewedHub renewed,
                            provider::RenewHub(dir, *files, SystemClock().Now()));
  std::printf("renewed in %s, with the keys that were there, until %s%s:\n", dir.c_str(),
              FormatTime(renewed.not_after).c_str(),
              renewed.until_authority_ends ? ", when the hub's authority ends" : "");
  bool broker = false;
  for (const std::string& file : renewed.renewed) {
    std::printf("  %s\n", file.c_str());
    if (file.rfind("mosquitto/", 0) == 0) broker = true;
  }
  if (!renewed.missing.empty()) {
    std::printf("not here, and not renewed (copy them here, renew, and copy them back):\n");
    for (const std::string& file : renewed.missing) std::printf("  %s\n", file.c_str());
  }
  std::printf("next:\n");
  std::printf("  programs that read these files take the new ones within a minute: restart nothing\n");
  if (broker)
    std::printf("  give the broker mosquitto/mqtt-broker.crt where it reads another copy, and restart it\n");
  std::printf("  in the cluster: 'slicectl hub secret --dir %s ... | kubectl apply -f -'%s\n", dir.c_str(),
              broker ? ", then restart the broker's Deployment" : "");
  if (renewed.hosts.empty()) return absl::OkStatus();
  std::printf("hosts whose certificates end within half a year:\n");
  for (const auto& [host, end] : renewed.hosts) {
    std::printf("  %s   slicectl host add %s --renew --dir %s\n", FormatTime(end).c_str(), host.c_str(),
                dir.c_str());
  }
  return absl::OkStatus();
}

absl::Status RunHostRenew(HostAddOptions options) {
  options.directory = Absolute(options.directory);
  const auto files = MakeSystemFileSystem();
  SLICELET_ASSIGN_OR_RETURN(
      const provider::RenewedHost renewed,
      provider::RenewHost(options.directory, options.host, *files, SystemClock().Now()));
  std::fprintf(stderr, "renewed the certificate of host %s until %s; its keys are the same\n",
               options.host.c_str(), FormatTime(renewed.not_after).c_str());
  SayWhatToCopy(renewed.credentials_path, options.host, "restart slicelet-agent (what it runs runs on)");
  return absl::OkStatus();
}

absl::Status RunHostAdd(HostAddOptions options) {
  options.directory = Absolute(options.directory);
  const auto files = MakeSystemFileSystem();
  SLICELET_ASSIGN_OR_RETURN(
      const provider::NewHost made,
      provider::AddHost(options.directory, options.host, options.ns, *files, SystemClock().Now()));
  const std::string manifests = options.directory + "/manifests";
  if (files->Stat(manifests + "/.slicelet-directory").ok()) {
    const std::string path = manifests + "/edgehost-" + options.host + ".yaml";
    SLICELET_RETURN_IF_ERROR(files->WriteAtomically(path, made.edge_host_yaml, 0644));
    std::fprintf(stderr, "approved host %s: %s\n", options.host.c_str(), path.c_str());
  } else {
    std::fputs(made.edge_host_yaml.c_str(), stdout);
    std::fprintf(stderr, "approve host %s by giving the object above to the cluster: kubectl apply -f -\n",
                 options.host.c_str());
  }
  SayWhatToCopy(made.credentials_path, options.host, "enable --now slicelet-agent");
  return absl::OkStatus();
}

}  // namespace slicelet::cli
