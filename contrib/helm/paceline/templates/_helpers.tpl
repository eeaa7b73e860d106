{{- define "paceline.name" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- $name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "paceline.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "paceline.labels" -}}
{{ include "paceline.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* What would run, and do harm. */ -}}
{{- define "paceline.check" -}}
{{- if not (has .Values.store.kind (list "sqlite" "postgres")) }}
{{- fail (printf "store.kind: expected sqlite or postgres, got %q" .Values.store.kind) }}
{{- end }}
{{- if not .Values.secret }}
{{- fail "secret: expected the name of a Secret with the settings' secrets, got nothing" }}
{{- end }}
{{- if and (eq .Values.store.kind "sqlite") (ne (int .Values.replicas) 1) }}
{{- fail "replicas: expected 1 with store.kind sqlite (two workers would each use the whole quota); use postgres for more" }}
{{- end }}
{{- with .Values.autoscaling }}
{{- if .enabled }}
{{- if ne $.Values.store.kind "postgres" }}
{{- fail "autoscaling.enabled: expected false with store.kind sqlite: a ledger file has one worker" }}
{{- end }}
{{- if lt (int .minReplicas) 1 }}
{{- fail "autoscaling.minReplicas: expected at least 1: without a worker nobody takes jobs in, and calls in flight are cut off" }}
{{- end }}
{{- if lt (int .domains) 1 }}
{{- fail "autoscaling.domains: expected the number of quota domains (apps with one tenant, WeCom corps), got none" }}
{{- end }}
{{- if gt (int .maxReplicas) (int .domains) }}
{{- fail (printf "autoscaling.maxReplicas: expected at most autoscaling.domains (%d), got %d: a replica without a domain stands idle" (int .domains) (int .maxReplicas)) }}
{{- end }}
{{- if not .prometheus }}
{{- fail "autoscaling.prometheus: expected Prometheus' address, like http://prometheus.monitoring:9090, got nothing" }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
