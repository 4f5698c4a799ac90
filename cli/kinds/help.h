#pragma once

#include <string>

#include "cli/kinds/kind.h"

namespace slicelet::cli {

/// What --help says about the files that go into Secrets.
inline constexpr char kAboutUser[] =
    "the server's user in whose name gateways are attached, an e-mail address: it goes into a Secret of the "
    "server's with its password";
inline constexpr char kAboutPassword[] = "a file whose one line is the user's password";
inline constexpr char kAboutKubeconfig[] =
    "how the hub reaches the cluster, a kubeconfig with everything inside it: it goes into a Secret of the "
    "cluster's";
/// What --help calls a field's value: "NUMBER", "NAME=VALUE".
std::string ValueName(const Field& field);
/// What --help says about a field: what its definition says, and which values it takes.
std::string AboutField(const Field& field);
/// Command lines for the end of a verb's --help: the kind's own, or such as hold for every kind.
std::string ExampleOf(const Kind& kind, const std::string& verb);

}  // namespace slicelet::cli
