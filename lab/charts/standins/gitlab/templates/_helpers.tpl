{{- define "gitlab.labels" -}}
app: {{ .app }}
chart: {{ printf "%s-%s" .app .root.Chart.Version }}
release: {{ .root.Release.Name }}
heritage: {{ .root.Release.Service }}
app.kubernetes.io/name: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .app }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{- /* gitlab.image is an image of GitLab's own, dict: root, name, values. */}}
{{- define "gitlab.image" -}}
{{- $image := .values.image | default dict -}}
{{- $repository := printf "registry.gitlab.com/gitlab-org/build/cng/%s" .name -}}
{{- $tag := .root.Values.global.gitlabVersion | default .root.Chart.AppVersion -}}
{{- if regexMatch "^[0-9]" $tag }}{{ $tag = printf "v%s" $tag }}{{ end -}}
{{ $image.repository | default $repository }}:{{ $image.tag | default $tag }}
{{- end }}

{{- /* gitlab.host is a host name of a part, dict: root, name. */}}
{{- define "gitlab.host" -}}
{{- $hosts := .root.Values.global.hosts -}}
{{- $suffix := empty $hosts.hostSuffix | ternary "" (printf "-%s" $hosts.hostSuffix) -}}
{{ dig .name "name" "" $hosts | default (printf "%s%s.%s" .name $suffix $hosts.domain) }}
{{- end }}

{{- /*
gitlab.extra is the JSON of a value like extraVolumes: a string that is a template
of a list, as https://docs.gitlab.com/charts/charts/gitlab/toolbox/ has it.
Dict: root, values, key.
*/}}
{{- define "gitlab.extra" -}}
{{- $value := index .values .key | default "" -}}
{{- if not (kindIs "string" $value) -}}
{{ fail (printf "%s has to be a string, not a list: the chart renders it as a template" .key) }}
{{- end -}}
{{- $list := tpl $value .root | fromYamlArray -}}
{{- if and (eq (len $list) 1) (kindIs "string" (first $list)) -}}
{{ fail (printf "%s is not a YAML list: %s" .key (first $list)) }}
{{- end -}}
{{ toJson $list }}
{{- end }}
