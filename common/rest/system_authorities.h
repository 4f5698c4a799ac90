#pragma once

#include <openssl/types.h>

namespace slicelet {

/// cpprestsdk loads the system's authorities into the context of every connection before it asks which ones
/// are wanted, on the thread that sends: about a tenth of a second each, in which the loop does nothing else.
/// After this call it finds none, and `TrustSystemAuthorities` knows where they are. To be called by `main`
/// before anything else: it changes the environment (SSL_CERT_FILE).
void SkipSystemAuthorities();

/// Makes a context trust the system's authorities and no others. Their file is read at the first call.
void TrustSystemAuthorities(SSL_CTX* context);

}  // namespace slicelet
