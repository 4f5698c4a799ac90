#!/usr/bin/env bash
# Runs slicelet on this machine, on loopback only: a private containerd, provider, shim and agent, and a sample.
#
# Usage: scripts/demo.sh [--once] [--sample gateway | minimal] [--link grpc | mqtt] [--kube | --kubeconfig FILE]
#   --once             show everything, clean up and end (otherwise it stays up until Ctrl-C)
#   --sample NAME      gateway (default): EdgeX services in one pod, and the server that their readings reach;
#                      minimal: one small container, its logs, exec and a crash
#   --link KIND        how the host reaches its hub: grpc (default), or mqtt over a mosquitto started here
#   --kube             with a real Kubernetes control plane, built and started here; prints its KUBECONFIG
#   --kubeconfig FILE  with your own cluster (its API server must reach this machine's loopback for logs and exec), which must
#                      have no hub in namespace slicelet; all that the demo makes there is deleted in the end
#
# Without --kube or --kubeconfig no cluster is needed: the shim reads a directory of Kubernetes manifests, and slicectl
# stands in for kubectl. Needs Debian 12 and root (containerd). The first run installs packages and builds for about
# 10 minutes on 2 cores (6 more with --kube, which builds Kubernetes), later ones start within seconds.
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
cd "$root"

given=$* once='' kube='' kubeconfig='' sample=gateway link=grpc
while [ $# -gt 0 ]; do
  case $1 in
    --once) once=1; shift ;;
    --sample) sample=${2:?--sample needs gateway or minimal}; shift 2 ;;
    --link) link=${2:?--link needs grpc or mqtt}; shift 2 ;;
    --kube) kube=1; shift ;;
    --kubeconfig) kubeconfig=${2:?--kubeconfig needs a file}; shift 2 ;;
    -h | --help) sed -n '2,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "demo.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
  esac
done
case $sample in
  gateway | minimal) ;;
  *) echo "demo.sh: no sample '$sample': gateway or minimal" >&2; exit 2 ;;
esac
case $link in
  grpc | mqtt) ;;
  *) echo "demo.sh: no link '$link': grpc or mqtt" >&2; exit 2 ;;
esac
# shellcheck source=scripts/lib/demo_gateway.sh
. "scripts/lib/demo_$sample.sh"
# shellcheck source=scripts/lib/demo_cluster.sh
. scripts/lib/demo_cluster.sh
[ "$(id -u)" = 0 ] || die "demo.sh: containerd needs root. Run: sudo $0 $given"
if [ -n "$kubeconfig" ]; then
  [ -z "$kube" ] || die "demo.sh: --kube makes a cluster, --kubeconfig uses yours: choose one"
  [ -r "$kubeconfig" ] || die "demo.sh: cannot read $kubeconfig"
  kubeconfig=$(realpath "$kubeconfig")
  command -v kubectl >/dev/null || die "demo.sh: --kubeconfig needs kubectl in PATH"
  check_cluster node/gw-1 "${sample_objects[@]}"
fi

