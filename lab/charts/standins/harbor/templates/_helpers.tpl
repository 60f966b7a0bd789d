{{- /* harbor.fullname follows the real chart: release harbor gives harbor. */}}
{{- define "harbor.fullname" -}}
{{- $name := .Values.nameOverride | default "harbor" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "harbor.labels" -}}
heritage: {{ .Release.Service }}
release: {{ .Release.Name }}
chart: harbor
app: harbor
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/name: harbor
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: harbor
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- /*
harbor.keep is a value that is made up once: the one given, else that of a Secret
of an earlier release, else a new one. Dict: root, secret, key, given, length.
*/}}
{{- define "harbor.keep" -}}
{{- $old := dig "data" dict (lookup "v1" "Secret" .root.Release.Namespace .secret) -}}
{{- if .given -}}
{{ .given | b64enc }}
{{- else if hasKey $old .key -}}
{{ index $old .key }}
{{- else -}}
{{ randAlphaNum .length | b64enc }}
{{- end -}}
{{- end }}
