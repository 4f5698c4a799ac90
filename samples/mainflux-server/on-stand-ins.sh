#!/usr/bin/env bash
# Prints server.yaml with the images of tests/stand-ins/build-mainflux-images.sh in place of the published ones.
#
#   on-stand-ins.sh
set -euo pipefail
cat "$(dirname "${BASH_SOURCE[0]}")/server.yaml"
echo "  images:"
for container in postgres redis nats mosquitto auth users things mqtt; do
  echo "    $container: docker.io/slicelet/stand-in-mainflux-$container:1"
done
