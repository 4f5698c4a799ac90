#!/usr/bin/env bash
# Builds the chart's container image without a daemon: the programs of build/release and the libraries they link.
#
# Usage: scripts/images.sh [--output DIR] [--build DIR]
#   --output DIR   where the OCI archive goes (default: build/images)
#   --build DIR    the programs' build directory (default: build/release)
#
# Examples:
#   scripts/images.sh
#   skopeo copy oci-archive:build/images/hub.tar docker://REGISTRY/slicelet/hub:0.1.0
#   ctr -n k8s.io images import build/images/hub.tar
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

output=$root/build/images
programs=$root/build/release
while [ $# -gt 0 ]; do
  case $1 in
    --output) output=${2:?"--output needs a directory"}; shift 2 ;;
    --build) programs=${2:?"--build needs a directory"}; shift 2 ;;
    -h | --help) sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "images.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
  esac
done
install_packages umoci skopeo
mkdir -p "$output"
version=$(sed -n 's/^appVersion: //p' "$root/charts/slicelet-hub/Chart.yaml")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# add FILE AT: a file of this machine, at its place in the image.
add() { install -D -m 0755 "$1" "$work/rootfs$2"; }
mkdir -p "$work/rootfs/tmp" "$work/rootfs/var/lib/slicelet" "$work/rootfs/etc"
chmod 1777 "$work/rootfs/tmp"
for path in provider/app/slicelet-provider kubelet-shim/app/slicelet-shim cli/slicectl; do
  [ -x "$programs/$path" ] || die "no $programs/$path: build it with cmake --preset release && cmake --build build/release"
  add "$programs/$path" "/usr/bin/${path##*/}"
done
ldd "$work"/rootfs/usr/bin/* | sed -nE 's/^\s*(\S+ => )?(\/\S+) \(0x.*/\2/p' | sort -u | while read -r library; do
  add "$(readlink -f "$library")" "$library"
done
# Names of services resolve by DNS and the hosts file.
echo 'hosts: files dns' >"$work/rootfs/etc/nsswitch.conf"
echo 'slicelet:x:65532:65532::/:/sbin/nologin' >"$work/rootfs/etc/passwd"

umoci --log=error init --layout "$work/layout"
umoci --log=error new --image "$work/layout:hub"
umoci --log=error insert --image "$work/layout:hub" "$work/rootfs" /
umoci --log=error config --image "$work/layout:hub" --config.user 65532:65532 --config.env PATH=/usr/bin --config.workingdir /
skopeo copy -q "oci:$work/layout:hub" "oci-archive:$work/hub.tar:docker.io/slicelet/hub:$version"
mv "$work/hub.tar" "$output/hub.tar"
say "docker.io/slicelet/hub:$version is in ${output#"$root"/}/hub.tar ($(du -h "$output/hub.tar" | cut -f1))"
