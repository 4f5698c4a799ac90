#!/usr/bin/env bash
# Makes the images of a Mainflux 0.12 without a registry: its real services, built by tests/mainflux, and Debian's own
# PostgreSQL, Redis, NATS and mosquitto.
#
#   build-mainflux-images.sh DIR    DIR/mainflux.tar  docker.io/slicelet/stand-in-mainflux-NAME:1, NAME as the server's container
#
# Idempotent: does nothing while DIR is newer than the sources and Debian's packages. All images share one layer.
set -euo pipefail
# shellcheck source=tests/stand-ins/images.sh
. "$(dirname "${BASH_SOURCE[0]}")/images.sh"
[ $# = 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2; }
built=$("$root/tests/mainflux/build.sh")
# The path holds the services' fingerprint.
also=$built begin_images mainflux "$1" "" postgresql-15 redis-server nats-server mosquitto

add_postgres
# What the services ask their database for.
cp /usr/lib/postgresql/15/lib/{ltree,pgcrypto}.so "$files/usr/lib/postgresql/15/lib/"
cp /usr/share/postgresql/15/extension/{ltree,pgcrypto}* "$files/usr/share/postgresql/15/extension/"
mkdir -p "$files/usr/bin" "$files/usr/sbin"
cp /bin/dash "$files/bin/sh"
cp /bin/{cat,chown,mv,rm,sync} "$files/bin/"
cp /usr/bin/{flock,redis-server} "$files/usr/bin/"
cp "$(command -v nats-server)" /usr/sbin/mosquitto "$files/usr/sbin/"
add_libraries
for service in auth users things mqtt; do cp "$built/$service" "$files/$service"; done
cat >"$files/etc/passwd" <<'PASSWD'
root:x:0:0::/:/bin/sh
postgres:x:70:70::/var/lib/postgresql:/bin/sh
mosquitto:x:1883:1883::/:/bin/sh
PASSWD

begin_layout
for service in auth users things mqtt; do image "mainflux-$service" --config.entrypoint "/$service"; done
for part in redis nats mosquitto; do image "mainflux-$part"; done
image mainflux-postgres --config.env PATH=/usr/lib/postgresql/15/bin:/usr/bin:/usr/sbin:/bin
end_images
