#!/usr/bin/env bash
# Builds the Kubernetes programs of go.mod into a cache outside the repository and prints that directory.
#
# Usage: build.sh [PROGRAM ...]     (default: what the end-to-end tests need)
# Cold about 6 minutes on 2 cores, then under a second: a program is rebuilt only when go.mod or go.sum changes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

declare -A package=(
  [etcd]=go.etcd.io/etcd/server/v3
  [etcdctl]=go.etcd.io/etcd/etcdctl/v3
  [etcdutl]=go.etcd.io/etcd/etcdutl/v3
  [kube-apiserver]=k8s.io/kubernetes/cmd/kube-apiserver
  [kube-controller-manager]=k8s.io/kubernetes/cmd/kube-controller-manager
  [kube-scheduler]=k8s.io/kubernetes/cmd/kube-scheduler
  [kubectl]=k8s.io/kubernetes/cmd/kubectl
  [kubelet]=k8s.io/kubernetes/cmd/kubelet
  [crictl]=sigs.k8s.io/cri-tools/cmd/crictl
  [helm]=helm.sh/helm/v4/cmd/helm
)
programs=("$@")
[ $# -gt 0 ] || programs=(etcd etcdctl etcdutl kube-apiserver kube-controller-manager kube-scheduler kubectl crictl)

fingerprint=$(sha256sum go.mod go.sum helm/go.mod helm/go.sum build.sh | sha256sum | cut -c1-16)
directory=${SLICELET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slicelet}/control-plane/$fingerprint
mkdir -p "$directory"

# Without these, /version reports a placeholder that breaks helm's kubeVersion checks and version-skew logic.
version=$(sed -n 's/^\tk8s.io\/kubernetes \(v[0-9.]*\).*/\1/p' go.mod)
major=${version#v}; minor=${major#*.}; minor=${minor%%.*}; major=${major%%.*}
stamp=k8s.io/component-base/version
flags="-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=$major -X $stamp.gitMinor=$minor"
flags+=" -X $stamp.gitTreeState=clean -X $stamp.gitCommit=unknown"

for program in "${programs[@]}"; do
  if [ -z "${package[$program]:-}" ]; then
    echo "build.sh: unknown program '$program'; known: ${!package[*]}" >&2
    exit 2
  fi
  [ -x "$directory/$program" ] && continue
  echo "  building $program ($version tools, once) ..." >&2
  started=$SECONDS
  module=.
  [ "$program" != helm ] || module=helm
  CGO_ENABLED=0 go -C "$module" build -mod=readonly -trimpath -p 2 -ldflags "$flags" -o "$directory/.$program.new" "${package[$program]}" >&2
  mv "$directory/.$program.new" "$directory/$program"
  echo "  built $program in $((SECONDS - started)) s" >&2
done
echo "$directory"
