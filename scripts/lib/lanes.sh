# Steps that run beside one another. Sourced by test.sh, after common.sh.
# A lane is a process of its own: what became of its steps goes to files in $results.
# shellcheck shell=bash

# shellcheck disable=SC2154  # set by whoever sources this file
step_table=$results/steps
verdicts=$results/verdicts
ended=$results/ended
unprepared=$results/unprepared
lanes=()

# lane_step NAME ABOUT COMMAND...: as `step`, with a line for the begin and one for the end.
lane_step() {
  # shellcheck disable=SC2034  # run_logged sets them
  local name=$1 about=$2 status=0 log took computed
  shift 2
  [ ! -e "$ended" ] || return 1
  printf '        %-34s %s(%s)%s begins\n' "$name" "$dim" "$about" "$plain"
  run_logged "$name" "$@" || status=$?
  {
    flock 9
    printf '%-34s %6d s %6d s  %s\n' "$name" "$took" "$computed" "$([ $status -eq 0 ] && echo ok || echo FAILED)" >>"$step_table"
    printf '%s[%d/%d]%s %-34s ' "$bold" "$(wc -l <"$step_table")" "$steps_total" "$plain" "$name"
    show_end $status
  } 9>>"$step_table.lock"
  return $status
}

# check NAME ABOUT COMMAND...: a step that counts as one test.
check() {
  local verdict=passed
  lane_step "$@" || verdict=failed
  echo $verdict >>"$verdicts"
}
# prepare NAME ABOUT COMMAND...: a step without which what follows makes no sense; it counts if it fails.
prepare() {
  lane_step "$@" && return
  echo failed >>"$verdicts"
  touch "$unprepared"
  return 1
}
# suite NAME ABOUT COMMAND...: a step whose cases are counted from the files that it puts into $suite_results; one that
# left none has failed, and so has one that ended badly with no case to blame (a crash, a sanitizer's report).
suite() {
  local name=$1 status=0 passed failed skipped
  suite_results=$results/${name//[^A-Za-z0-9]/-}
  mkdir -p "$suite_results"
  lane_step "$@" || status=$?
  read -r passed failed skipped < <(count_cases "$suite_results")
  if [ $((passed + failed + skipped)) -eq 0 ] || { [ $status -ne 0 ] && [ "$failed" -eq 0 ]; }; then
    echo failed >>"$verdicts"
  fi
  suite_results=
}
# count_cases DIR: "PASSED FAILED SKIPPED"
count_cases() { find "$1" -name '*.xml' -print0 | xargs -0 /usr/bin/python3 "$root/scripts/lib/count_results.py"; }

# run_lanes FUNCTION...: at once. Ctrl-C reaches what runs in them, so that each ends what it has started.
run_lanes() {
  local lane
  lanes=()
  trap end_lanes INT TERM
  set -m  # else they would ignore Ctrl-C
  for lane in "$@"; do
    "$lane" &
    lanes+=($!)
  done
  set +m
  wait "${lanes[@]}" || true
  trap - INT TERM
}
end_lanes() {
  local lane
  trap - INT TERM
  say "ending what runs ..."
  touch "$ended"
  for lane in "${lanes[@]}"; do kill -INT -- "-$lane" 2>/dev/null || true; done
  wait "${lanes[@]}" || true
  exit 130
}
