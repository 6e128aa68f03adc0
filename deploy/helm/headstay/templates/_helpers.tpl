{{- define "headstay.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "headstay.fullname" -}}
{{- $name := include "headstay.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "headstay.selectorLabels" -}}
app.kubernetes.io/name: {{ include "headstay.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "headstay.labels" -}}
{{ include "headstay.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "headstay.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "headstay.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name: needed when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "headstay.image" -}}
{{- $image := .Values.image }}
{{- $repository := required "image.repository: the name of the image that you built from the Dockerfile" $image.repository }}
{{- if $image.digest }}
{{- printf "%s@%s" $repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{- /* The one who holds the rights. */}}
{{- define "headstay.subjects" -}}
- kind: ServiceAccount
  name: {{ include "headstay.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- /* What a metadata block begins with. */}}
{{- define "headstay.metadata" -}}
name: {{ include "headstay.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "headstay.labels" . | nindent 2 }}
{{- end }}

{{- /* The settings that only a start puts into force; all others are read again from the ConfigMap. */}}
{{- define "headstay.startSettings" -}}
{{- $server := default dict .Values.config.server }}
{{- $limits := pick (default dict $server.limits) "bodiesBytes" "callsPerCluster" "workers" }}
{{- list $server.listen $server.data $limits .Values.config.store | toJson }}
{{- end }}
