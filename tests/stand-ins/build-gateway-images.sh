#!/usr/bin/env bash
# Makes the images of an EdgeX gateway without a registry: services in miniature (edgex/), and Debian's own PostgreSQL
# and mosquitto.
#
#   build-gateway-images.sh DIR    DIR/gateway.tar  docker.io/slicelet/stand-in-NAME:1, NAME as the published image
#                                  DIR/edgex        the services as one program, to run without a container
#
# Idempotent: does nothing while DIR is newer than the sources and Debian's packages. All images share one layer.
set -euo pipefail
# shellcheck source=tests/stand-ins/images.sh
. "$(dirname "${BASH_SOURCE[0]}")/images.sh"
[ $# = 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2; }
begin_images gateway "$1" edgex postgresql-15 mosquitto mosquitto-clients libpq-dev libmosquitto-dev

mkdir -p "$files"{/usr/sbin,/usr/bin}
services=(core-keeper core-common-config-bootstrapper core-metadata core-data core-command device-virtual device-mqtt
  device-rest device-modbus support-notifications support-scheduler app-service-configurable)
add_program -I/usr/include/postgresql "-lmosquitto -lpq" "${services[@]}" ekuiper

# Debian's programs, with what they load.
cp /bin/dash "$files/bin/sh"
add_postgres
cp /usr/sbin/mosquitto "$files/usr/sbin/"
cp /usr/bin/mosquitto_sub "$files/usr/bin/"
# What a database needs whose data stays on the host.
cp /bin/{chown,mv,rm,sync} "$files/bin/"
cp /usr/bin/flock "$files/usr/bin/"
add_libraries
cat >"$files/mosquitto-no-auth.conf" <<'CONF'
listener 1883
allow_anonymous true
CONF
cat >"$files/etc/passwd" <<'PASSWD'
root:x:0:0::/:/bin/sh
postgres:x:70:70::/var/lib/postgresql:/bin/sh
mosquitto:x:1883:1883::/:/bin/sh
edgex:x:2002:2001::/:/bin/sh
kuiper:x:1001:1001::/kuiper:/bin/sh
PASSWD
# What the published image's entrypoint does: makes the database on the first start.
cat >"$files/postgres-entrypoint" <<'SH'
#!/bin/sh
set -e
bin=/usr/lib/postgresql/15/bin
if [ ! -s "$PGDATA/ready" ]; then
  [ -n "$POSTGRES_PASSWORD" ] || { echo "POSTGRES_PASSWORD is not set" >&2; exit 1; }
  [ -s "$PGDATA/PG_VERSION" ] || $bin/initdb -D "$PGDATA" -U postgres --no-sync --locale=C --encoding=UTF8 --auth-local=trust --auth-host=scram-sha-256
  $bin/postgres --single -D "$PGDATA" postgres <<SQL || exit 1
ALTER USER postgres PASSWORD '$POSTGRES_PASSWORD'
CREATE DATABASE ${POSTGRES_DB:-postgres}
SQL
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  echo yes >"$PGDATA/ready"
fi
exec $bin/postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories= -c jit=off
SH
chmod +x "$files/postgres-entrypoint"

install -d -o 1001 -g 1001 "$files/kuiper" "$files/kuiper/data"

begin_layout
for service in "${services[@]}"; do
  image "$service" --config.entrypoint "/$service" --config.user 2002:2001 \
    --config.cmd -cp=keeper.http://edgex-core-keeper:59890 --config.cmd --registry
done
image ekuiper --config.entrypoint /ekuiper --config.user 1001:1001
image postgres --config.entrypoint /postgres-entrypoint --config.user 70:70 --config.env PGDATA=/var/lib/postgresql/15/main \
  --config.env PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin
image eclipse-mosquitto --config.cmd /usr/sbin/mosquitto --config.cmd -c --config.cmd /mosquitto-no-auth.conf --config.user 1883:1883
end_images
