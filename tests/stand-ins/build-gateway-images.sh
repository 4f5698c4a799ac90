#!/usr/bin/env bash
# Makes the images of an EdgeX gateway without a registry: services in miniature (edgex/), and Debian's own PostgreSQL
# and mosquitto.
#
#   build-gateway-images.sh DIR    DIR/gateway.tar  docker.io/slicelet/stand-in-NAME:1, NAME as the published image
#                                  DIR/edgex        the services as one program, to run without a container
#
# Idempotent: does nothing while DIR is newer than the sources and Debian's packages. All images share one layer.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
[ $# = 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)

packages=(umoci jq ccache postgresql-15 mosquitto mosquitto-clients libpq-dev libmosquitto-dev nlohmann-json3-dev)
versions=$(dpkg-query -W -f='${Package}=${Version} ${db:Status-Abbrev}\n' "${packages[@]}" 2>&1) || true
if grep -qvE ' ii ?$' <<<"$versions"; then
  echo "build-gateway-images.sh: missing packages: apt-get install --no-install-recommends ${packages[*]}" >&2
  exit 1
fi
exec 9>"$dir/.gateway-lock"
flock 9
stamp=$(cat "$here"/edgex/* "$here/build-gateway-images.sh" <(echo "$versions") | sha256sum)
[ "$(cat "$dir/gateway-stamp" 2>/dev/null)" != "$stamp" ] || [ ! -f "$dir/gateway.tar" ] || [ ! -x "$dir/edgex" ] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
postgres=/usr/lib/postgresql/15
files=$work/rootfs
mkdir -p "$files"/{bin,etc,tmp,run,"$postgres/bin","$postgres/lib",usr/sbin,usr/bin,var/lib/postgresql,usr/share/postgresql/15}
chmod 1777 "$files/tmp" "$files/run" "$files/var/lib/postgresql"

# The services.
compile() {
  cd "$root" && ccache g++ -std=c++20 -O1 -Wall -Wextra -I. -I/usr/include/postgresql -c "$1" -o "$work/$(basename "$1" .cc).o"
}
export -f compile
export root work
# shellcheck disable=SC2016  # for the inner shell
printf '%s\0' "$here"/edgex/*.cc | sed "s#$root/##g" | xargs -0 -P2 -n1 bash -c 'compile "$0"'
g++ -s -o "$work/edgex" "$work"/*.o -lmosquitto -lpq -pthread
cp "$work/edgex" "$files/edgex"
services=(core-keeper core-common-config-bootstrapper core-metadata core-data core-command device-virtual device-mqtt
  app-service-configurable)
for service in "${services[@]}"; do ln -s /edgex "$files/$service"; done

# Debian's programs, with what they load.
cp /bin/dash "$files/bin/sh"
cp "$postgres"/bin/{postgres,initdb} "$files$postgres/bin/"
cp "$postgres"/lib/{plpgsql,dict_snowball}.so "$files$postgres/lib/"
(cd /usr/share/postgresql/15 && cp -r --parents ./*.sql ./*.txt ./*.bki ./*.sample extension/plpgsql* timezonesets tsearch_data "$files/usr/share/postgresql/15/")
cp /usr/sbin/mosquitto "$files/usr/sbin/"
cp /usr/bin/mosquitto_sub "$files/usr/bin/"
find "$files" -type f \( -perm -u+x -o -name '*.so' \) -print0 | xargs -0 ldd | grep -oE '(=> |^\s)/[^ ]+' | grep -oE '/[^ ]+' | sort -u |
  while read -r library; do
    mkdir -p "$files$(dirname "$library")"
    cp -L "$library" "$files$library"
  done
cat >"$files/mosquitto-no-auth.conf" <<'CONF'
listener 1883
allow_anonymous true
CONF
cat >"$files/etc/passwd" <<'PASSWD'
root:x:0:0::/:/bin/sh
postgres:x:70:70::/var/lib/postgresql:/bin/sh
mosquitto:x:1883:1883::/:/bin/sh
edgex:x:2002:2001::/:/bin/sh
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

layout=$work/layout
umoci --log=error init --layout "$layout"
umoci --log=error new --image "$layout:base"
umoci --log=error insert --image "$layout:base" "$files" /
# image NAME OPTION...: the common layer under another configuration
image() {
  local name=$1
  shift
  umoci --log=error config --image "$layout:base" --tag "$name" --config.env PATH=/usr/bin:/usr/sbin:/bin --config.workingdir / "$@"
}
for service in "${services[@]}"; do
  image "$service" --config.entrypoint "/$service" --config.user 2002:2001 \
    --config.cmd -cp=keeper.http://edgex-core-keeper:59890 --config.cmd --registry
done
image postgres --config.entrypoint /postgres-entrypoint --config.user 70:70 --config.env PGDATA=/var/lib/postgresql/15/main
image eclipse-mosquitto --config.cmd /usr/sbin/mosquitto --config.cmd -c --config.cmd /mosquitto-no-auth.conf --config.user 1883:1883
umoci --log=error rm --image "$layout:base"
jq -c '.manifests[].annotations |= ({"org.opencontainers.image.ref.name": ("docker.io/slicelet/stand-in-" + ."org.opencontainers.image.ref.name" + ":1")})' \
  "$layout/index.json" >"$work/index.json"
mv "$work/index.json" "$layout/index.json"
umoci --log=error gc --layout "$layout"
tar -cf "$work/gateway.tar" -C "$layout" .
mv "$work/gateway.tar" "$work/edgex" "$dir/"
echo "$stamp" >"$dir/gateway-stamp"
