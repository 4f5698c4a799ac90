#!/usr/bin/env bash
# Makes the images of a FIWARE context stack without a registry: services in miniature (fiware/), and Debian's Python.
#
#   build-fiware-images.sh DIR    DIR/fiware.tar  docker.io/slicelet/stand-in-NAME:1, NAME as the published image
#                                 DIR/fiware      the services as one program, to run without a container
#
# Idempotent: does nothing while DIR is newer than the sources and Debian's packages. All images share one layer.
set -euo pipefail
# shellcheck source=tests/stand-ins/images.sh
. "$(dirname "${BASH_SOURCE[0]}")/images.sh"
[ $# = 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2; }
begin_images fiware "$1" fiware python3.11-minimal libpython3.11-stdlib

services=(mongo crate orion iotagent-ul quantumleap grafana)
add_program "" "" "${services[@]}"

# Debian's programs: what the sample starts beside the services.
mkdir -p "$files/usr/bin" "$files/usr/lib/python3.11/lib-dynload"
cp /bin/dash "$files/bin/sh"
cp /bin/cat /bin/chown "$files/bin/"
cp /usr/bin/python3.11 "$files/usr/bin/python3"
(cd /usr/lib/python3.11 && cp -r --parents ./*.py collections email encodings http importlib json re urllib "$files/usr/lib/python3.11/")
find "$files/usr/lib/python3.11" -name '*.py' -exec chmod a-x {} +
cp /usr/lib/python3.11/lib-dynload/_json.*.so "$files/usr/lib/python3.11/lib-dynload/"
add_libraries
chroot "$files" /usr/bin/python3 -B -c 'import argparse, http.client, json, os, pathlib, sys, time, urllib.parse'

begin_layout
image mongo --config.entrypoint /mongo --config.user 999:999
image crate --config.entrypoint /crate --config.user 1000:1000
image orion --config.entrypoint /orion --config.cmd -fg --config.user 65534:65534
image iotagent-ul --config.entrypoint /iotagent-ul --config.user 65532:65532
image quantumleap --config.entrypoint /quantumleap --config.user 1000:1000
image grafana --config.entrypoint /grafana --config.user 472:0
image python --config.cmd /usr/bin/python3 --config.user 65534:65534
end_images
