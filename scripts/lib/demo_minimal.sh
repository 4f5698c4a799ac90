# The demo's --sample minimal: one container, logs, exec, and a crash. Sourced by demo.sh, whose functions it uses.
# shellcheck shell=bash disable=SC2034,SC2154

sample_objects=(pod/hello configmap/greeting)
sample_pods=(hello)
prepare_sample() { :; }
write_sample() { cp samples/minimal/pod.yaml "$1/"; }

hello_pod() { "${kubectl[@]}" get pods -o json | jq -e '.items[] | select(.metadata.name=="hello")'; }
greeted() { "${kubectl[@]}" logs hello | grep '^line 1$'; }
restarted() { hello_pod | jq -e '.status.containerStatuses[0].restartCount >= 1'; }

show_sample() {
  step "run samples/minimal/pod.yaml" "seconds" apply_sample || die "the sample did not start; logs: $work"
  show "$shown get nodes" "${kubectl[@]}" get nodes
  show "$shown get pods -o wide" "${kubectl[@]}" get pods -o wide
  until_true 180 "the container has printed a line" greeted
  show "$shown logs hello" "${kubectl[@]}" logs hello
  show "$shown exec hello -- /bin/workload cat /etc/greeting/message" "${kubectl[@]}" exec hello -- /bin/workload cat /etc/greeting/message

  say ""
  say "${bold}Now kill the container's process, as a crash would.${plain}"
  kill -KILL "$(main_process hello hello)" || die "the container's process is gone"
  until_true 180 "the container was restarted" restarted
  until_true 180 "the pod is Ready again" pods_ready
  show "$shown get pods" "${kubectl[@]}" get pods
  say ""
  say "${green}It works.${plain} The image docker.io/slicelet/workload:1 was built here from tests/stand-ins/workload.cc: no registry is needed."
}

say_what_to_try() {
  if [ -n "$kubeconfig" ]; then
    say "  kubectl get pods -w"
    say "  kubectl exec -it hello -- /bin/workload environ"
    say "  kubectl delete pod hello"
  else
    say "  slicectl get pods -o wide"
    say "  slicectl logs -f hello"
    say "  \$EDITOR $work/hub/manifests/pod.yaml     # change the ConfigMap: the file in the container follows"
  fi
}
