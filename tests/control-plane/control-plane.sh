#!/usr/bin/env bash
# A real Kubernetes control plane on loopback for tests: etcd, kube-apiserver, kube-controller-manager, kube-scheduler.
#
#   control-plane.sh up DIR [--address IP]   start it; everything it writes lies in DIR
#   control-plane.sh env DIR                 print `export KUBECONFIG=... PATH=...` for the shell
#   control-plane.sh start|stop|kill DIR PROGRAM   one of etcd, kube-apiserver, kube-controller-manager, kube-scheduler
#   control-plane.sh snapshot DIR FILE       save etcd
#   control-plane.sh restore DIR FILE        stop, put etcd back to FILE, start
#   control-plane.sh down DIR                stop everything that `up` started
#
# Secured as a production cluster: Node and RBAC authorization, NodeRestriction, bootstrap tokens, CSR signing, a
# kubelet client certificate and a kubelet CA. Ports are free ones, chosen at `up`.
# Variables of the caller: SLICELET_APISERVER_FLAGS and SLICELET_KCM_FLAGS are appended to those programs' flags.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() { sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2; }
fail() { echo "control-plane.sh: $*" >&2; exit 1; }

# A port that no other test is given while this control plane is there, its programs dead or alive: see tests/harness/ports.py.
locks=/tmp/slicelet-ports
# hold PORT: the programs that are started from here on inherit the lock, the first of which does nothing else. Fails when
# somebody else has it.
hold() {
  local lock
  mkdir -p "$locks"
  exec {lock}>"$locks/$1"
  flock -n "$lock" || { exec {lock}>&-; return 1; }
}
# Sets `port`.
free_port() {
  while :; do
    port=$((10000 + RANDOM % 20000))
    (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || ! hold $port || return 0
  done
}

# certificate NAME CN O [SAN]: signed by the cluster's CA.
certificate() {
  local name=$1 cn=$2 organization=$3 san=${4:-} subject
  subject="/CN=$cn"
  [ -z "$organization" ] || subject="/O=$organization$subject"
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/pki/$name.key" -subj "$subject" -out "$dir/pki/$name.csr" 2>/dev/null
  openssl x509 -req -in "$dir/pki/$name.csr" -CA "$dir/pki/ca.crt" -CAkey "$dir/pki/ca.key" -CAcreateserial -days 3650 \
    -extfile <(printf 'keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\n%s\n' \
      "${san:+subjectAltName=$san}") -out "$dir/pki/$name.crt" 2>/dev/null
  rm "$dir/pki/$name.csr"
}

# kubeconfig FILE CERTIFICATE
kubeconfig() {
  cat >"$1" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://$address:$api_port", certificate-authority: "$dir/pki/ca.crt"}}]
users: [{name: $2, user: {client-certificate: "$dir/pki/$2.crt", client-key: "$dir/pki/$2.key"}}]
contexts: [{name: test, context: {cluster: test, user: $2}}]
current-context: test
YAML
}

# background NAME COMMAND...: starts it, keeps its process id and its log.
background() {
  local name=$1
  shift
  setsid "$@" >>"$dir/log/$name.log" 2>&1 </dev/null &
  echo $! >"$dir/run/$name.pid"
}

start_program() {
  case $1 in
    etcd)
      background etcd "$bin/etcd" --data-dir "$dir/etcd" --unsafe-no-fsync --log-level warn \
        --listen-client-urls "http://127.0.0.1:$etcd_port" --advertise-client-urls "http://127.0.0.1:$etcd_port" \
        --listen-peer-urls "http://127.0.0.1:$etcd_peer_port" \
        --initial-advertise-peer-urls "http://127.0.0.1:$etcd_peer_port" \
        --initial-cluster "default=http://127.0.0.1:$etcd_peer_port" ;;
    kube-apiserver)
      wait_etcd
      # shellcheck disable=SC2086
      background kube-apiserver "$bin/kube-apiserver" --etcd-servers "http://127.0.0.1:$etcd_port" \
        --secure-port "$api_port" --bind-address 0.0.0.0 --advertise-address "$address" \
        --tls-cert-file "$dir/pki/apiserver.crt" --tls-private-key-file "$dir/pki/apiserver.key" \
        --client-ca-file "$dir/pki/ca.crt" \
        --kubelet-certificate-authority "$dir/pki/ca.crt" \
        --kubelet-client-certificate "$dir/pki/kubelet-client.crt" --kubelet-client-key "$dir/pki/kubelet-client.key" \
        --kubelet-preferred-address-types InternalIP \
        --service-account-issuer https://kubernetes.default.svc \
        --service-account-key-file "$dir/pki/service-account.pub" \
        --service-account-signing-key-file "$dir/pki/service-account.key" \
        --service-cluster-ip-range 10.96.0.0/16 --authorization-mode Node,RBAC \
        --enable-admission-plugins NodeRestriction --enable-bootstrap-token-auth --allow-privileged=true \
        --endpoint-reconciler-type none --profiling=false ${SLICELET_APISERVER_FLAGS:-} ;;
    kube-controller-manager)
      # shellcheck disable=SC2086
      background kube-controller-manager "$bin/kube-controller-manager" --kubeconfig "$dir/kcm.conf" \
        --authentication-kubeconfig "$dir/kcm.conf" --authorization-kubeconfig "$dir/kcm.conf" \
        --service-account-private-key-file "$dir/pki/service-account.key" --root-ca-file "$dir/pki/ca.crt" \
        --cluster-signing-cert-file "$dir/pki/ca.crt" --cluster-signing-key-file "$dir/pki/ca.key" \
        --use-service-account-credentials=true "--controllers=*,bootstrapsigner,tokencleaner" \
        --leader-elect=false --bind-address 127.0.0.1 --secure-port "$kcm_port" ${SLICELET_KCM_FLAGS:-} ;;
    kube-scheduler)
      background kube-scheduler "$bin/kube-scheduler" --kubeconfig "$dir/scheduler.conf" \
        --authentication-kubeconfig "$dir/scheduler.conf" --authorization-kubeconfig "$dir/scheduler.conf" \
        --leader-elect=false --bind-address 127.0.0.1 --secure-port "$scheduler_port" ;;
    *) fail "unknown program '$1'" ;;
  esac
}

