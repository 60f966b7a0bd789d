{{- /* orchestra.labels are those of an object of a component, dict: root, component. */}}
{{- define "orchestra.labels" -}}
app.kubernetes.io/name: openunison
app.kubernetes.io/instance: openunison-{{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/part-of: openunison
{{- end }}

{{- /* orchestra.proxy is a kube-oidc-proxy and its Service, dict: root, component, clientID, issuer, serviceAccount. */}}
{{- define "orchestra.proxy" -}}
{{- $name := printf "%s-%s" .component .root.Release.Name -}}
{{- $labels := include "orchestra.labels" . | fromYaml -}}
{{- $selector := dict "app" $name -}}
{{ include "standin.workload" (dict "root" .root "kind" "Deployment" "name" $name "labels" $labels "selector" $selector
  "replicas" .root.Values.openunison.replicas "serviceAccount" .serviceAccount
  "containers" (list (dict "name" $name "image" .root.Values.impersonation.jetstack_oidc_proxy_image
    "ports" (dict "https" 8443 "ready" 8080)
    "args" (list
      "--secure-port=8443"
      "--tls-cert-file=/etc/oidc/tls/crt.pem"
      "--tls-private-key-file=/etc/oidc/tls/key.pem"
      (printf "--oidc-client-id=%s" .clientID)
      (printf "--oidc-issuer-url=%s" .issuer)
      "--oidc-username-claim=sub"
      "--oidc-groups-claim=groups")))) }}
---
{{ include "standin.service" (dict "root" .root "name" $name "labels" $labels "selector" $selector
  "ports" (dict "https" (dict "port" 443 "targetPort" 8443))) }}
{{- end }}
