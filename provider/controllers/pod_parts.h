#pragma once

#include <string>

#include "provider/controllers/world.h"

namespace slicelet::provider {

// Parts of the pods that profiles are made of.

Json Container(const std::string& name, const std::string& image);
Json Env(const std::string& name, const std::string& value);
Json EnvOfSecret(const std::string& name, const std::string& secret, const std::string& key);
Json Mount(const std::string& name, const std::string& path);
Json Resources(const char* cpu, const char* memory, const char* limit);
Json User(int id);
/// A container's command.
Json Shell(const std::string& script);
/// A probe's patience: with the default, a second, a busy host restarts what is well.
inline constexpr int kProbeSeconds = 5;
Json TcpProbe(int port);
Json HttpProbe(int port, const std::string& path);

/// Until it answers it is not started; then it must go on answering.
void Probe(Json& container, Json probe);

/// Adds to a list that need not be there yet.
void Append(Json& object, const char* list, Json entry);

/// Takes spec.images and spec.imagePullSecrets of a gateway or a server into its pod's spec.
void ReplaceImages(const Json& owner, Json& spec);

}  // namespace slicelet::provider
