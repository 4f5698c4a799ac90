#!/usr/bin/env bash
# Builds container images without a daemon, of the programs of build/release and the libraries they link: hub.tar for the
# chart, senml-export.tar and senml-export-idle.tar for gateways.
#
# Usage: scripts/images.sh [--output DIR] [--build DIR] [hub] [senml-export]
#   hub, senml-export   only these (default: both)
#   --output DIR   where the OCI archives go (default: build/images)
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
wanted=()
while [ $# -gt 0 ]; do
  case $1 in
    --output) output=${2:?"--output needs a directory"}; shift 2 ;;
    --build) programs=${2:?"--build needs a directory"}; shift 2 ;;
    hub | senml-export) wanted+=("$1"); shift ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "images.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
  esac
done
[ ${#wanted[@]} -gt 0 ] || wanted=(hub senml-export)
install_packages umoci skopeo openssl ca-certificates
mkdir -p "$output"
version=$(sed -n 's/^appVersion: //p' "$root/charts/slicelet-hub/Chart.yaml")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# add FILE AT [MODE]: a file of this machine, at its place in the image.
add() { install -D -m "${3:-0755}" "$1" "$work/rootfs$2"; }

# Debian's certificate authorities where OpenSSL looks for them, and with it whoever calls an https server that names none of its own.
add_authorities() {
  local bundle=/etc/ssl/certs/ca-certificates.crt openssl
  openssl=$(openssl version -d | sed -n 's/^OPENSSLDIR: "\(.*\)"$/\1/p')
  if [ ! -s $bundle ] || [ -z "$openssl" ]; then die "no certificate authorities in $bundle: run update-ca-certificates"; fi
  add $bundle $bundle 0644
  mkdir -p "$work/rootfs$openssl"
  ln -s $bundle "$work/rootfs$openssl/cert.pem"
}

# image NAME PROGRAM...: an image of these programs, with what they load and what each of $extras adds; more options of umoci in $configuration.
image() {
  local name=$1 path extra
  shift
  rm -rf "$work/rootfs"
  mkdir -p "$work"/rootfs/{tmp,etc,var/lib/slicelet,var/lib/senml-export}
  chmod 1777 "$work/rootfs/tmp" "$work/rootfs/var/lib/senml-export"
  for path in "$@"; do
    [ -x "$programs/$path" ] || die "no $programs/$path: build it with cmake --preset release && cmake --build build/release"
    add "$programs/$path" "/usr/bin/${path##*/}"
  done
  ldd "$work"/rootfs/usr/bin/* | sed -nE 's/^\s*(\S+ => )?(\/\S+) \(0x.*/\2/p' | sort -u | while read -r library; do
    add "$(readlink -f "$library")" "$library"
  done
  # Names of services resolve by DNS and the hosts file.
  echo 'hosts: files dns' >"$work/rootfs/etc/nsswitch.conf"
  printf '%s:/sbin/nologin\n' 'slicelet:x:65532:65532::/' 'edgex:x:2002:2001::/' >"$work/rootfs/etc/passwd"
  for extra in "${extras[@]}"; do "$extra"; done
  umoci --log=error new --image "$work/layout:$name"
  umoci --log=error insert --image "$work/layout:$name" "$work/rootfs" /
  umoci --log=error config --image "$work/layout:$name" --config.env PATH=/usr/bin --config.workingdir / "${configuration[@]}"
  archive "$name" "$name:$version"
}

# archive NAME REFERENCE: the image of that name as an archive.
archive() {
  skopeo copy -q "oci:$work/layout:$1" "oci-archive:$work/$1.tar:docker.io/slicelet/$2"
  mv "$work/$1.tar" "$output/$1.tar"
  say "docker.io/slicelet/$2 is in ${output#"$root"/}/$1.tar ($(du -h "$output/$1.tar" | cut -f1))"
}

umoci --log=error init --layout "$work/layout"
for one in "${wanted[@]}"; do
  case $one in
    hub)
      configuration=(--config.user 65532:65532) extras=(add_authorities)
      image hub provider/app/slicelet-provider kubelet-shim/app/slicelet-shim cli/slicectl
      ;;
    senml-export)
      # As EdgeX's own services run.
      configuration=(--config.user 2002:2001 --config.entrypoint /usr/bin/senml-export) extras=()
      image senml-export edge-agent/senml-export/senml-export
      # The same while a gateway is not attached: a pod's images can be changed in place, its arguments can not.
      umoci --log=error config --image "$work/layout:senml-export" --tag senml-export-idle --config.cmd --idle
      archive senml-export-idle "senml-export:$version-idle"
      ;;
  esac
done
