{{- define "paceline.pod" -}}
metadata:
  labels:
    {{- include "paceline.labels" . | nindent 4 }}
  annotations:
    # Changed settings start new pods.
    checksum/settings: {{ .Values.settings | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  # Longer than engine.drain_ms, so that no call in flight is cut off.
  terminationGracePeriodSeconds: {{ add (int .Values.drainSeconds) 15 }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    # Else each start would open the ledger and its key to the group.
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: { type: RuntimeDefault }
  containers:
    - name: worker
      image: "{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}"
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [work]
      env:
        - name: PACELINE_STORE__URL
          {{- if eq .Values.store.kind "sqlite" }}
          value: sqlite:///var/lib/paceline/paceline.db
          {{- else }}
          valueFrom:
            secretKeyRef: { name: {{ .Values.secret }}, key: {{ .Values.store.urlKey }} }
          {{- end }}
        - name: PACELINE_ADMIN__LISTEN
          value: "0.0.0.0:9464"
        - name: PACELINE_ADMIN__TOKEN
          valueFrom:
            secretKeyRef: { name: {{ .Values.secret }}, key: {{ .Values.adminTokenKey }} }
        - name: PACELINE_ENGINE__DRAIN_MS
          value: {{ mul (int .Values.drainSeconds) 1000 | quote }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: admin
          containerPort: 9464
      startupProbe:
        httpGet: { path: /healthz, port: admin }
        periodSeconds: 5
        failureThreshold: {{ div (int .Values.startupSeconds) 5 }}
      livenessProbe:
        httpGet: { path: /healthz, port: admin }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: { path: /readyz, port: admin }
        periodSeconds: 10
        timeoutSeconds: 5
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        - { name: settings, mountPath: /etc/paceline, readOnly: true }
        - { name: secrets, mountPath: /run/secrets/paceline, readOnly: true }
        - { name: tmp, mountPath: /tmp }
        - { name: {{ if eq .Values.store.kind "sqlite" }}ledger{{ else }}tmp{{ end }}, mountPath: /var/lib/paceline }
  volumes:
    - name: settings
      configMap: { name: {{ include "paceline.name" . }} }
    - name: secrets
      # The group may read, nobody else: these files are root's.
      secret: { secretName: {{ .Values.secret }}, defaultMode: 0440 }
    - name: tmp
      emptyDir: {}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
