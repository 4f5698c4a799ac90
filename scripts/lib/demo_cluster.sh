# The demo in a cluster of the user's own: where it must not be in the way, and how everything it made there goes again.
# Sourced by demo.sh, whose functions it uses.
# shellcheck shell=bash disable=SC2034,SC2154

# The hub's kinds, namespace, accounts, roles and policies.
hub_files=(-f charts/slicelet-hub/crds -f samples/cluster)
in_cluster() { kubectl --kubeconfig "$kubeconfig" "$@"; }

# check_cluster OBJECT...: ends the demo where these or another hub are.
check_cluster() {
  local object kind found
  in_cluster --request-timeout 60s get namespace default >/dev/null || die "demo.sh: the cluster of $kubeconfig does not answer"
  for object in "$@"; do
    ! in_cluster -n default get "$object" >/dev/null 2>&1 || die "demo.sh: your cluster already has $object, which the demo would make"
  done
  # A namespace is one hub's: each of two would take the other's hosts for its own.
  for kind in edgehosts iotslices iotclusters; do
    [ -n "$(in_cluster get crd "$kind.slicelet.io" --ignore-not-found -o name)" ] || continue
    found=$(in_cluster -n slicelet get "$kind.slicelet.io" -o name) || die "demo.sh: cannot see the $kind in namespace slicelet of your cluster"
    [ -z "$found" ] || die "demo.sh: your cluster already has ${found%%$'\n'*} in namespace slicelet: a hub of yours lives there.
Run the demo in another cluster, in one that it makes (--kube), or without one."
  done
}

# What the cluster lacks of a hub's files is made, and listed in $work/made.json, so that exactly this goes again; what
# is there may serve another hub, and is left as it is.
join_cluster() {
  in_cluster create --dry-run=client "${hub_files[@]}" -o json >"$work/wanted.json" &&
    in_cluster get "${hub_files[@]}" --ignore-not-found -o json >"$work/there.json" &&
    jq -n --slurpfile wanted "$work/wanted.json" --slurpfile there "$work/there.json" '
      def each: .[] | if .kind == "List" then .items[] else . end;
      def key: [.kind, .metadata.namespace, .metadata.name];
      [$there | each | key] as $kept |
      {apiVersion: "v1", kind: "List", items: [$wanted | each | select([key] as $one | $kept | index($one) | not)]}' \
      >"$work/missing.json" && mv "$work/missing.json" "$work/made.json" || return 1
  joined=1
  if jq -e '.items != []' "$work/made.json" >/dev/null; then in_cluster create -f "$work/made.json" || return 1; fi
  in_cluster wait --for=condition=Established --timeout=180s crd/edgehosts.slicelet.io
}

# The API server serves a kind a moment after it was made.
hosts_served() {
  local end=$((SECONDS + 180))
  until in_cluster -n slicelet get edgehosts.slicelet.io >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}

# The host goes while the hub still runs, which tells the agent and removes the node.
leave_cluster() {
  in_cluster delete --ignore-not-found --timeout=120s -f "$work/sample"
  # Its count of workloads may be behind.
  in_cluster -n slicelet annotate --overwrite edgehost gw-1 slicelet.io/give-up=true
  in_cluster -n slicelet delete --ignore-not-found --timeout=120s edgehost gw-1
  "$slicectl" node decommission gw-1
  in_cluster wait --for=delete --timeout=120s node gw-1
}

# What was made goes, but for what others have begun to use: with a kind go all objects of it, with a namespace all in it.
unmake() {
  local kinds anywhere here gone='.'
  kinds=$(in_cluster get crd -o name | sed -n 's|.*/\(.*\.slicelet\.io\)$|\1|p' | paste -sd,) || return 1
  if [ -n "$kinds" ]; then
    here=$(in_cluster -n slicelet get "$kinds" -o name) && anywhere=$(in_cluster get "$kinds" --all-namespaces -o name) || return 1
    [ -z "$here" ] || return 1
    [ -z "$anywhere" ] || gone='del(.items[] | select(.kind == "CustomResourceDefinition"))'
  fi
  jq "$gone" "$work/made.json" >"$work/gone.json"
  ! jq -e '.items != []' "$work/gone.json" || in_cluster delete --ignore-not-found --timeout=240s -f "$work/gone.json"
}

# sweep_cluster LOG: once none of the demo's programs writes any more. Says what stays, if anything does.
sweep_cluster() {
  local stays
  {
    in_cluster delete --ignore-not-found --force --grace-period=0 --timeout=120s -f "$work/sample"
    in_cluster delete --ignore-not-found --timeout=120s node gw-1
    in_cluster get certificatesigningrequests -o name | grep -E '/slicelet-gw-1-(client|serving)-' |
      xargs -r kubectl --kubeconfig "$kubeconfig" delete --ignore-not-found
    in_cluster -n slicelet delete --ignore-not-found lease slicelet-demo
    unmake
  } >>"$1" 2>&1
  stays=$(
    ! jq -e '.items != []' "$work/made.json" >/dev/null || in_cluster get --ignore-not-found -f "$work/made.json" -o name 2>&1
    in_cluster get --ignore-not-found node gw-1 -o name 2>&1
  )
  if [ -z "$stays" ]; then
    say "Your cluster is as it was before, but for events, which expire."
  else
    cat "$1"
    say "What the demo made and could not remove stays in your cluster:"
    say "$stays"
  fi
}
