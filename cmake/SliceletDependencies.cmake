# Every library slicelet stands on, with the reason. All come from Debian 12, so that security updates reach them.

find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)                 # TLS, Ed25519, X25519, AES-GCM, X.509: the one crypto library
find_package(Protobuf REQUIRED)                    # the messages on both links and the store's records
find_package(gRPC CONFIG REQUIRED)                 # shim to provider, provider to agent, agent to containerd (CRI)
find_package(absl CONFIG REQUIRED)                 # Status and StatusOr; gRPC brings it anyway
find_package(nlohmann_json CONFIG REQUIRED)        # Kubernetes objects and configuration files
find_package(spdlog CONFIG REQUIRED)               # log sinks and levels, behind common/log
find_package(SQLite3 REQUIRED)                     # the hub's and the agent's durable stores
find_package(Boost 1.74 REQUIRED COMPONENTS system) # Asio (the loop) and Beast (HTTP server with connection hijacking)
find_package(cpprestsdk CONFIG REQUIRED)           # REST client of the Kubernetes API, behind kube/
find_package(CLI11 CONFIG REQUIRED)                # command lines, in app/ and cli/ only
find_package(yaml-cpp CONFIG REQUIRED)             # Kubernetes manifests and configuration written as YAML
find_package(tomlplusplus CONFIG REQUIRED)         # slicectl import: the state file of the former orchestrator
find_package(prometheus-cpp CONFIG REQUIRED)       # metrics registry and text format (core only)
find_package(eclipse-paho-mqtt-c CONFIG REQUIRED)  # MQTT 5 client: the link over a broker, in common/mqtt/paho only
find_package(PkgConfig REQUIRED)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd) # readiness and watchdog of the agent

if(SLICELET_BUILD_TESTS)
  find_package(GTest CONFIG REQUIRED)              # unit tests
  find_package(benchmark CONFIG)                   # hot-path benchmarks in tests/bench
  find_library(JEMALLOC_LIBRARY jemalloc)          # a seventh less time for tests that copy JSON all the time (slicelet_allocate_fast)
endif()
