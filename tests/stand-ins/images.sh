# What the scripts share that make images of stand-ins without a registry. Sourced, never run.
# shellcheck shell=bash

stand_ins=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$stand_ins/../.." && pwd)

# begin_images NAME DIR SOURCES PACKAGE...: exits with 0 when DIR/NAME.tar is newer than the sources (a folder of
# stand-ins and what it shares; "" for none), Debian's packages and the text in `also`. Sets work, files (the layer to fill) and layout.
begin_images() {
  local name=$1 sources=$3 of=()
  mkdir -p "$2"
  dir=$(cd "$2" && pwd)
  archive=$name
  shift 3
  local packages=(umoci jq ccache nlohmann-json3-dev "$@") versions
  versions=$(dpkg-query -W -f='${Package}=${Version} ${db:Status-Abbrev}\n' "${packages[@]}" 2>&1) || true
  if grep -qvE ' ii ?$' <<<"$versions"; then
    echo "${0##*/}: missing packages: apt-get install --no-install-recommends ${packages[*]}" >&2
    exit 1
  fi
  exec 9>"$dir/.$name-lock"
  flock 9
  [ -z "$sources" ] || of=("$stand_ins/$sources"/* "$stand_ins"/common/*)
  stamp=$(cat "${of[@]}" "$0" "${BASH_SOURCE[0]}" <(echo "$versions" "${also:-}") | sha256sum)
  program=$sources
  [ "$(cat "$dir/$name-stamp" 2>/dev/null)" != "$stamp" ] || [ ! -f "$dir/$name.tar" ] || [ ! -x "$dir/$program" ] || exit 0
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  files=$work/rootfs
  layout=$work/layout
  mkdir -p "$files"/{bin,etc,tmp,run}
  chmod 1777 "$files/tmp" "$files/run"
}

compile_one() { cd "$root" && ccache g++ -std=c++20 -O1 -Wall -Wextra -I. "${@:2}" -c "$1" -o "$work/$(basename "$1" .cc).o"; }

# add_program "COMPILER OPTION..." "LIBRARY..." NAME...: the stand-ins as one program, at / under each name.
add_program() {
  local options libraries name
  read -ra options <<<"$1"
  read -ra libraries <<<"$2"
  shift 2
  export -f compile_one
  export root work
  # shellcheck disable=SC2016  # for the inner shell
  printf '%s\0' "$stand_ins/$program"/*.cc "$stand_ins"/common/*.cc | grep -zv '_test\.cc$' | sed -z "s#$root/##" |
    xargs -0 -P2 -I{} bash -c 'compile_one "$@"' compile {} "${options[@]}"
  g++ -s -o "$work/$program" "$work"/*.o "${libraries[@]}" -pthread
  cp "$work/$program" "$files/$program"
  for name in "$@"; do ln -s "/$program" "$files/$name"; done
}

# Debian's PostgreSQL: what makes a database and what runs it.
add_postgres() {
  local postgres=/usr/lib/postgresql/15 share=/usr/share/postgresql/15
  mkdir -p "$files"{"$postgres/bin","$postgres/lib",/var/lib/postgresql,"$share"}
  chmod 1777 "$files/var/lib/postgresql"
  cp "$postgres"/bin/{postgres,initdb} "$files$postgres/bin/"
  cp "$postgres"/lib/{plpgsql,dict_snowball}.so "$files$postgres/lib/"
  (cd $share && cp -r --parents ./*.sql ./*.txt ./*.bki ./*.sample extension/plpgsql* timezonesets tsearch_data "$files$share/")
}

# Whatever the layer's programs load.
add_libraries() {
  find "$files" -type f \( -perm -u+x -o -name '*.so' \) -print0 | xargs -0 ldd | grep -oE '(=> |^\s)/[^ ]+' | grep -oE '/[^ ]+' | sort -u |
    while read -r library; do
      mkdir -p "$files$(dirname "$library")"
      cp -L "$library" "$files$library"
    done
}

# The layer is whole: images are made from it with `image`.
begin_layout() {
  umoci --log=error init --layout "$layout"
  umoci --log=error new --image "$layout:base"
  umoci --log=error insert --image "$layout:base" "$files" /
}

# image NAME OPTION...: the common layer under another configuration
image() {
  local name=$1
  shift
  umoci --log=error config --image "$layout:base" --tag "$name" --config.env PATH=/usr/bin:/usr/sbin:/bin --config.workingdir / "$@"
}

# Puts the archive and the program into DIR.
end_images() {
  umoci --log=error rm --image "$layout:base"
  jq -c '.manifests[].annotations |= ({"org.opencontainers.image.ref.name": ("docker.io/slicelet/stand-in-" + ."org.opencontainers.image.ref.name" + ":1")})' \
    "$layout/index.json" >"$work/index.json"
  mv "$work/index.json" "$layout/index.json"
  umoci --log=error gc --layout "$layout"
  tar -cf "$work/$archive.tar" -C "$layout" .
  mv "$work/$archive.tar" "$dir/"
  [ -z "$program" ] || mv "$work/$program" "$dir/"
  echo "$stamp" >"$dir/$archive-stamp"
}
