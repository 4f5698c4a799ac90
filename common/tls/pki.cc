#include "common/tls/pki.h"

#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "common/base/encoding.h"
#include "common/crypto/openssl.h"
#include "common/tls/x509.h"

namespace slicelet {
namespace {

using openssl::BioPtr;
using openssl::CertificatesPtr;
using openssl::InternalError;
using openssl::KeyPtr;
using openssl::ReadAllPem;
using openssl::ReadPem;
using openssl::SetTime;
using openssl::TakeBio;
using openssl::X509Ptr;

using RequestPtr = std::unique_ptr<X509_REQ, openssl::Deleter<X509_REQ_free>>;
using StorePtr = std::unique_ptr<X509_STORE, openssl::Deleter<X509_STORE_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, openssl::Deleter<X509_STORE_CTX_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, openssl::Deleter<X509_EXTENSION_free>>;
using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, openssl::Deleter<GENERAL_NAMES_free>>;

void FreeExtensions(STACK_OF(X509_EXTENSION) * stack) {
  sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
}
using ExtensionsPtr = std::unique_ptr<STACK_OF(X509_EXTENSION), openssl::Deleter<FreeExtensions>>;

std::string WritePem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return TakeBio(bio.get());
}

KeyPtr GenerateKey() { return KeyPtr(EVP_EC_gen("P-256")); }

void SetName(X509_NAME* name, const CertificateTemplate& contents) {
  const auto add = [&](const char* field, const std::string& value) {
    X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, openssl::Bytes(value),
                               static_cast<int>(value.size()), -1, 0);
  };
  for (const std::string& organization : contents.organizations) add("O", organization);
  add("CN", contents.common_name);
}

std::string AlternativeNames(const CertificateTemplate& contents) {
  std::string names;
  const auto add = [&](const char* kind, const std::vector<std::string>& values) {
    for (const std::string& value : values) names += (names.empty() ? "" : ",") + std::string(kind) + value;
  };
  add("DNS:", contents.dns_names);
  add("IP:", contents.ip_addresses);
  add("URI:", contents.uris);
  return names;
}

