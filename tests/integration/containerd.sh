#!/usr/bin/env bash
# A containerd of its own for tests and for the demo, beside whatever else runs on the machine. Needs root.
#
#   containerd.sh up DIR        start it; everything it writes lies in DIR, its socket is DIR/containerd.sock
#   containerd.sh kill DIR      SIGKILL it; containers run on
#   containerd.sh start DIR     start it again after `kill`
#   containerd.sh gateway DIR   give it the images of an EdgeX gateway too (tests/stand-ins/build-gateway-images.sh)
#   containerd.sh fiware DIR    and those of a FIWARE context stack (tests/stand-ins/build-fiware-images.sh)
#   containerd.sh mainflux DIR  and those of a Mainflux 0.12 (tests/stand-ins/build-mainflux-images.sh)
#   containerd.sh ctr DIR ...   containerd's own client, in the CRI's namespace
#   containerd.sh env DIR       print `export CONTAINER_RUNTIME_ENDPOINT=...` for crictl
#   containerd.sh down DIR      stop its containers and it, and remove DIR
#
# It has a bridge network of its own and the images of tests/stand-ins: docker.io/slicelet/workload:1 and pause:1.
set -Eeuo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() { echo "containerd.sh: $*" >&2; exit 1; }
[ $# -ge 2 ] || { sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2; }
verb=$1
[ "$verb" != up ] || mkdir -p "$2"
[ -d "$2" ] || { [ "$verb" = down ] && exit 0; fail "no such directory: $2"; }
dir=$(cd "$2" && pwd)
shift 2
socket=$dir/containerd.sock
# Socket paths of shims are short by design, but ours must fit into sockaddr_un.
[ ${#socket} -le 100 ] || fail "the path $dir is too long for a socket"
# use_network N: the N-th bridge and its subnet.
use_network() {
  bridge=slt$1
  subnet=10.$((88 + $1 / 4096)).$(($1 / 16 % 256)).$(($1 % 16 * 16))/28
}
[ ! -f "$dir/network" ] || use_network "$(cat "$dir/network")"
# Two instances never share a bridge: who makes it has it.
claim_network() {
  local number=$((16#$(echo -n "$dir" | sha256sum | cut -c1-4) % 16384))
  for _ in $(seq 100); do
    use_network $number
    if ip link add "$bridge" type bridge 2>/dev/null; then
      echo $number >"$dir/network"
      echo "$subnet" >"$dir/subnet"
      return
    fi
    number=$(((number + 1) % 16384))
  done
  fail "cannot make a bridge: $(ip link add "$bridge" type bridge 2>&1)"
}

ctr_here() { command ctr -a "$socket" -n k8s.io "$@"; }

running() { [ -f "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null; }

start() {
  running && return
  setsid containerd --config "$dir/config.toml" >>"$dir/containerd.log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  disown
  # Only one that does not start is waited for that long.
  local limit=$((SECONDS + 120))
  while [ $SECONDS -lt $limit ]; do
    if [ -S "$socket" ] && command ctr -a "$socket" --connect-timeout 1s plugins ls 2>/dev/null | grep -q 'cri .* ok'; then
      return
    fi
    running || break
    sleep 0.05
  done
  tail -n 20 "$dir/containerd.log" >&2
  fail "containerd did not start: see above"
}

up() {
  [ "$(id -u)" = 0 ] || fail "must be root"
  for program in containerd runc ctr; do command -v $program >/dev/null || fail "$program is not installed: apt-get install containerd runc"; done
  [ -x /usr/lib/cni/bridge ] || fail "no CNI plugins: apt-get install containernetworking-plugins"
  mkdir -p "$dir/root" "$dir/state" "$dir/cni" "$dir/cni-state"
  [ -f "$dir/network" ] || claim_network
  cat >"$dir/cni/10-bridge.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "$bridge", "plugins": [
  {"type": "bridge", "bridge": "$bridge", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$dir/cni-state", "ranges": [[{"subnet": "$subnet"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
  cat >"$dir/config.toml" <<TOML
version = 2
root = "$dir/root"
state = "$dir/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "$socket"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/slicelet/pause:1"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
TOML
  # Images first: the archives are made while containerd starts.
  "$here/../stand-ins/build-image.sh" "${SLICELET_IMAGE_CACHE:-$HOME/.cache/slicelet/images}" &
  local images=$!
  trap kill_now ERR
  start
  wait $images
  for image in pause workload; do
    ctr_here images import "${SLICELET_IMAGE_CACHE:-$HOME/.cache/slicelet/images}/$image.tar" >/dev/null
  done
  trap - ERR
  echo "containerd is up: $socket"
}

# import_stand_ins NAME: what build-NAME-images.sh makes
import_stand_ins() {
  local images=${SLICELET_IMAGE_CACHE:-$HOME/.cache/slicelet/images}
  "$here/../stand-ins/build-$1-images.sh" "$images"
  ctr_here images import "$images/$1.tar" >/dev/null
}

kill_now() {
  running || return 0
  local pid
  pid=$(cat "$dir/pid")
  kill -KILL "$pid"
  while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
}

# Removes the host ports of pods that ended without their network's being undone: chains that lead into our subnet.
forget_ports() {
  local chain
  for chain in $({ iptables-save -t nat 2>/dev/null || true; } | grep -F -- " -s $subnet " | grep -oE '^-A CNI-DN-[0-9a-f]+' | cut -d' ' -f2 | sort -u); do
    # By their text: the numbers of rules change while others come and go.
    { echo '*nat'; iptables-save -t nat | grep -E -- "^-A CNI-HOSTPORT-DNAT .*-j $chain( |\$)" | sed 's/^-A/-D/'; printf -- '-F %s\n-X %s\nCOMMIT\n' "$chain" "$chain"; } |
      iptables-restore --wait --noflush
  done
}

# Ends what still runs, then the daemon. Works as well when the daemon is dead or sick.
down() {
  local pid
  # The shims of this instance, told apart by its socket, and all below them.
  for pid in $(pgrep -f -- "containerd-shim.* -address $socket( |\$)" || true); do
    pkill -KILL -P "$pid" 2>/dev/null || true
    kill -KILL "$pid" 2>/dev/null || true
  done
  if running; then
    pid=$(cat "$dir/pid")
    kill -TERM "$pid"
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
    kill -KILL "$pid" 2>/dev/null || true
  fi
  # Network namespaces of dead sandboxes, root file systems, shared memory.
  awk -v dir="$dir/" 'index($5, dir) == 1 {print $5}' /proc/self/mountinfo | sort -r | while read -r mount; do umount -l "$mount" || true; done
  for netns in $(grep -rhao '/var/run/netns/cni-[0-9a-f-]*' "$dir/root/io.containerd.metadata.v1.bolt" "$dir/root/io.containerd.grpc.v1.cri" 2>/dev/null | sort -u || true); do
    umount -l "$netns" 2>/dev/null || true
    rm -f "$netns"
  done
  if [ -f "$dir/network" ]; then
    ip link delete "$bridge" 2>/dev/null || true
    forget_ports
  fi
  rm -rf "$dir"
}

case $verb in
  up) up ;;
  start) start ;;
  kill) kill_now ;;
  gateway | fiware | mainflux) import_stand_ins "$verb" ;;
  ctr) ctr_here "$@" ;;
  env) echo "export CONTAINER_RUNTIME_ENDPOINT=unix://$socket IMAGE_SERVICE_ENDPOINT=unix://$socket" ;;
  down) down ;;
  *) fail "unknown verb: $verb" ;;
esac
