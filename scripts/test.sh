#!/usr/bin/env bash
# Installs what is missing, builds, runs every tier and ends with one line: N passed, N failed, N skipped.
#
# Usage: scripts/test.sh [--tier T] [--long] [--list]
#   --tier T   only this tier: format, tidy, unit, sim, integration, e2e, faults, mqtt, sanitizers
#   --long     also what is too slow for every change (see --list)
#   --list     say what each tier runs, and stop
#
# Examples:
#   scripts/test.sh                  everything CI runs: about an hour on a fresh 2-core machine, 17 minutes on a warm one
#   scripts/test.sh --tier unit      only the unit tests
#   scripts/test.sh --long           with 100,000 simulated schedules, all kill pairs and clang-tidy on every file: 4 to 5 hours
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
format       clang-format, shellcheck, the syntax of scripts and systemd's units
tidy         clang-tidy on files changed since the main branch      --long: on every file
unit         unit tests. Beside the sanitizers, which run all of them, those that try under them only a part of what they try
             without                                                --long, or --tier unit alone: all
sim          2,000 simulated schedules, and every planted bug       --long: 100,000 schedules
integration  adapters against real parts (TLS, SQLite, containerd, API server)
e2e          all programs on a real control plane and real containerd; the exporter against a real Mainflux, and Mainflux as
             an IotServer with three of its containers killed; schemathesis against the admin API for 45 s
                                                                    --long: each of that server's containers and its host are
                                                                    killed, the containers also with a gateway attached (test_story);
                                                                    schemathesis for ten minutes; the demo with --kube; bench.sh hot;
                                                                    a fleet's gateway at a real Mainflux (test_fleet_attach);
                                                                    a slice in two clusters (test_two_clusters); gateways of every
                                                                    device service and of the full profile (test_device_services)
faults       kill -9 at random moments (SLICELET_SEED repeats them), link faults, forged manifests, restores
                                                                    --long: all pairs of kills
mqtt         over an MQTT link: the first path, logs in pieces, the EdgeX gateway, and a broker that dies, forgets and lies
             (test_pods, test_mqtt, test_gateway, test_broker)          --long: all of e2e and faults but test_bench, test_chart,
             test_demo, test_documents, test_mainflux, test_stand_ins, test_standalone and test_two_clusters, which choose their
             links themselves or have none
sanitizers   unit tests and 200 schedules under the address and undefined-behaviour sanitizers,
             the adapters' integration tests under the thread sanitizer     --long: each parser of outside bytes a minute under libFuzzer
LIST
      exit 0 ;;
    -h | --help) sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "test.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
  esac
