# The demo's gateway: EdgeX services in one pod become ready one after the other, and a simulated sensor's readings
# arrive at the server. Sourced by demo.sh, whose functions it uses.
# shellcheck shell=bash disable=SC2034,SC2154

sample_objects=(pod/edgex-gateway pod/iot-server configmap/edgex-settings configmap/edgex-common configmap/edgex-devices
  secret/edgex-database configmap/server-broker)
sample_pods=(edgex-gateway iot-server)
prepare_sample() {
  step "make the gateway's images" "first run: 1 min" tests/integration/containerd.sh gateway "$containerd" ||
    die "the gateway's images could not be made"
}
write_sample() {
  local part
  for part in gateway server; do
    samples/edgex-gateway/on-stand-ins.sh $part | sed "s/18830/$server_port/g" >"$1/$part.yaml"
  done
}

# NAME STATE MESSAGE of every container of the gateway, as its pod's status says; in the order of its spec, in which each
# comes after what it depends on: two that became ready since the last look are told in turn.
services() {
  "${kubectl[@]}" get pods -o json | jq -r '.items[] | select(.metadata.name=="edgex-gateway") |
    ([.status.containerStatuses[]? | {(.name): .}] | add // {}) as $status | .spec.containers[] | $status[.name] // empty |
    [.name, (if .ready then "Ready" elif .state.waiting then .state.waiting.reason else "starting" end), (.state.waiting.message // "")] | @tsv'
}

# Prints every service once it is ready, with what the others wait for in the meantime.
watch_services() {
  local name state began=$SECONDS
  declare -A told=()
  until pods_ready >/dev/null 2>&1 && [ ${#told[@]} -ge 7 ]; do
    while IFS=$'\t' read -r name state _; do
      [ "$state" = Ready ] || continue
      [ -z "${told[$name]:-}" ] || continue
      told[$name]=1
      printf '  %s%3d s%s  %-18s %sReady%s\n' "$dim" $((SECONDS - began)) "$plain" "$name" "$green" "$plain"
    done < <(services 2>/dev/null)
    if [ $((SECONDS - began)) -ge 600 ]; then
      services >&2
      tail -n 15 "$work"/*.log >&2
      die "after 600 s the gateway is not ready"
    fi
    sleep 0.2
  done
}

# arrived COUNT: whether so many readings have; what there is lies in $work/readings then.
arrived() {
  "${kubectl[@]}" logs iot-server -c listener >"$work/listener" && grep '^channels/' "$work/listener" >"$work/readings" &&
    [ "$(wc -l <"$work/readings")" -ge "$1" ]
}
show_readings() {
  tail -n 5 "$work/readings" | cut -d' ' -f2- | jq -r '.readings[0] | "  \(.deviceName)  \(.resourceName) = \(.value)"'
}
metadata_restarted() {
  "${kubectl[@]}" get pods -o json |
    jq -e '.items[] | select(.metadata.name=="edgex-gateway") | .status.containerStatuses[] | select(.name=="core-metadata" and .ready and .restartCount >= 1)'
}

show_sample() {
  step "apply samples/edgex-gateway" "seconds" apply_sample || die "the sample could not be applied; logs: $work"
  say ""
  say "${bold}The gateway's services start one after the other (slicelet.io/depends-on):${plain}"
  watch_services
  show "$shown get pods -o wide" "${kubectl[@]}" get pods -o wide
  say ""
  say "${bold}Device service -> message bus -> export -> the server's broker. The listener there has received:${plain}"
  until_true 180 "readings arrive at the server" arrived 5
  show_readings

  say ""
  say "${bold}Now kill core-metadata, as a crash would. Nobody else is restarted.${plain}"
  kill -KILL "$(main_process edgex-gateway core-metadata)" || die "core-metadata's process is gone"
  until_true 180 "core-metadata was restarted" metadata_restarted
  until_true 180 "the gateway is Ready again" pods_ready
  local before
  until_true 180 "the readings can be read" arrived 1
  before=$(wc -l <"$work/readings")
  until_true 180 "readings arrive again" arrived $((before + 4))
  show_readings
  say ""
  say "${green}It works.${plain} The services are stand-ins for EdgeX 4.0's, built here (tests/stand-ins): no registry is needed."
}

say_what_to_try() {
  say "  ${kubectl[0]##*/} get pods"
  say "  ${kubectl[0]##*/} logs -f iot-server -c listener        # the readings"
  say "  ${kubectl[0]##*/} logs edgex-gateway -c core-metadata"
}