work=$(mktemp -d /tmp/slicelet-demo.XXXXXX)
containerd=$work/c
pids=()
joined='' # what the demo made in the user's own cluster has to go
exec {screen}>&1
cleanup() {
  trap - EXIT INT TERM
  # A step that is cut short writes to its log.
  exec >&"$screen" 2>&1
  say ""
  say "cleaning up ..."
  [ -z "$joined" ] || leave_cluster >"$work/leave.log" 2>&1 || true
  local pid
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do
    timeout 30 tail -s 0.1 --pid="$pid" -f /dev/null && continue
    kill -KILL "$pid" 2>/dev/null || continue
    timeout 10 tail -s 0.1 --pid="$pid" -f /dev/null || true
  done
  [ -z "$joined" ] || sweep_cluster "$work/leave.log" || true
  tests/integration/containerd.sh down "$containerd" >/dev/null 2>&1 || true
  [ -z "$kube" ] || tests/control-plane/control-plane.sh down "$work/plane" >/dev/null 2>&1 || true
  # The agent leaves its tmpfs and those of pods to the next agent.
  awk -v below="$work/" 'index($2, below) == 1 {print $2}' /proc/mounts | sort -r | xargs -r umount -l || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

if [ -f build/release/build.ninja ]; then about="seconds if nothing changed"; else about="first run: about 7 min"; fi
say "${bold}slicelet demo${plain}"
[ -f build/release/build.ninja ] || say "The first run installs packages and builds: about 10 minutes on 2 cores${kube:+, 6 more for Kubernetes itself}."
steps_total=5
[ "$sample" = minimal ] || steps_total=6
[ -z "$kube" ] || steps_total=$((steps_total + 1))
install_for_demo() {
  install_packages "${build_packages[@]}" "${run_packages[@]}"
  [ "$sample" = minimal ] || install_packages "${gateway_packages[@]}"
  [ "$link" = grpc ] || install_packages mosquitto
  [ -z "$kube" ] || install_go
}
build_for_demo() { build release slicelet-shim slicelet-provider slicelet-agent slicelet-mqtt slicectl; }
step "install packages" "first run: 2 min" install_for_demo || die "could not install what is needed"
[ -z "$kube" ] || install_go
step "build" "$about" build_for_demo || die "the build failed"
bin=$root/build/release
slicectl=$bin/cli/slicectl
step "start containerd" "seconds" tests/integration/containerd.sh up "$containerd" || die "containerd did not start"
prepare_sample
if [ -n "$kube" ]; then
  step "start Kubernetes" "first run: 6 min" tests/control-plane/control-plane.sh up "$work/plane" || die "the control plane did not start"
  kubeconfig=$work/plane/admin.conf
  eval "$(tests/control-plane/control-plane.sh env "$work/plane")"
  say "      export KUBECONFIG=$kubeconfig PATH=$(dirname "$(command -v kubectl)"):\$PATH"
fi

read -r agents_port shim_port server_port broker_port < <(/usr/bin/python3 - <<'PY'
import socket
def free(count):
    for first in range(31000, 60000, 16):
        try:
            sockets = [socket.socket() for _ in range(count)]
            for i, s in enumerate(sockets): s.bind(("127.0.0.1", first + i))
            return first
        except OSError: continue
        finally:
            for s in sockets: s.close()
first = free(7)
print(first, first + 1, first + 5, first + 6)
PY
)

start() {
  local name=$1
  shift
  setsid "$@" >"$work/$name.log" 2>&1 </dev/null &
  pids+=($!)
}

# until_true SECONDS WHAT COMMAND...
until_true() {
  local seconds=$1 what=$2 end
  shift 2
  end=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $end ]; then
      tail -n 15 "$work"/*.log >&2
      die "after $seconds s still not true: $what"
    fi
    sleep 0.1
  done
}

broker_options=()
agent_link='{"kind": "grpc"}'
if [ "$link" = mqtt ]; then
  broker_options=(--mqtt-endpoint "127.0.0.1:$broker_port" --mqtt-listen "127.0.0.1:$broker_port")
  agent_link="{\"kind\": \"mqtt\", \"module\": \"$bin/common/mqtt/slicelet-mqtt.so\"}"
fi
start_hub() {
  "$slicectl" hub init --dir "$work/hub" --name demo --agent-endpoint "127.0.0.1:$agents_port" \
    --agent-listen "127.0.0.1:$agents_port" "${broker_options[@]}" --shim-address 127.0.0.1 --shim-port "$shim_port" --shim-ports 4 \
    ${kubeconfig:+--kubeconfig "$kubeconfig"}
  if [ -n "$kubeconfig" ]; then
    if [ -n "$kube" ]; then in_cluster apply "${hub_files[@]}" || return 1; else join_cluster || return 1; fi
    hosts_served || return 1
    "$slicectl" host add gw-1 --dir "$work/hub" | sed -n '/^apiVersion:/,$p' | in_cluster apply -f -
  else
    "$slicectl" host add gw-1 --dir "$work/hub"
  fi
  mkdir -p "$work/agent"
  cat >"$work/agent/agent.json" <<JSON
{"link": $agent_link, "runtimeSocket": "$containerd/containerd.sock", "root": "$work/agent", "logRoot": "$work/pods", "cgroupParent": "/slicelet-demo"}
JSON
}
step "make a hub and a host" "seconds" start_hub || die "could not make the hub"
export SLICELET_CONFIG=$work/hub/operator.yaml
if [ "$link" = mqtt ]; then
  # Nobody else may look into the demo's directory, so it must not give up its rights.
  echo "user root" >>"$work/hub/mosquitto/mosquitto.conf"
  start broker /usr/sbin/mosquitto -c "$work/hub/mosquitto/mosquitto.conf"
  say "      The host reaches its hub over MQTT: mosquitto, every message signed."
fi
start provider "$bin/provider/app/slicelet-provider" --config "$work/hub/provider.yaml"
start shim "$bin/kubelet-shim/app/slicelet-shim" --config "$work/hub/shim.yaml"
start agent "$bin/edge-agent/app/slicelet-agent" --host "$work/hub/hosts/gw-1.slicelet" --config "$work/agent/agent.json"

if [ -n "$kubeconfig" ]; then kubectl=(kubectl --kubeconfig "$kubeconfig"); else kubectl=("$slicectl"); fi
show() {
  say ""
  say "${bold}\$ $1${plain}"
  shift
  "$@"
}
shown=${kubectl[0]##*/}
# Every pod of the sample.
pods_ready() {
  local pod
  for pod in "${sample_pods[@]}"; do
    "${kubectl[@]}" get pods -o json | jq -e --arg pod "$pod" \
      '.items[] | select(.metadata.name==$pod) | .status.conditions[] | select(.type=="Ready" and .status=="True")' || return 1
  done
}
node_ready() { "${kubectl[@]}" get nodes -o json | jq -e '.items[] | select(.metadata.name=="gw-1") | .status.conditions[] | select(.type=="Ready" and .status=="True")'; }

# main_process POD CONTAINER: as its own containerd knows it.
main_process() {
  local id
  id=$("${kubectl[@]}" get pods -o json | jq -r --arg pod "$1" --arg name "$2" \
    '.items[] | select(.metadata.name==$pod) | .status.containerStatuses[] | select(.name==$name) | .containerID')
  tests/integration/containerd.sh ctr "$containerd" tasks ls | awk -v id="${id#containerd://}" '$1 == id {print $2}'
}

apply_sample() {
  mkdir -p "$work/sample"
  write_sample "$work/sample"
  until_true 180 "the node is Ready" node_ready
  if [ -n "$kubeconfig" ]; then
    until_true 180 "the default service account exists" "${kubectl[@]}" get serviceaccount default
    "${kubectl[@]}" apply -f "$work/sample"
  else
    cp "$work"/sample/*.yaml "$work/hub/manifests/"
  fi
  [ "$sample" != minimal ] || until_true 180 "the pod is Ready" pods_ready
}
show_sample
if [ -n "$once" ]; then exit 0; fi
say "Try, in another terminal:"
if [ -n "$kubeconfig" ]; then
  say "  export KUBECONFIG=$kubeconfig${kube:+ PATH=$(dirname "$(command -v kubectl)"):\$PATH}"
else
  say "  export SLICELET_CONFIG=$SLICELET_CONFIG PATH=$bin/cli:\$PATH"
fi
say_what_to_try
say "Ctrl-C ends the demo and removes everything it made (below $work)."
while sleep 3600; do :; done
