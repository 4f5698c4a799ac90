#!/usr/bin/env bash
# Measures slicelet on real parts: control plane, containerd, all three programs.
#
# Usage: scripts/bench.sh latency|footprint|scale [--json FILE] [--rounds N] [more: --help]
#   latency    create -> Running seen, container exit -> status seen, delete -> object gone, CPU per pod life
#   footprint  memory (PSS) of the agent idle and with 10 pods; agent start -> first CRI call
#   scale      memory, CPU and API requests of shim and provider with 100 nodes and 1,000 pods on scripted hosts
#
# Benchmarks, not tests: nothing here can fail for being slow. Let the machine be quiet, and quote medians.
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
cd "$root"
[ $# -gt 0 ] || { sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2; }
steps_total=3
install_for_bench() { install_packages "${build_packages[@]}" "${run_packages[@]}" "${test_packages[@]}" && install_go; }
step "install packages" "first run: 2 min" install_for_bench || die "could not install what is needed"
install_go
step "build Kubernetes" "first run: 6 min" tests/control-plane/build.sh || die "could not build the control plane"
step "build release" "first run: 10 min" build release all || die "the build failed"
SLICELET_BIN=$root/build/release exec /usr/bin/python3 tests/bench/run.py "$@"
