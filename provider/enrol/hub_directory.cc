#include "provider/enrol/hub_directory.h"

#include <cctype>
#include <iterator>
#include <nlohmann/json.hpp>

#include "common/base/encoding.h"
#include "common/base/names.h"
#include "common/base/random.h"
#include "common/crypto/sealing.h"
#include "common/crypto/signing.h"
#include "common/json/json.h"
#include "common/tls/pki.h"
#include "provider/enrol/certificate_names.h"
#include "provider/enrol/mqtt_files.h"

namespace slicelet::provider {
namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{1024} * 1024;
constexpr std::uint32_t kSecret = 0600;
constexpr std::uint32_t kPublic = 0644;

bool IsPort(const std::string& text) {
  // The length first: what is longer may not fit into an int.
  return !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == std::string::npos &&
         std::stoi(text) >= 1 && std::stoi(text) <= 65'535;
}

/// HOST of HOST:PORT, without the brackets of an IPv6 address.
absl::StatusOr<std::string> HostOf(const std::string& endpoint, const std::string& whose = "agents'") {
  const std::size_t colon = endpoint.rfind(':');
  if (colon == std::string::npos || colon == 0 || !IsPort(endpoint.substr(colon + 1))) {
    return absl::InvalidArgumentError("the " + whose + " endpoint must be HOST:PORT, got \"" + endpoint +
                                      "\"");
  }
  std::string host = endpoint.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return host;
}

/// Double-quoted YAML, which is JSON.
std::string Quoted(const std::string& text) { return Json(text).dump(); }

std::string ProviderYaml(const std::string& dir, const HubOptions& options) {
  std::string yaml = "# slicelet-provider of hub " + options.name + "\n";
  yaml += "hub: " + Quoted(options.name) + "\n";
  yaml += "database: " + Quoted(dir + "/provider.db") + "\n";
  yaml += "manifestKey: " + Quoted(dir + "/manifest.key") + "\n";
  yaml += "keyCertificates: [" + Quoted(dir + "/manifest.cert") + "]\n";
  yaml += "tagKey: " + Quoted(dir + "/tag.key") + "\n";
  yaml += "agents:\n  listen: " + Quoted(options.agent_listen) + "\n  ca: " + Quoted(dir + "/ca.crt") +
          "\n  certificate: " + Quoted(dir + "/provider.crt") + "\n  key: " + Quoted(dir + "/provider.key") +
          "\n";
  yaml += "# Shim and slicectl, on this machine. For other machines see docs/operations.md.\n";
  yaml += "socket: " + Quoted(dir + "/provider.sock") + "\n";
  if (!options.mqtt_endpoint.empty()) yaml += MqttProviderYaml(dir, options.mqtt_endpoint);
  if (options.kubeconfig.empty()) {
    yaml += "directory: " + Quoted(dir + "/manifests") + "\n";
  } else {
    yaml += "kubeconfig: " + Quoted(options.kubeconfig) + "\n";
  }
  return yaml;
}

std::string ShimYaml(const std::string& dir, const HubOptions& options) {
  std::string yaml = "# slicelet-shim of hub " + options.name + "\n";
  yaml += "hub: " + Quoted(options.name) + "\n";
  yaml += "provider: " + Quoted("unix:" + dir + "/provider.sock") + "\n";
  yaml += "address: " + Quoted(options.shim_address) + "\n";
  yaml += "ports: {first: " + std::to_string(options.shim_first_port) +
          ", count: " + std::to_string(options.shim_ports) + "}\n";
  if (options.kubeconfig.empty()) {
    yaml += "directory: " + Quoted(dir + "/manifests") + "\n";
    yaml +=
        "# Standalone: slicectl is the only caller of the API; it shows the hub's operator certificate.\n";
    yaml += "tls:\n  ca: " + Quoted(dir + "/ca.crt") + "\n  certificate: " + Quoted(dir + "/shim.crt") +
            "\n  key: " + Quoted(dir + "/shim.key") + "\n";
  } else {
    yaml += "kubeconfig: " + Quoted(options.kubeconfig) + "\n";
    yaml += "# Certificates of the nodes, requested from the cluster; only a cache.\n";
    yaml += "certificates: " + Quoted(dir + "/shim-certificates") + "\n";
  }
  return yaml;
}

std::string OperatorYaml(const std::string& dir, const HubOptions& options) {
  std::string yaml = "# slicectl as operator of hub " + options.name + "\n";
  yaml += "hub: " + Quoted(options.name) + "\n";
  yaml += "ca: " + Quoted(dir + "/ca.crt") + "\n";
  yaml += "certificate: " + Quoted(dir + "/operator.crt") + "\n";
  yaml += "key: " + Quoted(dir + "/operator.key") + "\n";
  yaml += "provider: " +
          Quoted(options.provider_endpoint.empty() ? "unix:" + dir + "/provider.sock"
                                                   : options.provider_endpoint) +
          "\n";
  yaml += "shim: " + Quoted(options.shim_address + ":" + std::to_string(options.shim_first_port)) + "\n";
  return yaml;
}

/// Public key, 32 raw bytes, of an Ed25519 private key.
absl::StatusOr<std::string> SigningPublicKey(const std::string& pem) {
  SLICELET_ASSIGN_OR_RETURN(const auto signer, MakeSigner(pem));
  return signer->public_key();
}

}  // namespace

