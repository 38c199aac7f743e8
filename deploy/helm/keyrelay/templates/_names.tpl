{{- /* Names: what things are called, and the labels by which they find each other. */ -}}

{{- define "keyrelay.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- /* Short enough that what is appended still fits into 63 characters. */ -}}
{{- define "keyrelay.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "keyrelay.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "keyrelay.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "keyrelay.selector" -}}
app.kubernetes.io/name: {{ include "keyrelay.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "keyrelay.labels" -}}
{{ include "keyrelay.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "keyrelay.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Ports: what the values name, beside what the way lists, each once. */ -}}

{{- define "keyrelay.ports" -}}
{{- $values := .root.Values }}
{{- $named := list }}
{{- if eq .way "kafka" }}
{{- range $broker := splitList "," (toString $values.kafka.bootstrap) }}
{{- $named = append $named (regexFind ":[0-9]+$" (trim $broker) | trimPrefix ":" | default "9092") }}
{{- end }}
{{- else if eq .way "smtp" }}
{{- with $values.settings.smtp_ports }}
{{- $named = regexFindAll "[0-9]+" (toString .) -1 }}
{{- end }}
{{- else if eq .way "https" }}
{{- with $values.settings.sqs_endpoints }}
{{- range $endpoint := regexFindAll "https?://[^/, ]+" (toString .) -1 }}
{{- $usual := ternary "443" "80" (hasPrefix "https:" $endpoint) }}
{{- $named = append $named (regexFind ":[0-9]+$" $endpoint | trimPrefix ":" | default $usual) }}
{{- end }}
{{- end }}
{{- end }}
{{- $ports := list }}
{{- range concat (get $values.networkPolicy.egress .way).ports $named }}
{{- $ports = append $ports (int .) }}
{{- end }}
{{- toJson ($ports | uniq) -}}
{{- end -}}

{{- define "keyrelay.ways" -}}
{{- $root := .root }}
{{- range $what, $way := $root.Values.networkPolicy.egress }}
{{- if or (not $.only) (has $what $.only) }}
# {{ $what }}
- ports:
    {{- range $port := include "keyrelay.ports" (dict "root" $root "way" $what) | fromJsonArray }}
    - port: {{ int $port }}
      protocol: TCP
    {{- if eq $what "dns" }}
    - port: {{ int $port }}
      protocol: UDP
    {{- end }}
    {{- end }}
  {{- with $way.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Not the release's own name: its NetworkPolicy may be an older one with other ports. */ -}}
{{- define "keyrelay.prepared" -}}
app.kubernetes.io/name: {{ include "keyrelay.name" . }}-prepare
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
