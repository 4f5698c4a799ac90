#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "common/base/status.h"
#include "common/http/http_server.h"

namespace slicelet {

using ClientCa = std::shared_ptr<X509_STORE>;

/// The bundle's certificates as trust anchors. InvalidArgument when it holds none.
absl::StatusOr<ClientCa> ReadClientCa(const std::string& pem);

/// Loads certificate, intermediates and key into `context` and asks clients for a certificate.
absl::Status ConfigureServing(SSL_CTX* context, const std::string& certificate_pem,
                              const std::string& key_pem);

/// Checks the client's certificate, if it showed one, as of now.
HttpPeer VerifyPeer(SSL* connection, const ClientCa& client_ca);

}  // namespace slicelet