absl::Status CheckDnsLabel(const std::string& what, const std::string& name) {
  if (IsDnsLabel(name)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the " + what + " name \"" + name +
      "\" is not a DNS label: use 1 to 63 of a-z, 0-9 and '-', not '-' at the ends");
}

absl::Status InitHub(const std::string& directory, const HubOptions& options, FileSystem& files,
                     WallTime now) {
  SLICELET_RETURN_IF_ERROR(CheckDnsLabel("hub", options.name));
  SLICELET_ASSIGN_OR_RETURN(const std::string endpoint_host, HostOf(options.agent_endpoint));
  SLICELET_RETURN_IF_ERROR(HostOf(options.agent_listen).status());
  if (!options.mqtt_endpoint.empty()) {
    SLICELET_RETURN_IF_ERROR(HostOf(options.mqtt_endpoint, "MQTT broker's").status());
    SLICELET_RETURN_IF_ERROR(HostOf(options.mqtt_listen, "MQTT broker's").status());
  }
  std::string provider_host;
  if (!options.provider_endpoint.empty()) {
    SLICELET_ASSIGN_OR_RETURN(provider_host, HostOf(options.provider_endpoint, "provider's"));
  }
  if (files.Stat(directory + "/hub.json").ok()) {
    return absl::AlreadyExistsError(
        directory + " already holds a hub; its keys are never overwritten. Use another directory");
  }

  SLICELET_ASSIGN_OR_RETURN(const CertificateAndKey authority,
                            MakeAuthority("slicelet hub " + options.name, now, options.authority_validity));
  CertificateTemplate provider{.common_name = "slicelet-provider", .server = true};
  AddName(provider, endpoint_host);
  AddName(provider, "slicelet-provider");
  AddName(provider, "localhost");
  AddName(provider, "127.0.0.1");
  if (!provider_host.empty()) AddName(provider, provider_host);
  for (const std::string& name : options.alternative_names) AddName(provider, name);
  CertificateTemplate shim{
      .common_name = "slicelet-shim", .organizations = {"slicelet:shims"}, .server = true, .client = true};
  AddName(shim, options.shim_address);
  AddName(shim, "localhost");
  AddName(shim, "127.0.0.1");
  const CertificateTemplate oper{
      .common_name = "operator", .organizations = {"slicelet:operators"}, .client = true};
  const auto issue = [&](const CertificateTemplate& contents) {
    return IssueCertificate(authority, contents, now, options.certificate_validity);
  };
  SLICELET_ASSIGN_OR_RETURN(const CertificateAndKey provider_identity, issue(provider));
  SLICELET_ASSIGN_OR_RETURN(const CertificateAndKey shim_identity, issue(shim));
  SLICELET_ASSIGN_OR_RETURN(const CertificateAndKey operator_identity, issue(oper));

  const std::string root_key = GenerateSigningKeyPem();
  const std::string manifest_key = GenerateSigningKeyPem();
  SLICELET_ASSIGN_OR_RETURN(const auto root, MakeSigner(root_key));
  SLICELET_ASSIGN_OR_RETURN(const std::string manifest_public, SigningPublicKey(manifest_key));
  const v1::KeyCertificate manifest_certificate =
      CertifyKey(*root, options.name, manifest_public, "manifest", 1);
  SystemRandom random;

  SLICELET_RETURN_IF_ERROR(files.MakeDirectories(directory, 0700));
  SLICELET_RETURN_IF_ERROR(files.MakeDirectories(directory + "/hosts", 0700));
  std::vector<HubFile> all = {
      {"ca.crt", authority.certificate_pem, kPublic},
      {"ca.key", authority.key_pem, kSecret},
      {"root.key", root_key, kSecret},
      {"manifest.key", manifest_key, kSecret},
      {"manifest.cert", manifest_certificate.SerializeAsString(), kPublic},
      {"tag.key", random.Hex(32) + "\n", kSecret},
      {"provider.crt", provider_identity.certificate_pem, kPublic},
      {"provider.key", provider_identity.key_pem, kSecret},
      {"shim.crt", shim_identity.certificate_pem, kPublic},
      {"shim.key", shim_identity.key_pem, kSecret},
      {"operator.crt", operator_identity.certificate_pem, kPublic},
      {"operator.key", operator_identity.key_pem, kSecret},
      {"provider.yaml", ProviderYaml(directory, options), kPublic},
      {"shim.yaml", ShimYaml(directory, options), kPublic},
      {"operator.yaml", OperatorYaml(directory, options), kPublic},
  };
  if (!options.mqtt_endpoint.empty()) {
    SLICELET_RETURN_IF_ERROR(files.MakeDirectories(directory + "/mosquitto", 0755));
    SLICELET_ASSIGN_OR_RETURN(auto broker,
                              MakeMqttFiles(directory,
                                            {.hub = options.name,
                                             .endpoint = options.mqtt_endpoint,
                                             .listen = options.mqtt_listen,
                                             .alternative_names = options.alternative_names,
                                             .certificate_validity = options.certificate_validity},
                                            authority, *root, now));
    std::move(broker.begin(), broker.end(), std::back_inserter(all));
  }
  if (options.kubeconfig.empty()) {
    SLICELET_RETURN_IF_ERROR(files.MakeDirectories(directory + "/manifests", 0755));
    // Removing a manifest is evidence of deletion only while this file is there: an unmounted directory is
    // empty too.
    all.push_back({"manifests/.slicelet-directory", random.Uuid() + "\n", kPublic});
  }
  // Last, because it is what says that the hub is complete.
  Json hub = {{"hub", options.name}, {"agentEndpoint", options.agent_endpoint}};
  if (!options.mqtt_endpoint.empty()) hub["mqttEndpoint"] = options.mqtt_endpoint;
  all.push_back({"hub.json", hub.dump(2) + "\n", kPublic});
  for (const HubFile& file : all) {
    SLICELET_RETURN_IF_ERROR(files.WriteAtomically(directory + "/" + file.name, file.content, file.mode));
  }
  return absl::OkStatus();
}

