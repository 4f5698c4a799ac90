{{- define "slicelet.hub" -}}
{{- $name := .Values.hub.name | default .Release.Name -}}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" $name) -}}
{{- fail (printf "hub.name: %q is not a DNS label: use 1 to 63 of a-z, 0-9 and '-'" $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "slicelet.secret" -}}
{{- required "hub.secretName: name the Secret with the hub's keys; `slicectl hub secret --dir DIR` makes it" .Values.hub.secretName -}}
{{- end -}}

{{/* Objects of the whole cluster carry the namespace in their names: hubs of two namespaces may have one release name. */}}
{{- define "slicelet.clusterName" -}}
{{- printf "slicelet-%s-%s" .Release.Namespace .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* slicelet.labels (list $ COMPONENT) */}}
{{- define "slicelet.labels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: slicelet-hub
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end -}}

{{- define "slicelet.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: slicelet-hub
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "slicelet.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* What no container of ours needs is taken away. */}}
{{- define "slicelet.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}
{{- define "slicelet.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}
