//! One good configuration, one thing broken in it at a time.

use crate::config::tests::{errors, good};

const GOOD: &str = "\
server:
  listen: 0.0.0.0:8080
  tokens: [{name: ci, role: operator, secret: {env: TOKEN}}]
  limits: {bodyBytes: 25MiB}
store:
  url: sqlite://var/headstay.db
receivers:
  - name: github
    provider: github
    secrets: [{env: SECRET}, {file: /run/secret}]
clusters:
  - name: prod
    labels: {env: prod}
repositories:
  - name: fleet
    url: https://github.com/acme/fleet.git
    auth: {token: {env: GIT_TOKEN}}
    timeout: 60s
applications:
  - name: shop
    repository: fleet
    revision: main
    path: apps/shop
    cluster: prod
    namespace: shop
    sync:
      drift: heal
      interval: 10m
      retry: {limit: 10, initial: 1s, max: 3m}
";

/// What to replace in the good configuration, with what, and the one error that follows: its
/// line, and the text after it.
const BROKEN: &[(&str, &str, usize, &str)] = &[
    // Structure.
    (
        "timeout: 60s",
        "timout: 60s",
        18,
        "repositories[0].timout: unknown key; did you mean `timeout`?",
    ),
    (
        "  tokens:",
        "  dataDirectory: x\n  tokens:",
        3,
        "server.dataDirectory: unknown key; this version knows here: listen, instance, tokens, \
         suspend, limits, retention, data",
    ),
    (
        "    sync:",
        "    interval: 10m\n    sync:",
        26,
        "applications[0].interval: unknown key; did you mean `sync.interval`?",
    ),
    (
        "    sync:",
        "    dependsOn: []\n    sync:",
        26,
        "applications[0].dependsOn: unknown key; this version knows here: name, repository, \
         revision, path, cluster, namespace, sync",
    ),
    ("    repository: fleet\n", "", 20, "applications[0].repository: is missing: expected a name"),
    (
        "    provider: github\n",
        "    provider:\n",
        9,
        "receivers[0].provider: is missing: expected one of github, gitlab, gitea, forgejo, gogs, \
         bitbucketCloud, bitbucketDataCenter, azureDevops, generic",
    ),
    (
        "url: sqlite://var/headstay.db",
        "- sqlite://var/headstay.db",
        5,
        "store: expected a mapping, found a list",
    ),
    (
        "    labels: {env: prod}",
        "    labels: {env: 1}",
        13,
        "clusters[0].labels.env: expected a text, found 1 (put it in quotes)",
    ),
    (
        "    labels: {env: prod}",
        "    labels: {a/b/c: prod}",
        13,
        "clusters[0].labels[\"a/b/c\"]: expected a label's key like `team` or `example.org/team`, \
         found \"a/b/c\"",
    ),
    (
        "provider: github",
        "provider: gitlap",
        9,
        "receivers[0].provider: expected one of github, gitlab, gitea, forgejo, gogs, \
         bitbucketCloud, bitbucketDataCenter, azureDevops, generic, found \"gitlap\"; did you mean \
         `gitlab`?",
    ),
    (
        "{limit: 10,",
        "{limit: many,",
        29,
        "applications[0].sync.retry.limit: expected a whole number from 0 to 1000, found \"many\"",
    ),
    // Values.
    (
        "interval: 10m",
        "interval: 500ms",
        28,
        "applications[0].sync.interval: expected at least 1s, found 500ms",
    ),
    ("repositories:", "repositorys:", 14, "repositorys: unknown key; did you mean `repositories`?"),
    (
        "interval: 10m",
        "interval: ten",
        28,
        "applications[0].sync.interval: expected a duration like 30s, 10m or 1h, found \"ten\"",
    ),
    (
        "interval: 10m",
        "interval: 600",
        28,
        "applications[0].sync.interval: expected a duration like 30s, 10m or 1h, found 600",
    ),
    (
        "bodyBytes: 25MiB",
        "bodyBytes: 25MB",
        4,
        "server.limits.bodyBytes: expected a size like 64KiB, 25MiB or 1GiB, found \"25MB\"",
    ),
    (
        "bodyBytes: 25MiB",
        "workers: 0",
        4,
        "server.limits.workers: expected a whole number from 1 to 256, found 0",
    ),
    (
        "listen: 0.0.0.0:8080",
        "listen: localhost:8080",
        2,
        "server.listen: expected an IP address and a port like 127.0.0.1:8080 or [::]:8080, found \
         \"localhost:8080\"",
    ),
    (
        "  - name: shop",
        "  - name: Shop",
        20,
        "applications[0].name: expected 1 to 63 of the characters a-z, 0-9, `-` and `.`, beginning \
         and ending with a letter or digit, found \"Shop\"",
    ),
    (
        "revision: main",
        "revision: 1.10",
        22,
        "applications[0].revision: expected a branch, a tag, a full commit id or a range like \
         `>=1.2, <2`, found 1.1 (put it in quotes)",
    ),
    (
        "path: apps/shop",
        "path: apps/../..",
        23,
        "applications[0].path: expected a path inside of the repository, without `..`, found \
         \"apps/../..\"",
    ),
    (
        "namespace: shop",
        "namespace: my_shop",
        25,
        "applications[0].namespace: expected a namespace: 1 to 63 of the characters a-z, 0-9 and \
         `-`, beginning and ending with a letter or digit, found \"my_shop\"",
    ),
    (
        "url: sqlite://var/headstay.db",
        "url: postgres://host/headstay",
        6,
        "store.url: PostgreSQL is not supported by this version: use sqlite://PATH",
    ),
    (
        "https://github.com",
        "https://ada:hunter2@github.com",
        16,
        "repositories[0].url: a URL here holds no user or password: remove what is before the `@` \
         and use `auth`",
    ),
    (
        "retry: {limit: 10",
        "retry: {limit: 10, kind: x",
        29,
        "applications[0].sync.retry.kind: unknown key; this version knows here: limit, initial, max",
    ),
    // Secrets and files.
    (
        "secret: {env: TOKEN}",
        "secret: hunter2",
        3,
        "server.tokens[0].secret: a secret is never written into the configuration: name where it \
         is read, as {env: NAME} or {file: PATH}",
    ),
    (
        "[{env: SECRET}, {file: /run/secret}]",
        "[hunter2]",
        10,
        "receivers[0].secrets[0]: a secret is never written into the configuration: name where it \
         is read, as {env: NAME} or {file: PATH}",
    ),
    (
        "[{env: SECRET}, {file: /run/secret}]",
        "hunter2",
        10,
        "receivers[0].secrets: a secret is never written into the configuration: name where it is \
         read, as {env: NAME} or {file: PATH}",
    ),
    (
        "{env: GIT_TOKEN}",
        "{env: MISSING}",
        17,
        "repositories[0].auth.token.env: environment variable \"MISSING\" is not set: export it for \
         the headstay process",
    ),
    (
        "{file: /run/secret}",
        "{file: /run/MISSING}",
        10,
        "receivers[0].secrets[1].file: secret file \"/run/MISSING\" cannot be read: not there",
    ),
    (
        "{env: SECRET}",
        "{env: EMPTY}",
        10,
        "receivers[0].secrets[0].env: the secret in environment variable \"EMPTY\" is empty",
    ),
    (
        "{env: SECRET}",
        "{enf: SECRET}",
        10,
        "receivers[0].secrets[0]: expected {env: …} or {file: …} or {username: …, password: …} or \
         {header: …, value: …}, found a mapping",
    ),
    (
        "secret: {env: TOKEN}",
        "secret: {env: TOKEN, file: x}",
        3,
        "server.tokens[0].secret.file: unknown key; this version knows here: env",
    ),
    (
        "labels: {env: prod}",
        "kubeconfig: /MISSING",
        13,
        "clusters[0].kubeconfig: file \"/MISSING\" cannot be read: not there",
    ),
    // What the parts say of each other.
    (
        "repository: fleet",
        "repository: flet",
        21,
        "applications[0].repository: there is no repository named \"flet\"; did you mean \"fleet\"?",
    ),
    (
        "cluster: prod",
        "cluster: staging",
        24,
        "applications[0].cluster: there is no cluster named \"staging\"",
    ),
    (
        "repositories:",
        "  - name: prod\nrepositories:",
        14,
        "clusters[1].name: the name \"prod\" is already taken at c.yaml:12",
    ),
    (
        "repositories:",
        "  - {name: x, server: 'https://10.0.0.1'}\nrepositories:",
        14,
        "clusters[1].token: `server` needs a `token`: expected {env: NAME} or {file: PATH}",
    ),
    (
        "    labels: {env: prod}",
        "    server: https://10.0.0.1\n    token: {env: T}\n    context: x",
        15,
        "clusters[0].context: expected either a kubeconfig or `server`, not both",
    ),
    (
        "    labels: {env: prod}",
        "    ca: /ca.pem",
        13,
        "clusters[0].ca: goes with `server` only; a kubeconfig brings its own",
    ),
    (
        "provider: github",
        "provider: azureDevops",
        10,
        "receivers[0].secrets: Azure DevOps signs nothing: expected one {username: …, password: …} \
         or {header: …, value: …}",
    ),
    (
        "[{env: SECRET}, {file: /run/secret}]",
        "[]",
        10,
        "receivers[0].secrets: expected at least one secret, each as {env: NAME} or {file: PATH}",
    ),
    (
        "[{env: SECRET}, {file: /run/secret}]",
        "{username: ada, password: {env: SECRET}}",
        10,
        "receivers[0].secrets: expected at least one secret, each as {env: NAME} or {file: PATH}",
    ),
    (
        "auth: {token: {env: GIT_TOKEN}}",
        "auth: {username: ada}",
        17,
        "repositories[0].auth: expected exactly one of: `token`; `username` and `password`; \
         `sshKey` and `knownHosts`; `githubApp`",
    ),
    (
        "https://github.com/acme/fleet.git",
        "git@github.com:acme/fleet.git",
        17,
        "repositories[0].auth: the URL is ssh: expected `sshKey` and `knownHosts`",
    ),
    (
        "initial: 1s",
        "initial: 1h",
        29,
        "applications[0].sync.retry.initial: expected at most `max`, which is 3m, found 1h",
    ),
    (
        "bodyBytes: 25MiB",
        "bodyBytes: 1GiB",
        4,
        "server.limits.bodyBytes: expected at most `bodiesBytes`, which is 256MiB: no body of that \
         size could be taken",
    ),
    (
        "    namespace: shop\n    sync:",
        "    sync:\n      createNamespace: true",
        20,
        "applications[0].namespace: is missing: `sync.createNamespace` makes this namespace",
    ),
    (
        "{name: ci, role: operator, secret: {env: TOKEN}}",
        "{name: ci, role: viewer, secret: {env: A}}, {name: ci, role: viewer, secret: {env: B}}",
        3,
        "server.tokens[1].name: the name \"ci\" is already taken at c.yaml:3",
    ),
    (
        "{name: ci, role: operator, secret: {env: TOKEN}}",
        "{name: ci, role: viewer, secret: {env: SAME_A}}, {name: me, role: operator, secret: {env: SAME_B}}",
        3,
        "server.tokens[1].secret: has the value of the token \"ci\": each needs its own",
    ),
    (
        "{name: ci, role: operator, secret: {env: TOKEN}}",
        "{name: ci, role: operator, secret: {env: SHORT}}",
        3,
        "server.tokens[0].secret: has less than 16 characters, which can be guessed: take one of \
         `openssl rand -hex 32`",
    ),
    (
        "url: https://github.com/acme/fleet.git",
        "url: github.com/acme/fleet",
        16,
        "repositories[0].url: there is nothing at the path \"github.com/acme/fleet\"; did you mean \
         `https://github.com/acme/fleet`?",
    ),
    (
        "url: https://github.com/acme/fleet.git",
        "url: git@github.com/acme/fleet",
        16,
        "repositories[0].url: there is nothing at the path \"git@github.com/acme/fleet\"; did you mean \
         `git@github.com:acme/fleet`?",
    ),
    (
        "url: https://github.com/acme/fleet.git",
        "url: https:/github.com/acme/fleet",
        16,
        "repositories[0].url: expected `https://` before the host; did you mean \
         `https://github.com/acme/fleet`?",
    ),
    (
        "url: https://github.com/acme/fleet.git",
        "url: acme/fleet",
        16,
        "repositories[0].url: there is nothing at the path \"acme/fleet\"",
    ),
    (
        "url: https://github.com/acme/fleet.git",
        "url: ~/fleet",
        16,
        "repositories[0].url: `~` is not expanded here: write the whole path",
    ),
    (
        "    labels: {env: prod}",
        "    context: nope",
        13,
        "clusters[0].context: the default kubeconfig has no context \"nope\"; it has: \"kind\", \
         \"prod\", \"x\"",
    ),
    (
        "    labels: {env: prod}",
        "    kubeconfig: NONE",
        13,
        "clusters[0].kubeconfig: the kubeconfig \"NONE\" has no current context: name one with \
         `context`",
    ),
    (
        "{token: {env: GIT_TOKEN}}",
        "{username: \"u:hunter2\", password: {env: GIT_TOKEN}}",
        17,
        "repositories[0].auth.username: expected a user name without `:`",
    ),
    (
        "{token: {env: GIT_TOKEN}}",
        "{token: {env: ghp_hunter2MISSING}}",
        17,
        "repositories[0].auth.token.env: environment variable … (not shown: it may be a secret) is \
         not set: export it for the headstay process",
    ),
    (
        "{token: {env: GIT_TOKEN}}",
        "{token: {file: hunter2MISSING}}",
        17,
        "repositories[0].auth.token.file: secret file … (not shown: it may be a secret) cannot be \
         read: not there",
    ),
];

#[test]
fn one_broken_thing_is_one_error_at_its_line_and_key() {
    good(GOOD);
    for url in ["here.d/acme/fleet", "./a.d/fleet", "../fleet", "/srv/fleet"] {
        let auth = "    auth: {token: {env: GIT_TOKEN}}\n";
        good(&GOOD.replace("https://github.com/acme/fleet.git", url).replace(auth, ""));
    }
    for (from, to, line, error) in BROKEN {
        assert_eq!(GOOD.matches(from).count(), 1, "`{from}` must be in the good text once");
        assert_eq!(errors(&GOOD.replace(from, to)), format!("c.yaml:{line}: {error}"), "{to}");
    }
    assert!(BROKEN.len() >= 30);
}
