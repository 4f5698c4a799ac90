#!/usr/bin/env bash
# Runs the fuzz targets of tests/fuzz with libFuzzer, under address and undefined-behaviour sanitizers.
#
# Usage: scripts/fuzz.sh [SECONDS] [TARGET ...]     60 seconds of each target unless told otherwise
#
# What it finds is left in build/fuzz/findings; put it into the target's corpus together with the fix.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case ${1:-} in -h | --help) sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;; esac
seconds=${1:-60}
[[ $seconds =~ ^[0-9]+$ ]] || { echo "fuzz.sh: '$seconds' is no number of seconds; see --help" >&2; exit 2; }
[ $# -eq 0 ] || shift
command -v clang++-19 >/dev/null || { echo "fuzz.sh: clang++-19 is not installed: apt-get install clang-19 libclang-rt-19-dev" >&2; exit 1; }

declare -A corpus=([target_condition_fuzz]=target_condition [fleet_annotations_fuzz]=fleet_annotations [connector_fuzz]=connector
  [envelope_fuzz]=envelope [manifest_fuzz]=manifest)
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(printf '%s\n' "${!corpus[@]}" | sort)
for target in "${targets[@]}"; do
  [ -n "${corpus[$target]:-}" ] || { echo "fuzz.sh: unknown target '$target'; targets: ${!corpus[*]}" >&2; exit 2; }
done

cmake -S . -B build/fuzz -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 \
  -DSLICELET_FUZZ=ON -DSLICELET_SANITIZE=address,undefined >/dev/null
ninja -C build/fuzz "${targets[@]}"
mkdir -p build/fuzz/findings
for target in "${targets[@]}"; do
  # New inputs go to the first directory, which is not the repository's.
  mkdir -p "build/fuzz/corpus/${corpus[$target]}"
  "build/fuzz/tests/fuzz/$target" -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/findings/$target-" "build/fuzz/corpus/${corpus[$target]}" "tests/fuzz/corpus/${corpus[$target]}"
done
