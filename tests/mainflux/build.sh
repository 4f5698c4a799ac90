#!/usr/bin/env bash
# Builds the services of Mainflux 0.12 that go.mod names into a cache outside the repository and prints that directory.
#
# Usage: build.sh
# Cold about 3 minutes on 2 cores, then under a second: they are built again only when go.mod or go.sum changes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

fingerprint=$(sha256sum go.mod go.sum | sha256sum | cut -c1-16)
directory=${SLICELET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slicelet}/mainflux/$fingerprint
mkdir -p "$directory"
# Suites beside one another build once.
exec 9>"$directory/.lock"
flock 9
for service in auth users things mqtt; do
  [ -x "$directory/$service" ] && continue
  echo "  building Mainflux's $service (once) ..." >&2
  CGO_ENABLED=0 go build -mod=readonly -trimpath -p 2 -ldflags '-s -w' -o "$directory/.$service.new" \
    "github.com/mainflux/mainflux/cmd/$service" >&2
  mv "$directory/.$service.new" "$directory/$service"
done
echo "$directory"
