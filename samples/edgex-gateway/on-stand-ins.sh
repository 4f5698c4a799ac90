#!/usr/bin/env bash
# Prints pod.yaml and server.yaml with the images of tests/stand-ins in place of the published ones.
#
#   on-stand-ins.sh gateway | server
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case ${1:-} in
  gateway) file=$here/pod.yaml ;;
  server) file=$here/server.yaml ;;
  *) sed -n '2,4s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
sed -E 's#^( *image: )([a-z]+/)?([a-z-]+):.*#\1docker.io/slicelet/stand-in-\3:1#' "$file"