/// The names are written into OpenSSL's little configuration language, where a comma would begin another one.
absl::Status CheckNames(const CertificateTemplate& contents) {
  if (contents.common_name.empty() || contents.common_name.size() > 64) {
    return absl::InvalidArgumentError("a common name has 1 to 64 characters: \"" + contents.common_name +
                                      "\"");
  }
  for (const auto* values : {&contents.dns_names, &contents.ip_addresses, &contents.uris}) {
    for (const std::string& value : *values) {
      if (value.empty() || value.find_first_of(",;\n\r") != std::string::npos) {
        return absl::InvalidArgumentError("not a name for a certificate: \"" + value + "\"");
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ExtensionsPtr> Extensions(const CertificateTemplate& contents) {
  ExtensionsPtr extensions(sk_X509_EXTENSION_new_null());
  const auto add = [&](int nid, const std::string& value) -> absl::Status {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    if (extension == nullptr) {
      return absl::InvalidArgumentError("cannot put \"" + value +
                                        "\" into a certificate: " + openssl::LastError());
    }
    sk_X509_EXTENSION_push(extensions.get(), extension);
    return absl::OkStatus();
  };
  if (contents.authority) {
    SLICELET_RETURN_IF_ERROR(add(NID_basic_constraints, "critical,CA:TRUE"));
    SLICELET_RETURN_IF_ERROR(add(NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature"));
  } else {
    SLICELET_RETURN_IF_ERROR(add(NID_basic_constraints, "critical,CA:FALSE"));
    SLICELET_RETURN_IF_ERROR(add(NID_key_usage, "critical,digitalSignature"));
    std::string usage;
    if (contents.server) usage = "serverAuth";
    if (contents.client) usage += usage.empty() ? "clientAuth" : ",clientAuth";
    if (!usage.empty()) SLICELET_RETURN_IF_ERROR(add(NID_ext_key_usage, usage));
  }
  const std::string names = AlternativeNames(contents);
  if (!names.empty()) SLICELET_RETURN_IF_ERROR(add(NID_subject_alt_name, names));
  return extensions;
}

absl::StatusOr<WallTime> ToWallTime(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return InternalError("cannot read a certificate's validity");
  return FromUnixNanos(static_cast<std::int64_t>(timegm(&parts)) * 1'000'000'000);
}

std::vector<std::string> NameEntries(const X509_NAME* name, int nid) {
  std::vector<std::string> values;
  for (int at = X509_NAME_get_index_by_NID(name, nid, -1); at >= 0;
       at = X509_NAME_get_index_by_NID(name, nid, at)) {
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (size >= 0) values.emplace_back(reinterpret_cast<char*>(text), static_cast<std::size_t>(size));
    OPENSSL_free(text);
  }
  return values;
}

/// A serial number that no other certificate has, and the time it is valid.
absl::Status Begin(X509* certificate, WallTime now, Duration validity) {
  unsigned char serial[16];
  if (RAND_bytes(serial, sizeof(serial)) != 1) return InternalError("no random serial number");
  serial[0] &= 0x7f;  // positive
  const std::unique_ptr<BIGNUM, openssl::Deleter<BN_free>> number(BN_bin2bn(serial, sizeof(serial), nullptr));
  BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate));
  SetTime(X509_getm_notBefore(certificate), now - std::chrono::hours(1));
  SetTime(X509_getm_notAfter(certificate), now + validity);
  return absl::OkStatus();
}

struct Authority {
  X509Ptr certificate;
  KeyPtr key;
};

absl::StatusOr<Authority> ReadAuthority(const CertificateAndKey& pem) {
  Authority authority;
  SLICELET_ASSIGN_OR_RETURN(authority.certificate, ReadPem(pem.certificate_pem));
  SLICELET_ASSIGN_OR_RETURN(authority.key, openssl::ReadPrivateKeyPem(pem.key_pem));
  if (X509_check_private_key(authority.certificate.get(), authority.key.get()) != 1) {
    return absl::InvalidArgumentError("the authority's key does not belong to its certificate");
  }
  return authority;
}

absl::StatusOr<std::string> Signed(X509* certificate, const Authority& authority) {
  X509_set_issuer_name(certificate, X509_get_subject_name(authority.certificate.get()));
  if (X509_sign(certificate, authority.key.get(), EVP_sha256()) == 0) {
    return InternalError("cannot sign a certificate");
  }
  return WritePem(certificate);
}

/// A certificate for `key` with everything but the signature.
absl::StatusOr<X509Ptr> Unsigned(EVP_PKEY* key, const CertificateTemplate& contents, WallTime now,
                                 Duration validity) {
  SLICELET_RETURN_IF_ERROR(CheckNames(contents));
  X509Ptr certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  SLICELET_RETURN_IF_ERROR(Begin(certificate.get(), now, validity));
  X509_set_pubkey(certificate.get(), key);
  SetName(X509_get_subject_name(certificate.get()), contents);
  SLICELET_ASSIGN_OR_RETURN(const ExtensionsPtr extensions, Extensions(contents));
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions.get()); ++i) {
    X509_add_ext(certificate.get(), sk_X509_EXTENSION_value(extensions.get(), i), -1);
  }
  return certificate;
}

}  // namespace

std::string GenerateTlsKeyPem() { return openssl::WritePrivateKeyPem(GenerateKey().get()); }

absl::StatusOr<CertificateAndKey> MakeAuthority(const std::string& common_name, WallTime now,
                                                Duration validity) {
  const KeyPtr key = GenerateKey();
  if (!key) return InternalError("cannot make a key");
  const CertificateTemplate contents{.common_name = common_name, .authority = true};
  SLICELET_ASSIGN_OR_RETURN(const X509Ptr certificate, Unsigned(key.get(), contents, now, validity));
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  if (X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0)
    return InternalError("cannot sign a certificate");
  return CertificateAndKey{WritePem(certificate.get()), openssl::WritePrivateKeyPem(key.get())};
}

absl::StatusOr<CertificateAndKey> IssueCertificate(const CertificateAndKey& authority,
                                                   const CertificateTemplate& contents, WallTime now,
                                                   Duration validity) {
  SLICELET_ASSIGN_OR_RETURN(const Authority issuer, ReadAuthority(authority));
  const KeyPtr key = GenerateKey();
  if (!key) return InternalError("cannot make a key");
  SLICELET_ASSIGN_OR_RETURN(const X509Ptr certificate, Unsigned(key.get(), contents, now, validity));
  SLICELET_ASSIGN_OR_RETURN(std::string pem, Signed(certificate.get(), issuer));
  return CertificateAndKey{std::move(pem), openssl::WritePrivateKeyPem(key.get())};
}

absl::StatusOr<std::string> RenewCertificate(const CertificateAndKey& authority,
                                             const std::string& former_pem, WallTime now, Duration validity) {
  const openssl::ErrorsEndHere errors_end_here;
  SLICELET_ASSIGN_OR_RETURN(const Authority issuer, ReadAuthority(authority));
  SLICELET_ASSIGN_OR_RETURN(const X509Ptr former, ReadPem(former_pem));
  if (X509_verify(former.get(), issuer.key.get()) != 1)
    return absl::InvalidArgumentError("the certificate is not signed by this authority");
  // The authority has signed itself too; a copy of it as a program's certificate would be another authority.
  if (X509_check_ca(former.get()) != 0)
    return absl::InvalidArgumentError("the certificate is an authority's own");
  const X509Ptr certificate(X509_dup(former.get()));
  if (!certificate) return InternalError("cannot copy a certificate");
  SLICELET_RETURN_IF_ERROR(Begin(certificate.get(), now, validity));
  return Signed(certificate.get(), issuer);
}

absl::Status CheckKeyOfCertificate(const std::string& certificate_pem, const std::string& key_pem) {
  const openssl::ErrorsEndHere errors_end_here;
  SLICELET_ASSIGN_OR_RETURN(const X509Ptr certificate, ReadPem(certificate_pem));
  SLICELET_ASSIGN_OR_RETURN(const KeyPtr key, openssl::ReadPrivateKeyPem(key_pem));
  if (X509_check_private_key(certificate.get(), key.get()) == 1) return absl::OkStatus();
  return absl::InvalidArgumentError("the key does not belong to the certificate");
}

absl::StatusOr<std::string> MakeCertificateRequest(const std::string& key_pem,
                                                   const CertificateTemplate& contents) {
  SLICELET_RETURN_IF_ERROR(CheckNames(contents));
  SLICELET_ASSIGN_OR_RETURN(const KeyPtr key, openssl::ReadPrivateKeyPem(key_pem));
  const RequestPtr request(X509_REQ_new());
  X509_REQ_set_version(request.get(), X509_REQ_VERSION_1);
  SetName(X509_REQ_get_subject_name(request.get()), contents);
  X509_REQ_set_pubkey(request.get(), key.get());
  const std::string names = AlternativeNames(contents);
  if (!names.empty()) {
    ExtensionsPtr extensions(sk_X509_EXTENSION_new_null());
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
    if (extension == nullptr) {
      return absl::InvalidArgumentError("cannot request a certificate for \"" + names +
                                        "\": " + openssl::LastError());
    }
    sk_X509_EXTENSION_push(extensions.get(), extension);
    X509_REQ_add_extensions(request.get(), extensions.get());
  }
  if (X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0)
    return InternalError("cannot sign a request");
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(bio.get(), request.get());
  return TakeBio(bio.get());
}

absl::StatusOr<CertificateInfo> ReadCertificate(const std::string& certificate_pem) {
  const openssl::ErrorsEndHere errors_end_here;
  SLICELET_ASSIGN_OR_RETURN(const X509Ptr certificate, ReadPem(certificate_pem));
  CertificateInfo info;
  const X509_NAME* subject = X509_get_subject_name(certificate.get());
  const auto names = NameEntries(subject, NID_commonName);
  if (!names.empty()) info.common_name = names.back();
  info.organizations = NameEntries(subject, NID_organizationName);
  const GeneralNamesPtr alternatives(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; alternatives && i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    info.uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                           static_cast<std::size_t>(ASN1_STRING_length(uri)));
  }
  SLICELET_ASSIGN_OR_RETURN(info.not_before, ToWallTime(X509_get0_notBefore(certificate.get())));
  SLICELET_ASSIGN_OR_RETURN(info.not_after, ToWallTime(X509_get0_notAfter(certificate.get())));
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  X509_digest(certificate.get(), EVP_sha256(), hash, &size);
  info.fingerprint = HexEncode(std::string_view(reinterpret_cast<char*>(hash), size));
  return info;
}

absl::Status VerifyCertificate(const std::string& certificate_pem, const std::string& ca_pem, WallTime at) {
  const openssl::ErrorsEndHere errors_end_here;
  const CertificatesPtr chain = ReadAllPem(certificate_pem);
  if (sk_X509_num(chain.get()) == 0) return absl::InvalidArgumentError("not a certificate in PEM");
  const CertificatesPtr authorities = ReadAllPem(ca_pem);
  const StorePtr store(X509_STORE_new());
  for (int i = 0; i < sk_X509_num(authorities.get()); ++i) {
    X509_STORE_add_cert(store.get(), sk_X509_value(authorities.get(), i));
  }
  const StoreContextPtr context(X509_STORE_CTX_new());
  if (X509_STORE_CTX_init(context.get(), store.get(), sk_X509_value(chain.get(), 0), chain.get()) != 1) {
    return InternalError("cannot verify a certificate");
  }
  X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context.get()),
                             std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count());
  if (X509_verify_cert(context.get()) != 1) {
    return absl::UnauthenticatedError(
        "the certificate is not accepted: " +
        std::string(X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()))));
  }
  return absl::OkStatus();
}

}  // namespace slicelet
