#!/usr/bin/env bash
# Makes the images the tests and the demo run, without a registry: two OCI archives of one static program.
#
#   build-image.sh DIR     DIR/workload.tar  docker.io/slicelet/workload:1  (entrypoint /bin/workload)
#                          DIR/pause.tar     docker.io/slicelet/pause:1     (the same program, waiting)
#
# Idempotent: does nothing while DIR is newer than the sources. What the program can do: head of workload.cc.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# = 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)

exec 9>"$dir/.lock"
flock 9
stamp=$(cat "$here/workload.cc" "$here/build-image.sh" | sha256sum)
[ "$(cat "$dir/stamp" 2>/dev/null)" != "$stamp" ] || [ ! -f "$dir/workload.tar" ] || [ ! -f "$dir/pause.tar" ] || exit 0

for program in g++ umoci skopeo; do
  command -v $program >/dev/null || { echo "build-image.sh: $program is not installed: apt-get install g++ umoci skopeo" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
g++ -std=c++20 -Os -static -s -fno-exceptions -fno-rtti -ffunction-sections -fdata-sections -Wl,--gc-sections -Wno-unused-result \
  -o "$work/workload" "$here/workload.cc"
mkdir "$work/tmp" && chmod 1777 "$work/tmp"

# image NAME [ARGUMENT...]
image() {
  local name=$1
  umoci --log=error init --layout "$work/layout-$name"
  umoci --log=error new --image "$work/layout-$name:1"
  umoci --log=error insert --image "$work/layout-$name:1" "$work/workload" /bin/workload
  umoci --log=error insert --image "$work/layout-$name:1" "$work/tmp" /tmp
  umoci --log=error config --image "$work/layout-$name:1" --config.entrypoint /bin/workload --config.env PATH=/bin --config.workingdir /
  skopeo copy -q "oci:$work/layout-$name:1" "oci-archive:$work/$name.tar:docker.io/slicelet/$name:1"
  mv "$work/$name.tar" "$dir/$name.tar"
}
image workload
image pause
echo "$stamp" >"$dir/stamp"
