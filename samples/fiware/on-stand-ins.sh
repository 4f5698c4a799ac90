#!/usr/bin/env bash
# Prints the sample's objects with the images of tests/stand-ins in place of the published ones.
#
#   on-stand-ins.sh stack | view
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case ${1:-} in
  stack) directory=$here ;;
  view) directory=$here/view ;;
  *) sed -n '2,4s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
kubectl kustomize "$directory" | sed -E 's#^( *(- )?image: )([a-z]+/)?([a-z-]+):.*#\1docker.io/slicelet/stand-in-\4:1#'
