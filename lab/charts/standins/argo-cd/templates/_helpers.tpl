{{- /* argo-cd.fullname follows the real chart: release argocd gives argocd. */}}
{{- define "argo-cd.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains .Values.nameOverride .Release.Name -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- /* argo-cd.labels are those of an object of a component, dict: root, component. */}}
{{- define "argo-cd.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: argocd
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- end }}

{{- define "argo-cd.selector" -}}
app.kubernetes.io/name: argocd-{{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- /* argo-cd.config is what a ConfigMap of Argo CD holds: values but for those of the chart itself. */}}
{{- define "argo-cd.config" -}}
{{- range $key, $value := omit . "create" "annotations" }}
{{- if not (kindIs "invalid" $value) }}
{{ $key }}: {{ $value | toString | toJson }}
{{- end }}
{{- end }}
{{- end }}