running() { [ -f "$dir/run/$1.pid" ] && kill -0 "$(cat "$dir/run/$1.pid")" 2>/dev/null; }

# stop_program NAME [SIGNAL]: waits until the process is gone.
stop_program() {
  local pid signal=${2:-TERM}
  [ -f "$dir/run/$1.pid" ] || return 0
  pid=$(cat "$dir/run/$1.pid")
  rm -f "$dir/run/$1.pid"
  kill "-$signal" "$pid" 2>/dev/null || return 0
  timeout 15 tail -s 0.1 --pid="$pid" -f /dev/null && return
  kill -KILL "$pid" 2>/dev/null || return 0
  timeout 60 tail -s 0.1 --pid="$pid" -f /dev/null || true
}

# An API server that finds no etcd for 20 s ends.
wait_etcd() {
  local deadline=$((SECONDS + 120))
  until curl -s --max-time 10 "http://127.0.0.1:$etcd_port/health" 2>/dev/null | grep -F true >/dev/null; do
    [ $SECONDS -lt $deadline ] || return 0
    sleep 0.1
  done
}

wait_ready() {
  local deadline=$((SECONDS + 300))
  until [ "$(curl -s --max-time 10 --cacert "$dir/pki/ca.crt" --cert "$dir/pki/admin.crt" --key "$dir/pki/admin.key" \
    "https://$address:$api_port/readyz" 2>/dev/null)" = ok ]; do
    running kube-apiserver || fail "kube-apiserver ended: $(tail -n 3 "$dir/log/kube-apiserver.log")"
    [ $SECONDS -lt $deadline ] || fail "kube-apiserver was not ready within 300 s: see $dir/log"
    sleep 0.1
  done
}

# By then both of the others work. They end when an API server is slow to answer them at first, and are started again as in any cluster.
wait_default_account() {
  local deadline=$((SECONDS + 300)) program
  until curl -sk --max-time 10 "https://127.0.0.1:$scheduler_port/healthz" 2>/dev/null | grep -xF ok >/dev/null &&
    "$bin/kubectl" --kubeconfig "$dir/admin.conf" get serviceaccount default -o name >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || fail "scheduler and default service account were not there within 300 s: see $dir/log"
    for program in kube-controller-manager kube-scheduler; do running $program || start_program $program; done
    sleep 0.1
  done
}

[ $# -ge 2 ] || usage
command=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
shift 2
[ "$command" = up ] || { [ -f "$dir/settings" ] || fail "no control plane in $dir: run 'up' first"; }
# shellcheck disable=SC1091
[ ! -f "$dir/settings" ] || . "$dir/settings"

case $command in
  up)
    [ ! -f "$dir/run/kube-apiserver.pid" ] || fail "$dir already holds a running control plane; use 'down' first"
    address=127.0.0.1
    [ "${1:-}" != --address ] || address=$2
    bin=$("$here/build.sh")
    mkdir -p "$dir/pki" "$dir/log" "$dir/run"
    free_port && api_port=$port
    free_port && etcd_port=$port
    free_port && etcd_peer_port=$port
    free_port && kcm_port=$port
    free_port && scheduler_port=$port
    printf '%s=%q\n' bin "$bin" address "$address" api_port "$api_port" etcd_port "$etcd_port" \
      etcd_peer_port "$etcd_peer_port" kcm_port "$kcm_port" scheduler_port "$scheduler_port" >"$dir/settings"
    background ports sleep infinity
    start_program etcd
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/pki/ca.key" -subj /CN=test-cluster-ca -days 3650 \
      -out "$dir/pki/ca.crt" 2>/dev/null
    openssl ecparam -name prime256v1 -genkey -noout -out "$dir/pki/service-account.key"
    openssl ec -in "$dir/pki/service-account.key" -pubout -out "$dir/pki/service-account.pub" 2>/dev/null
    certificate apiserver kube-apiserver "" \
      "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.96.0.1,IP:$address"
    certificate admin admin system:masters
    certificate kubelet-client kube-apiserver-kubelet-client system:masters
    certificate kcm system:kube-controller-manager ""
    certificate scheduler system:kube-scheduler ""
    kubeconfig "$dir/admin.conf" admin
    kubeconfig "$dir/kcm.conf" kcm
    kubeconfig "$dir/scheduler.conf" scheduler
    start_program kube-apiserver
    wait_ready
    start_program kube-controller-manager
    start_program kube-scheduler
    wait_default_account ;;
  env)
    echo "export KUBECONFIG=$dir/admin.conf PATH=$bin:\$PATH" ;;
  start)
    start_program "${1:-}"
    [ "$1" != kube-apiserver ] || wait_ready ;;
  stop) stop_program "${1:-}" ;;
  kill) stop_program "${1:-}" KILL ;;
  snapshot) "$bin/etcdctl" --dial-timeout 60s --endpoints "http://127.0.0.1:$etcd_port" snapshot save "${1:?FILE}" >/dev/null ;;
  restore)
    [ -f "${1:-}" ] || fail "no snapshot '${1:-}'"
    # All of them: the others would go on with what they remember of the newer state, as Kubernetes' own instructions warn.
    for program in kube-scheduler kube-controller-manager kube-apiserver etcd; do stop_program $program; done
    rm -rf "$dir/etcd"
    "$bin/etcdutl" snapshot restore "$1" --data-dir "$dir/etcd" --name default \
      --initial-cluster "default=http://127.0.0.1:$etcd_peer_port" \
      --initial-advertise-peer-urls "http://127.0.0.1:$etcd_peer_port" >>"$dir/log/etcd.log" 2>&1
    start_program etcd
    start_program kube-apiserver
    wait_ready
    start_program kube-controller-manager
    start_program kube-scheduler ;;
  down)
    for program in kube-scheduler kube-controller-manager kube-apiserver etcd ports; do stop_program $program; done
    rm -f "$dir/settings" ;;
  *) usage ;;
esac
