#!/usr/bin/env bash
# Runs the fuzz targets of tests/fuzz with libFuzzer, under address and undefined-behaviour sanitizers.
#
# Usage: scripts/fuzz.sh [--seconds N] [TARGET ...]
#   --seconds N   how long each target runs; 60 unless told otherwise
#   TARGET        only these; without one all of them (tests/fuzz/TARGET.cc)
#
# What it learnt is kept in build/fuzz/corpus for the next run. It stops at the first finding, which is left in
# build/fuzz/findings: put it into tests/fuzz/corpus together with the fix.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
known=()
for source in tests/fuzz/*_fuzz.cc; do known+=("$(basename "$source" .cc)"); done
seconds=60
targets=()
while [ $# -gt 0 ]; do
  case $1 in
    --seconds)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { echo "fuzz.sh: '${2:-}' is no number of seconds; see --help" >&2; exit 2; }
      seconds=$2
      shift 2 ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *)
      [[ " ${known[*]} " == *" $1 "* ]] || { echo "fuzz.sh: no target '$1'; targets: ${known[*]}" >&2; exit 2; }
      targets+=("$1")
      shift ;;
  esac
done
[ ${#targets[@]} -gt 0 ] || targets=("${known[@]}")
command -v clang++-19 >/dev/null || { echo "fuzz.sh: clang++-19 is not installed: apt-get install clang-19 libclang-rt-19-dev" >&2; exit 1; }

cmake --preset fuzz >/dev/null
cmake --build build/fuzz --target "${targets[@]}"
export ASAN_OPTIONS=external_symbolizer_path=/usr/bin/llvm-symbolizer-14 UBSAN_OPTIONS=print_stacktrace=1
mkdir -p build/fuzz/findings
for target in "${targets[@]}"; do
  echo "fuzz.sh: $target for $seconds s"
  # New inputs go to the first directory, which is not the repository's.
  mkdir -p "build/fuzz/corpus/${target%_fuzz}"
  "build/fuzz/tests/fuzz/$target" -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/findings/$target-" "build/fuzz/corpus/${target%_fuzz}" "tests/fuzz/corpus/${target%_fuzz}"
done
