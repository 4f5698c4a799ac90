#!/usr/bin/env bash
# Measures slicelet on real parts: control plane, containerd, all three programs.
#
# Usage: scripts/bench.sh latency|footprint|scale|hot [--json FILE] [--rounds N] [more: --help]
#   latency    create -> Running seen, container exit -> status seen, delete -> object gone, CPU per pod life; in turns
#              with a real kubelet
#   footprint  memory (PSS) idle and with 10 pods, beside a kubelet's and over MQTT; bytes of an idle host's hour over both links;
#              agent start -> first CRI call
#   scale      memory, CPU, API requests and link bytes with 100 hosts and 1,000 pods on scripted runtimes; one apply -> all
#              hosts Running (--nodes, --pods)
#   hot        the functions that run for every change of a pod, and for one of a host among 10,000
#
# Benchmarks, not tests: nothing here can fail for being slow. Let the machine be quiet, and quote medians.
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
cd "$root"
[ $# -gt 0 ] || { sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2; }
steps_total=3
install_for_bench() { install_packages "${build_packages[@]}" "${run_packages[@]}" "${test_packages[@]}" && install_go; }
build_control_plane() { tests/control-plane/build.sh && tests/control-plane/build.sh kubelet; }
step "install packages" "first run: 2 min" install_for_bench || die "could not install what is needed"
install_go
step "build Kubernetes" "first run: 7 min" build_control_plane || die "could not build the control plane"
step "build release" "first run: 8 min" build release slicelet-shim slicelet-provider slicelet-agent slicelet-mqtt slicectl hollow_hosts \
  shim_hot_paths provider_hot_paths targeting_hot_paths || die "the build failed"
SLICELET_BIN=$root/build/release exec /usr/bin/python3 tests/bench/run.py "$@"
