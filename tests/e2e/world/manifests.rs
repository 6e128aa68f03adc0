//! What the stories commit.

/// A ConfigMap of one colour.
pub fn config_map(name: &str, colour: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
data:
  colour: {colour}
"
    )
}

/// A Secret that says `password: <value>`.
pub fn secret(name: &str, value: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Secret
metadata:
  name: {name}
stringData:
  password: {value}
"
    )
}

/// A Service; the API server fills in much of it.
pub fn service(name: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector: {{app: {name}}}
  ports:
    - port: 80
"
    )
}

/// A Deployment of one Pod, which runs only when a story says so.
pub fn deployment(name: &str, image: &str) -> String {
    format!(
        "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: 1
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
        - name: {name}
          image: {image}
"
    )
}

/// A Job of one Pod that is not tried again.
pub fn job(name: &str, image: &str) -> String {
    format!(
        "\
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: {name}
          image: {image}
"
    )
}

/// The definition of a kind `Gear` in a group of its own, whose spec has these fields.
pub fn definition(group: &str, fields: &[&str]) -> String {
    let fields: Vec<_> = fields.iter().map(|field| format!("{field}: {{type: string}}")).collect();
    let fields = fields.join(", ");
    format!(
        "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: gears.{group}
spec:
  group: {group}
  scope: Namespaced
  names: {{kind: Gear, plural: gears, singular: gear, listKind: GearList}}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {{type: object, properties: {{{fields}}}}}
"
    )
}

/// A `Gear` of that definition.
pub fn gear(group: &str, name: &str, spec: &str) -> String {
    format!(
        "\
apiVersion: {group}/v1
kind: Gear
metadata:
  name: {name}
spec: {{{spec}}}
"
    )
}

/// The definition of a kind `Gear` whose columns promise that somebody will say whether one is ready.
pub fn promising_definition(group: &str) -> String {
    let definition = definition(group, &["teeth"]);
    format!(
        "\
{definition}            status: {{type: object, x-kubernetes-preserve-unknown-fields: true}}
      subresources: {{status: {{}}}}
      additionalPrinterColumns:
        - name: Ready
          type: string
          jsonPath: .status.conditions[?(@.type=='Ready')].status
"
    )
}

/// A `StatefulSet` of one Pod, which runs only when a story says so.
pub fn stateful_set(name: &str, image: &str) -> String {
    format!(
        "\
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {name}
spec:
  serviceName: {name}
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
        - name: {name}
          image: {image}
"
    )
}

/// A claim of a class.
pub fn volume_claim(name: &str, class: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {name}
spec:
  storageClassName: {class}
  accessModes: [ReadWriteOnce]
  resources: {{requests: {{storage: 1Gi}}}}
"
    )
}
