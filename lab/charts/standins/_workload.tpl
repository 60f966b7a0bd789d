{{- /*
standin.workload is a Deployment or a StatefulSet whose pods satisfy the
restricted Pod Security level. Its argument is a dict:
  root        the chart's context
  kind, name  of the workload
  labels      of the workload and its pods; selector: the ones it selects by
  containers  dicts of name, image, args, ports (name: number), env and volumeMounts
  values      what the chart's values say of this part: replicas, resources,
              podLabels, podAnnotations, nodeSelector, tolerations, affinity
  volumes, serviceAccount, replicas, claims (volume claim templates)
*/}}
{{- define "standin.workload" -}}
{{- $values := .values | default dict -}}
apiVersion: apps/v1
kind: {{ .kind }}
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- toYaml (merge (dict) .selector .labels) | nindent 4 }}
spec:
  replicas: {{ .replicas | default $values.replicas | default 1 | int }}
  {{- if eq .kind "StatefulSet" }}
  serviceName: {{ .name }}
  {{- end }}
  selector:
    matchLabels: {{- toYaml .selector | nindent 6 }}
  template:
    metadata:
      labels: {{- toYaml (merge (dict) .selector .labels ($values.podLabels | default dict)) | nindent 8 }}
      {{- with $values.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- with .serviceAccount }}
      serviceAccountName: {{ . }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        seccompProfile: {type: RuntimeDefault}
      {{- range $key := list "nodeSelector" "tolerations" "affinity" }}
      {{- with index $values $key }}
      {{ $key }}: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
      containers:
        {{- range .containers }}
        - name: {{ .name }}
          image: {{ .image | quote }}
          {{- with .args }}
          args: {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with .ports }}
          ports:
            {{- range $name, $port := . }}
            - {name: {{ $name }}, containerPort: {{ $port }}}
            {{- end }}
          {{- end }}
          {{- with .env }}
          env: {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with $values.resources }}
          resources: {{- toYaml . | nindent 12 }}
          {{- end }}
          securityContext:
            allowPrivilegeEscalation: false
            capabilities: {drop: [ALL]}
          {{- with .volumeMounts }}
          volumeMounts: {{- toYaml . | nindent 12 }}
          {{- end }}
        {{- end }}
      {{- with .volumes }}
      volumes: {{- toYaml . | nindent 8 }}
      {{- end }}
  {{- with .claims }}
  volumeClaimTemplates:
    {{- range . }}
    - apiVersion: v1
      kind: PersistentVolumeClaim
      metadata:
        name: {{ .name }}
      spec: {{- include "standin.claim" .values | nindent 8 }}
    {{- end }}
  {{- end }}
{{- end }}

{{- /* standin.claim is the spec of a volume claim of size, storageClass and accessMode. */}}
{{- define "standin.claim" -}}
accessModes: [{{ .accessMode | default "ReadWriteOnce" }}]
{{- with .storageClass }}
storageClassName: {{ ternary "" . (eq . "-") | quote }}
{{- end }}
resources:
  requests:
    storage: {{ .size }}
{{- end }}

{{- /* standin.service is a Service of ports (name: {port, targetPort}), dict: root, name, labels, selector, ports, type. */}}
{{- define "standin.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- toYaml (merge (dict) .selector .labels) | nindent 4 }}
spec:
  type: {{ .type | default "ClusterIP" }}
  selector: {{- toYaml .selector | nindent 4 }}
  ports:
    {{- range $name, $port := .ports }}
    - {name: {{ $name }}, port: {{ $port.port }}, targetPort: {{ $port.targetPort | default $port.port }}}
    {{- end }}
{{- end }}

{{- /* standin.serviceAccount is a ServiceAccount, dict: root, name, labels. */}}
{{- define "standin.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- toYaml .labels | nindent 4 }}
{{- end }}
