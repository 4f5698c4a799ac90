#!/usr/bin/env bash
# Installs what is missing, builds, runs every tier and ends with one line: N passed, N failed, N skipped.
#
# Usage: scripts/test.sh [--tier T] [--long] [--list]
#   --tier T   only this tier: format, tidy, unit, sim, integration, e2e, faults, mqtt, sanitizers
#   --long     also what is too slow for every change (see --list)
#   --list     say what each tier runs, and stop
#
# Examples:
#   scripts/test.sh                  everything CI runs: about an hour on a fresh 2-core machine, 30 minutes on a warm one
#   scripts/test.sh --tier unit      only the unit tests
#   scripts/test.sh --long           with sanitizers, 100,000 simulated schedules, all kill pairs and clang-tidy on every file
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
cd "$root"

tiers=(format tidy unit sim integration e2e faults mqtt sanitizers)
chosen=()
long=
while [ $# -gt 0 ]; do
  case $1 in
    --tier)
      [[ " ${tiers[*]} " == *" ${2:-} "* ]] || { echo "test.sh: no tier '${2:-}'; tiers: ${tiers[*]}" >&2; exit 2; }
      chosen+=("$2")
      shift 2 ;;
    --long) long=1; shift ;;
    --list)
      cat <<'LIST'
format       clang-format, shellcheck and the syntax of scripts
tidy         clang-tidy on files changed since the main branch      --long: on every file
unit         unit tests
sim          2,000 simulated schedules, and every planted bug       --long: 100,000 schedules
integration  adapters against real parts (TLS, SQLite, containerd, API server)
e2e          all programs on a real control plane and real containerd; the exporter against a real Mainflux
faults       kill -9, link faults, restores                         --long: all pairs of kills
mqtt         over an MQTT link: the first path, logs in pieces, the EdgeX gateway, and a broker that dies, forgets and lies
             (test_pods, test_mqtt, test_gateway, test_broker)          --long: all of e2e and faults but test_chart,
             test_demo, test_documents, test_mainflux and test_stand_ins, which choose their links themselves or have none
sanitizers   unit tests and 200 schedules under the address and undefined-behaviour sanitizers,
             integration tests under the thread sanitizer           only when asked for, or with --long
LIST
      exit 0 ;;
    -h | --help) sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "test.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
  esac