absl::StatusOr<NewHost> AddHost(const std::string& directory, const std::string& host, const std::string& ns,
                                FileSystem& files, WallTime now) {
  SLICELET_RETURN_IF_ERROR(CheckDnsLabel("host", host));
  const auto read = [&](const std::string& name) { return files.Read(directory + "/" + name, kMaxFile); };
  const auto hub_text = read("hub.json");
  if (!hub_text.ok()) return NoHubIn(directory);
  const Json hub = ParseJson(*hub_text).value_or(Json());
  if (!hub.is_object() || !hub.contains("hub") || !hub["hub"].is_string() || !hub.contains("agentEndpoint") ||
      !hub["agentEndpoint"].is_string()) {
    return absl::DataLossError(directory +
                               "/hub.json is damaged: it must hold \"hub\" and \"agentEndpoint\"");
  }
  const std::string hub_name = hub["hub"];
  NewHost made;
  made.credentials_path = directory + "/hosts/" + host + ".slicelet";
  if (files.Stat(made.credentials_path).ok()) {
    return absl::AlreadyExistsError("host " + host + " has credentials already: " + made.credentials_path +
                                    ". With --renew it gets a new certificate for them");
  }
  SLICELET_ASSIGN_OR_RETURN(const HubAuthority authority, ReadHubAuthority(directory, files, now));
  SLICELET_ASSIGN_OR_RETURN(const std::string root_pem, read("root.key"));
  SLICELET_ASSIGN_OR_RETURN(const std::string root_public, SigningPublicKey(root_pem));
  SLICELET_ASSIGN_OR_RETURN(const CertificateAndKey identity,
                            IssueCertificate(authority.pem,
                                             {.common_name = host,
                                              .organizations = {"slicelet:hosts"},
                                              .uris = {"spiffe://" + hub_name + "/host/" + host},
                                              .client = true},
                                             now, authority.Within(now, kCertificateValidity)));
  Json credentials = {{"hub", hub_name},
                      {"host", host},
                      {"endpoint", hub["agentEndpoint"]},
                      {"ca", authority.pem.certificate_pem},
                      {"certificate", identity.certificate_pem},
                      {"key", identity.key_pem},
                      {"sealingKey", GenerateSealingKeyPem()},
                      {"rootKey", HexEncode(root_public)}};
  if (const std::string broker = hub.value("mqttEndpoint", ""); !broker.empty()) {
    Json keys = Json::array();
    for (const char* file : {"envelope.cert", "inbox.cert"}) {
      SLICELET_ASSIGN_OR_RETURN(const std::string certificate, read(file));
      keys.push_back(HexEncode(certificate));
    }
    credentials["mqtt"] = {{"endpoint", broker}, {"keys", keys}};
  }
  // Before anybody can hold it.
  const std::string record = directory + "/hosts/" + host + ".crt";
  const auto former = files.Read(record, kMaxFile);
  if (!former.ok() && !absl::IsNotFound(former.status())) return former.status();
  SLICELET_RETURN_IF_ERROR(
      files.WriteAtomically(record, former.value_or("") + identity.certificate_pem, kPublic));
  SLICELET_RETURN_IF_ERROR(files.WriteAtomically(made.credentials_path, credentials.dump(2) + "\n", kSecret));
  made.edge_host_yaml = "apiVersion: slicelet.io/v1alpha1\nkind: EdgeHost\nmetadata:\n  name: " + host +
                        "\n  namespace: " + ns + "\nspec:\n  approved: true\n  tags: {}\n";
  return made;
}

}  // namespace slicelet::provider