done
[ ${#chosen[@]} -gt 0 ] || chosen=("${tiers[@]}")
wants() { [[ " ${chosen[*]} " == *" $1 "* ]]; }

results=$root/build/results
rm -rf "$results" && mkdir -p "$results"
# shellcheck source=scripts/lib/lanes.sh
. scripts/lib/lanes.sh
touch "$step_table" "$verdicts"

finish() {
  local passed failed skipped
  read -r passed failed skipped < <(count_cases "$results")
  passed=$((passed + $(grep -c passed "$verdicts" || true)))
  failed=$((failed + $(grep -c failed "$verdicts" || true)))
  say ""
  say "${bold}What each step took, and its seconds of CPU${plain}"
  sed 's/^/  /' "$step_table"
  printf '  %-34s %6d s\n' "all, some beside others" $SECONDS
  # A lane that died did not say why.
  [ "$failed" -gt 0 ] || [ "$(wc -l <"$step_table")" -eq "$steps_total" ] || failed=1
  if [ "$failed" -gt 0 ]; then
    say ""
    say "${bold}What failed${plain}"
    grep FAILED "$step_table" | sed 's/^/  /' || true
    failed_cases "$results"
    say "Logs of every step: build/logs/. One tier alone: scripts/test.sh --tier TIER"
  fi
  say "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ]
  exit
}

# ctest_suite PRESET LABEL-REGEX JOBS: the preset has the sanitizers' options.
ctest_suite() {
  GTEST_OUTPUT="xml:$suite_results/" ctest --preset "$1" -L "^($2)\$" -j "$3" --output-on-failure --no-tests=error
}
# about USUALLY LONG: what a step takes, on two cores.
about() { if [ -z "$long" ]; then echo "$1"; else echo "$2"; fi; }
# pytest_suite NAME ARGUMENT...
pytest_suite() {
  local name=$1
  shift
  SLICELET_LONG=$long SLICELET_SUITE=$name SLICELET_BIN=$root/build/release /usr/bin/python3 -m pytest -p no:cacheprovider -ra -v \
    --durations=15 --junitxml="$suite_results/$name.xml" "$@"
}

wants_any() { local tier; for tier in "$@"; do ! wants "$tier" || return 0; done; return 1; }
count_steps() { ! wants_any "${@:2}" || steps_total=$((steps_total + $1)); }
steps_total=1
count_steps 1 format
count_steps 1 tidy
count_steps 1 unit sim integration e2e faults mqtt
count_steps 1 integration e2e faults mqtt sanitizers
count_steps 1 integration e2e sanitizers
count_steps 1 unit
count_steps 2 sim
count_steps 1 integration
count_steps 3 e2e
count_steps 1 faults
count_steps 1 mqtt
count_steps 5 sanitizers
[ -z "$long" ] || count_steps 1 sanitizers

build_kubernetes() { tests/control-plane/build.sh && tests/control-plane/build.sh helm; }
install_everything() { install_packages "${build_packages[@]}" "${run_packages[@]}" "${gateway_packages[@]}" "${test_packages[@]}" && install_go; }

# Once is enough for what does the same under the sanitizers.
all_unit_tests() { [ -n "$long" ] || ! wants sanitizers; }
lane_of_servers() {
  if wants_any integration e2e faults mqtt sanitizers; then
    prepare "build Kubernetes" "cold about 6 min" build_kubernetes || return
  fi
  if wants_any integration e2e sanitizers; then
    prepare "build Mainflux" "cold about 4 min" tests/mainflux/build.sh
  fi
}
lane_of_programs() {
  if wants_any unit sim integration e2e faults mqtt; then
    local tests=(slicelet_tests)
    all_unit_tests || tests=(slicelet_sweep_tests slicelet_integration_tests slicelet_test_helpers)
    prepare "build release" "cold about 9 min" build release all "${tests[@]}"
  fi
}

# What waits for real time, in four lanes; the fifth one has the rest of the processors.
# Tests with worlds of their own: fleets; samples, servers, documents.
of_fleets=(tests/e2e/test_{fleet,standalone}.py)
of_samples=(tests/e2e/test_{admin_rest,attach,chart,demo,documents,fiware,fiware_stand_ins,mainflux,server,stand_ins,story}.py)
lane_of_one_host() {
  ! wants e2e || suite "end to end" "$(about "8 min" "13 min")" pytest_suite e2e tests/e2e "${of_samples[@]/#/--ignore=}" "${of_fleets[@]/#/--ignore=}"
}
lane_of_samples() {
  ! wants e2e || suite "samples and servers, end to end" "$(about "10 min" "22 min")" pytest_suite samples "${of_samples[@]}"
}
lane_of_faults() {
  ! wants faults || suite "faults" "$(about "7 min" "11 min")" pytest_suite faults tests/faults
  wants mqtt || return 0
  local over_mqtt=(tests/e2e/test_pods.py tests/e2e/test_mqtt.py tests/e2e/test_gateway.py tests/faults/test_broker.py)
  [ -z "$long" ] || over_mqtt=(tests/e2e tests/faults --ignore-glob='*/test_bench.py' --ignore-glob='*/test_chart.py' --ignore-glob='*/test_demo.py'
    --ignore-glob='*/test_documents.py' --ignore-glob='*/test_mainflux.py' --ignore-glob='*/test_stand_ins.py' --ignore-glob='*/test_standalone.py'
    --ignore-glob='*/test_two_clusters.py')
  SLICELET_LINK=mqtt suite "end to end over MQTT" "$(about "4 min" "35 min")" pytest_suite mqtt "${over_mqtt[@]}"
}
lane_of_adapters_and_fleets() {
  ! wants integration || suite "integration tests" "2 min" ctest_suite release integration 2
  ! wants e2e || suite "fleets and standalone, end to end" "4 min" pytest_suite fleets "${of_fleets[@]}"
  wants sanitizers || return 0
  if prepare "build with tsan" "cold about 3 min" build_politely tsan slicelet_integration_tests; then
    suite "integration tests (tsan)" "2 min" ctest_suite tsan integration 2
  fi
}
# Behind those whose time runs.
build_politely() (
  renice -n 5 "$BASHPID" >/dev/null
  build "$@"
)
lane_of_computing() {
  renice -n 5 "$BASHPID" >/dev/null
  local schedules=2000
  [ -z "$long" ] || schedules=100000
  if wants unit && all_unit_tests; then
    suite "unit tests" "1 min" ctest_suite release unit 2
  elif wants unit; then
    suite "unit tests that try everything" "1 min" ctest_suite release sweep 2
  fi
  ! wants tidy || check "clang-tidy" "$(about "changed files" "every file: 50 min")" scripts/lib/check_tidy.sh "${long:+--all}"
  if wants sim; then
    check "$schedules simulated schedules" "$(about "3 min" "3 hours")" build/release/tests/sim/slicelet-sim --schedules $schedules --jobs 2
    check "planted bugs are found" "half a minute" build/release/tests/sim/slicelet-sim --plants
  fi
  wants sanitizers || return 0
  [ -z "$long" ] || check "fuzzing" "a minute of each of 6 targets" scripts/fuzz.sh
  if prepare "build with asan and ubsan" "cold about 9 min" build asan slicelet_unit_tests slicelet-sim; then
    suite "unit tests (asan, ubsan)" "1 min" ctest_suite asan unit 2
    # What is used after a return the unit tests have looked for; the stack of an allocation is needed for one found bug alone; what
    # is freed is kept for longer than it is by default, which costs less than to give it back.
    check "200 schedules (asan, ubsan)" "1 min" env ASAN_OPTIONS=detect_stack_use_after_return=0:malloc_context_size=2:quarantine_size_mb=512 \
      build/asan/tests/sim/slicelet-sim --schedules 200 --jobs 2
  fi
}

say "slicelet: tests (tiers: ${chosen[*]}); on 2 cores a first run takes about an hour, a later one 17 minutes"
prepare "install packages" "about 2 min on a bare machine" install_everything || finish
install_go  # for PATH in this shell
! wants format || check "format" "seconds" scripts/lib/check_format.sh
run_lanes lane_of_servers lane_of_programs
[ ! -e "$unprepared" ] || finish
run_lanes lane_of_one_host lane_of_samples lane_of_faults lane_of_adapters_and_fleets lane_of_computing
finish