done
if [ ${#chosen[@]} -eq 0 ]; then
  chosen=("${tiers[@]}")
  [ -n "$long" ] || unset 'chosen[-1]'  # the sanitizers
fi
wants() { [[ " ${chosen[*]} " == *" $1 "* ]]; }

results=$root/build/results
rm -rf "$results" && mkdir -p "$results"
checks_passed=0
checks_failed=0

# check NAME ABOUT COMMAND...: a step that counts as one test.
check() {
  if step "$@"; then checks_passed=$((checks_passed + 1)); else checks_failed=$((checks_failed + 1)); fi
}
# prepare NAME ABOUT COMMAND...: a step without which the rest makes no sense.
prepare() { step "$@" || finish; }
# suite NAME ABOUT COMMAND...: a step whose cases are counted from its result files; one that left none has failed.
suite() {
  local name=$1 before after status=0
  before=$(find "$results" -name '*.xml' | wc -l)
  step "$@" || status=$?
  after=$(find "$results" -name '*.xml' | wc -l)
  if [ "$after" -eq "$before" ]; then
    checks_failed=$((checks_failed + 1))
  elif [ $status -ne 0 ] && [ "$(count_failed)" -eq 0 ]; then
    checks_failed=$((checks_failed + 1))  # a crash or a sanitizer report outside any case
  fi
}
count_failed() { find "$results" -name '*.xml' -print0 | xargs -0 -r /usr/bin/python3 scripts/lib/count_results.py | cut -d' ' -f2; }

finish() {
  local passed=0 failed=0 skipped=0
  read -r passed failed skipped < <(find "$results" -name '*.xml' -print0 | xargs -0 -r /usr/bin/python3 scripts/lib/count_results.py || echo 0 0 0) || true
  say ""
  say "${bold}What each step took${plain}"
  printf '  %s\n' "${step_table[@]}"
  if [ "$((failed + checks_failed))" -gt 0 ] || [ "$steps_done" -lt "$steps_total" ]; then
    [ "$((failed + checks_failed))" -gt 0 ] || failed=1
    say ""
    say "${bold}What failed${plain}"
    find "$results" -name '*.xml' -print0 | xargs -0 -r /usr/bin/python3 scripts/lib/count_results.py --failures
    say "Logs of every step: build/logs/. One tier alone: scripts/test.sh --tier TIER"
  fi
  say "$((passed + checks_passed)) passed, $((failed + checks_failed)) failed, $((skipped)) skipped"
  [ "$((failed + checks_failed))" -eq 0 ]
  exit
}

# ctest_suite PRESET LABEL-REGEX JOBS: the preset has the sanitizers' options.
ctest_suite() {
  mkdir -p "$results/$1-$2"
  GTEST_OUTPUT="xml:$results/$1-$2/" ctest --preset "$1" -L "^($2)\$" -j "$3" --output-on-failure --no-tests=error
}
pytest_suite() {
  local name=$1
  shift
  SLICELET_LONG=$long SLICELET_BIN=$root/build/release /usr/bin/python3 -m pytest -p no:cacheprovider -ra -v \
    --junitxml="$results/$name.xml" "$@"
}

wants_any() { local tier; for tier in "$@"; do ! wants "$tier" || return 0; done; return 1; }

steps_total=1
wants format && steps_total=$((steps_total + 1))
wants tidy && steps_total=$((steps_total + 1))
wants_any unit sim integration e2e faults mqtt && steps_total=$((steps_total + 1))
wants_any integration e2e faults mqtt && steps_total=$((steps_total + 1))
wants unit && steps_total=$((steps_total + 1))
wants sim && steps_total=$((steps_total + 2))
wants integration && steps_total=$((steps_total + 1))
wants_any integration e2e && steps_total=$((steps_total + 1))
wants e2e && steps_total=$((steps_total + 1))
wants faults && steps_total=$((steps_total + 1))
wants mqtt && steps_total=$((steps_total + 1))
wants sanitizers && steps_total=$((steps_total + 5))

build_kubernetes() { tests/control-plane/build.sh && tests/control-plane/build.sh helm; }
install_everything() { install_packages "${build_packages[@]}" "${run_packages[@]}" "${gateway_packages[@]}" "${test_packages[@]}" && install_go; }
say "slicelet: tests (tiers: ${chosen[*]}); a cold first run takes about an hour on 2 cores, a warm one 30 minutes"
prepare "install packages" "about 2 min on a bare machine" install_everything
install_go  # for PATH in this shell

wants format && check "format" "seconds" scripts/lib/check_format.sh
if wants_any integration e2e faults mqtt; then
  prepare "build Kubernetes" "cold about 6 min" build_kubernetes
fi
wants_any integration e2e && prepare "build Mainflux" "cold about 4 min" tests/mainflux/build.sh
if wants_any unit sim integration e2e faults mqtt; then
  prepare "build release" "cold about 9 min" build release all
fi
wants tidy && check "clang-tidy" "changed files" scripts/lib/check_tidy.sh "${long:+--all}"
wants unit && suite "unit tests" "1 min" ctest_suite release unit 2
if wants sim; then
  schedules=2000
  [ -z "$long" ] || schedules=100000
  check "$schedules simulated schedules" "2 min for 2000" build/release/tests/sim/slicelet-sim --schedules $schedules --jobs 2
  check "planted bugs are found" "half a minute" build/release/tests/sim/slicelet-sim --plants
fi
wants integration && suite "integration tests" "3 min" ctest_suite release integration 1
wants e2e && suite "end to end" "5 min" pytest_suite e2e tests/e2e
wants faults && suite "faults" "5 min" pytest_suite faults tests/faults
if wants mqtt; then
  over_mqtt=(tests/e2e/test_pods.py tests/e2e/test_mqtt.py tests/e2e/test_gateway.py tests/faults/test_broker.py)
  [ -z "$long" ] || over_mqtt=(tests/e2e tests/faults --ignore-glob='*/test_chart.py' --ignore-glob='*/test_demo.py'
    --ignore-glob='*/test_documents.py' --ignore-glob='*/test_mainflux.py' --ignore-glob='*/test_stand_ins.py')
  SLICELET_LINK=mqtt suite "end to end over MQTT" "5 min" pytest_suite mqtt "${over_mqtt[@]}"
fi
if wants sanitizers; then
  prepare "build with asan and ubsan" "cold about 9 min" build asan slicelet_unit_tests slicelet-sim
  suite "unit tests (asan, ubsan)" "1 min" ctest_suite asan unit 2
  check "200 schedules (asan, ubsan)" "4 min" build/asan/tests/sim/slicelet-sim --schedules 200 --jobs 2
  prepare "build with tsan" "cold about 4 min" build tsan slicelet_integration_tests
  suite "integration tests (tsan)" "3 min" ctest_suite tsan integration 1
fi
finish
