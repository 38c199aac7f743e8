{{- /* Pod: what worker, API and preparation have in common. */ -}}

{{- /* The "restricted" Pod Security Standard, and no token of the cluster's. */ -}}
{{- define "keyrelay.pod" -}}
automountServiceAccountToken: false
# A Service called keyrelay would otherwise give us KEYRELAY_PORT, which is no setting.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: home
    {{- with .Values.home.existingClaim }}
    persistentVolumeClaim:
      claimName: {{ . }}
    {{- else }}
    emptyDir: {}
    {{- end }}
  - name: temporary
    emptyDir: {}
  - name: private
    emptyDir:
      medium: Memory
      sizeLimit: 1Mi
  - name: secrets
    projected:
      defaultMode: 0440
      sources:
        {{- with .Values.secrets.key }}
        - secret:
            name: {{ .name }}
            items:
              - key: {{ .key }}
                path: key
        {{- end }}
        {{- if .Values.kafka.login.mechanism }}
        {{- with .Values.secrets.kafkaPassword }}
        - secret:
            name: {{ .name }}
            items:
              - key: {{ .key }}
                path: kafka-password
        {{- end }}
        {{- end }}
  {{- with (include "keyrelay.certificates" . | trim) }}
  - name: certificates
    projected:
      defaultMode: 0444
      sources:
        {{- . | nindent 8 }}
  {{- end }}
{{- end -}}

{{- define "keyrelay.certificates" -}}
{{- range $what, $from := .Values.certificates }}
{{- if $from.name }}
- secret:
    name: {{ $from.name }}
    items:
      - key: {{ $from.key }}
        path: {{ $what }}.pem
{{- end }}
{{- end }}
{{- end -}}

{{- define "keyrelay.container" -}}
image: {{ include "keyrelay.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  privileged: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{- /* A Secret's files are links and belong to root, and a key that others could have put
there or can read is refused: it is copied into memory, as ours alone. */ -}}
{{- define "keyrelay.files" -}}
- name: files
  {{- include "keyrelay.container" . | nindent 2 }}
  command:
    - install
    - --mode=0400
    - --target-directory=/run/keyrelay
    - /secrets/key
    {{- if .Values.kafka.login.mechanism }}
    - /secrets/kafka-password
    {{- end }}
  resources:
    {{- include "keyrelay.small" . | nindent 4 }}
  volumeMounts:
    - name: secrets
      mountPath: /secrets
      readOnly: true
    - name: private
      mountPath: /run/keyrelay
{{- end -}}

{{- define "keyrelay.small" -}}
requests:
  cpu: 50m
  memory: 128Mi
limits:
  memory: 256Mi
{{- end -}}

{{- define "keyrelay.mounts" -}}
- name: home
  mountPath: /var/lib/keyrelay
- name: temporary
  mountPath: /tmp
- name: private
  mountPath: /run/keyrelay
  readOnly: true
{{- if (include "keyrelay.certificates" . | trim) }}
- name: certificates
  mountPath: /etc/keyrelay/certificates
  readOnly: true
{{- end }}
{{- end -}}

{{- define "keyrelay.environment" -}}
- name: KEYRELAY_HOME
  value: /var/lib/keyrelay
- name: KEYRELAY_KEY_FILE
  value: /run/keyrelay/key
- name: KEYRELAY_DATABASE
  valueFrom:
    secretKeyRef:
      name: {{ .Values.secrets.database.name }}
      key: {{ .Values.secrets.database.key }}
- name: KEYRELAY_QUEUE
  value: {{ printf "kafka://%s?topic=%s&group=%s" .Values.kafka.bootstrap .Values.kafka.topic .Values.kafka.group | quote }}
# A container that restarts in its pod takes its partitions back without a rebalance.
- name: KEYRELAY_KAFKA_MEMBER
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: KEYRELAY_KAFKA_TLS
  value: {{ .Values.kafka.tls | quote }}
{{- if .Values.kafka.login.mechanism }}
- name: KEYRELAY_KAFKA_MECHANISM
  value: {{ .Values.kafka.login.mechanism }}
- name: KEYRELAY_KAFKA_USERNAME
  value: {{ .Values.kafka.login.username | quote }}
- name: KEYRELAY_KAFKA_PASSWORD_FILE
  value: /run/keyrelay/kafka-password
{{- end }}
{{- if .Values.certificates.kafka.name }}
- name: KEYRELAY_KAFKA_CA_FILE
  value: /etc/keyrelay/certificates/kafka.pem
{{- end }}
{{- if .Values.certificates.mail.name }}
- name: KEYRELAY_SMTP_CA_FILE
  value: /etc/keyrelay/certificates/mail.pem
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: KEYRELAY_{{ upper $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end -}}

{{- /* Over machines and zones, as far as there are any. Arguments: root, component. */ -}}
{{- define "keyrelay.spread" -}}
{{- range $where := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ $where }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "keyrelay.selector" $.root | nindent 6 }}
      app.kubernetes.io/component: {{ $.component }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end -}}
