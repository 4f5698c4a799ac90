#include "common/rpc/internal/peer.h"

#include <string>

#include "common/tls/pki.h"

namespace slicelet {

RpcPeer PeerOf(const grpc::AuthContext& context) {
  RpcPeer peer;
  const auto pem = context.FindPropertyValues("x509_pem_cert");
  if (pem.empty()) return peer;
  const auto certificate = ReadCertificate(std::string(pem.front().data(), pem.front().size()));
  if (!certificate.ok()) return peer;
  peer.common_name = certificate->common_name;
  peer.organizations = certificate->organizations;
  peer.uris = certificate->uris;
  peer.not_after = certificate->not_after;
  return peer;
}

}  // namespace slicelet
