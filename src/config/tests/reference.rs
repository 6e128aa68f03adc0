//! `docs/configuration.md` says what the schema says. `HEADSTAY_RECORD=1 cargo test --lib config::`
//! writes it anew.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::{EXAMPLE, World};
use crate::config::rule;
use crate::config::schema::json_schema;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");

/// Longest line of prose, in characters; rows of tables are as long as they are.
const LINE_MAX: usize = 105;

const HEAD: &str = "\
# Configuration

<!-- Written by a test from the comments in src/config/raw/: change those, then run
     HEADSTAY_RECORD=1 cargo test --lib config:: -->

Every key with its type, its default and its meaning. [config/headstay.yaml](../config/headstay.yaml) shows
the same as one commented file, and [config/schema.json](../config/schema.json) lets an editor help.

- The file is `config/headstay.yaml`, unless `--config` or `HEADSTAY_CONFIG` names another. If that is a
  folder, its `*.yaml` are read as one file.
- `headstay check` names everything that is wrong with it at once, with file, line and key. A key that is not
  known is an error.
- A running server reads it again within seconds when it changes, and at SIGHUP. One that is wrong is refused
  as a whole, and the one before stays in force; `headstay status` says so.
- Relative paths count from the working directory of the process.
- What annotations on objects do is in the [README](../README.md#configuration), how a Git host is set up in
  [webhooks.md](webhooks.md).
- What is needed is short: a [repository](#repositories), an [application](#applications), and for webhooks
  a [receiver](#receivers).

";

const VALUES: &str = "\
## Values

What is typed is checked when the file is read.

| value | what it takes |
|---|---|
";

/// The word for what keeps a rule, and what the rule's own message leaves out.
fn word(rule: &str) -> (&'static str, &'static str) {
    match rule {
        "address" => ("address", ""),
        "cluster-url" => ("API server URL", ""),
        "duration" => ("duration", "Units: `ms`, `s`, `m`, `h`, `d`; several as in `1h30m`."),
        "file" => ("file", "The path of a file that can be read."),
        "repository-url" => ("repository URL", "User and password stand in `auth`."),
        "git-url" => ("alias", "Its scheme may be left away."),
        "header" => ("header", ""),
        "kind" => ("kind", ""),
        "label-key" => ("label key", ""),
        "label-value" => ("label value", ""),
        "name" => ("name", "It goes into labels, URLs and names of files."),
        "namespace" => ("namespace", ""),
        "path" => ("repository path", "It begins at the repository's root and has no `..`."),
        "proxy-url" => ("proxy URL", ""),
        "revision" => ("revision", "`refs/heads/…` and `refs/tags/…` tell the one from the other."),
        "size" => ("size", "Units: `B`, `KiB`, `MiB`, `GiB`."),
        "store-url" => ("store URL", ""),
        "text" => ("text", ""),
        "user" => ("user name", ""),
        unknown => panic!("there is no word for the rule `{unknown}` yet"),
    }
}

#[test]
fn the_kept_reference_says_what_the_schema_says() {
    let page = Reference::page(&json_schema());
    if std::env::var_os("HEADSTAY_RECORD").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    assert!(
        std::fs::read_to_string(PAGE).unwrap() == page,
        "docs/configuration.md is old: run `HEADSTAY_RECORD=1 cargo test --lib config::`"
    );
}

#[test]
fn every_link_of_the_reference_leads_to_one_heading() {
    let page = Reference::page(&json_schema());
    let headings = page.lines().filter(|line| line.starts_with("##"));
    let anchors: Vec<_> =
        headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect();
    let links: Vec<_> =
        page.split("](#").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 50, "{links:?}");
    for link in links {
        assert_eq!(anchors.iter().filter(|anchor| *anchor == link).count(), 1, "#{link}");
    }
}

#[test]
fn what_markdown_takes_for_its_own_is_escaped() {
    assert_eq!(escaped("a|b <c> *d* [e](f) g_h"), r"a\|b \<c> \*d\* \[e](f) g\_h");
    assert_eq!(escaped("`a|b <c> *d*` *e*"), r"`a\|b <c> *d*` \*e\*");
}

/// The page while it is written.
struct Reference<'a> {
    schema: &'a Value,
    contents: String,
    sections: String,
    /// Those that a type was named after, each once.
    rules: Vec<&'a str>,
}

impl<'a> Reference<'a> {
    fn page(schema: &'a Value) -> String {
        let (contents, sections, rules) = (String::new(), String::new(), Vec::new());
        let mut page = Self { schema, contents, sections, rules };
        for (key, property) in properties(schema) {
            let (title, said) = (format!("`{key}`"), escaped(description(property)));
            _ = writeln!(page.contents, "{}", listed(&format!("[{title}](#{key}): {said}")));
            _ = writeln!(page.sections, "## {title}\n\n{}", wrapped(&said));
            _ = writeln!(page.sections, "\n```yaml\n{}```", example(key));
            for (path, mapping) in page.mappings(key, property) {
                if description(mapping) != description(property) {
                    _ = writeln!(page.sections, "\n{}", wrapped(&escaped(description(mapping))));
                }
                page.keys(&path, mapping);
            }
        }
        let Self { contents, sections, rules, .. } = page;
        let secret = &schema["$defs"]["Secret"];
        let (secrets, values) = (secrets(secret), values(&rules));
        let last = "- [Secrets](#secrets) and [values](#values): what may stand for a key\n";
        format!("{HEAD}{contents}{last}\n{sections}{secrets}\n{VALUES}{values}")
    }

    /// The table of a mapping's keys, then the sections of the mappings in it.
    fn keys(&mut self, path: &str, mapping: &'a Value) {
        self.sections += "\n| key | type | default | |\n|---|---|---|---|\n";
        let required: Vec<&str> = mapping["required"]
            .as_array()
            .map_or_else(Vec::new, |keys| keys.iter().filter_map(Value::as_str).collect());
        for (key, property) in properties(mapping) {
            let kind = self.kind(&format!("{path}.{key}"), property);
            let default = match (required.contains(&key.as_str()), &property["default"]) {
                (true, _) => "**required**".to_owned(),
                (false, Value::Null) => String::new(),
                (false, Value::String(text)) if !text.is_empty() => format!("`{text}`"),
                (false, Value::Array(items)) => {
                    let items: Vec<_> = items.iter().filter_map(Value::as_str).collect();
                    format!("`[{}]`", items.join(", "))
                }
                (false, other) => format!("`{other}`"),
            };
            let mut said = escaped(description(property));
            for choice in choices(self.bare(property)) {
                let (value, meaning) = (text(choice, "const"), escaped(description(choice)));
                _ = write!(said, "<br>`{value}`: {meaning}");
            }
            _ = writeln!(self.sections, "| `{key}` | {kind} | {default} | {said} |");
        }
        self.sections.push('\n');
        for (key, property) in properties(mapping) {
            for (path, mapping) in self.mappings(&format!("{path}.{key}"), property) {
                let title = title(&path);
                _ = writeln!(self.contents, "  - [{title}](#{})", anchor(&title));
                let said = wrapped(&escaped(description(mapping)));
                _ = writeln!(self.sections, "### {title}\n\n{said}");
                self.keys(&path, mapping);
            }
        }
    }

    /// What a key takes, in words.
    fn kind(&mut self, path: &str, schema: &'a Value) -> String {
        let bare = self.bare(schema);
        if bare.get("x-secret").is_some() {
            return "[secret](#secrets)".to_owned();
        }
        let choices: Vec<_> =
            choices(bare).map(|choice| format!("`{}`", text(choice, "const"))).collect();
        if !choices.is_empty() {
            return format!("one of {}", choices.join(", "));
        }
        if let Some(alternatives) = bare["anyOf"].as_array() {
            if let Some(list) = list_or_one(alternatives) {
                return format!("{}; one alone will do", self.kind(path, list));
            }
            let kinds: Vec<_> = self
                .alternatives(path, alternatives)
                .into_iter()
                .map(|(path, alternative)| self.kind(&path, alternative))
                .collect();
            return kinds.join(" or ");
        }
        match bare["type"].as_str().or_else(|| bare["type"][0].as_str()) {
            Some("array") => {
                let item = self.kind(&format!("{path}[]"), &bare["items"]);
                let plural = if item.contains(" or ") { "" } else { "s" };
                format!("list of {item}{plural}")
            }
            Some("object") if bare.get("properties").is_some() => {
                let title = title(path);
                let label = title.split_once(" with ").map_or("mapping", |(_, keys)| keys);
                format!("[{label}](#{})", anchor(&title))
            }
            Some("object") => {
                let key = self.ruled(&bare["propertyNames"]);
                let value = self.kind(path, &bare["additionalProperties"]);
                format!("mapping of {key}s to {value}s")
            }
            Some("boolean") => "`true` or `false`".to_owned(),
            Some("integer") => whole_number(bare),
            _ => self.ruled(bare),
        }
    }

    /// A text, by the word for its rule.
    fn ruled(&mut self, schema: &'a Value) -> String {
        let rule = text(schema, "x-rule");
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
        format!("[{}](#values)", word(rule).0)
    }

    /// The mappings that a key takes, each with its path.
    fn mappings(&self, path: &str, schema: &'a Value) -> Vec<(String, &'a Value)> {
        let bare = self.bare(schema);
        if let Some(alternatives) = bare["anyOf"].as_array() {
            if let Some(list) = list_or_one(alternatives) {
                return self.mappings(path, list);
            }
            let alternatives = self.alternatives(path, alternatives);
            return alternatives.iter().flat_map(|(path, one)| self.mappings(path, one)).collect();
        }
        if bare["type"] == "array" {
            return self.mappings(&format!("{path}[]"), &bare["items"]);
        }
        if bare.get("properties").is_some() && bare.get("x-secret").is_none() {
            return vec![(path.to_owned(), bare)];
        }
        Vec::new()
    }

    /// Several things that one key takes. Mappings among them are told apart by their keys.
    fn alternatives(&self, path: &str, schemas: &'a [Value]) -> Vec<(String, &'a Value)> {
        let keys = |schema| match self.bare(schema)["properties"].as_object() {
            Some(properties) => properties.keys().map(String::as_str).collect::<Vec<_>>(),
            None => Vec::new(),
        };
        let several = schemas.iter().filter(|schema| !keys(schema).is_empty()).count() > 1;
        schemas
            .iter()
            .map(|schema| match keys(schema).as_slice() {
                keys @ [_, ..] if several => (format!("{path} with {}", keys.join(", ")), schema),
                _ => (path.to_owned(), schema),
            })
            .collect()
    }

    /// What a schema comes down to without references and without the null of what may be left out.
    fn bare(&self, schema: &'a Value) -> &'a Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.trim_start_matches("#/$defs/");
            return self.bare(&self.schema["$defs"][name]);
        }
        match schema["anyOf"].as_array().map(Vec::as_slice) {
            Some([only, null]) if null["type"] == "null" => self.bare(only),
            _ => schema,
        }
    }
}

/// The list of `[list of X, X]`: a key that takes one where it takes several.
fn list_or_one(alternatives: &[Value]) -> Option<&Value> {
    match alternatives {
        [list, one] if list["items"]["$ref"] == one["$ref"] && one.get("$ref").is_some() => {
            Some(list)
        }
        _ => None,
    }
}

fn choices(schema: &Value) -> impl Iterator<Item = &Value> {
    schema["oneOf"].as_array().into_iter().flatten().filter(|one| one.get("const").is_some())
}

fn whole_number(schema: &Value) -> String {
    match (schema["minimum"].as_u64().unwrap_or_default(), schema["maximum"].as_u64()) {
        (min, Some(max)) => format!("number, {min} to {max}"),
        (min, None) => format!("number, {min} or more"),
    }
}

/// Where a secret is read: a table of the ways.
fn secrets(schema: &Value) -> String {
    let mut section = format!("## Secrets\n\n{}\n\n", wrapped(&escaped(description(schema))));
    section += "| secret | |\n|---|---|\n";
    for way in schema["oneOf"].as_array().into_iter().flatten() {
        for (key, property) in properties(way) {
            let place = if text(property, "x-rule") == "variable" { "NAME" } else { "PATH" };
            let said = escaped(description(way));
            _ = writeln!(section, "| `{{{key}: {place}}}` | {said} |");
        }
    }
    section
}

/// What each rule says when something is not what it takes.
fn values(rules: &[&str]) -> String {
    let mut rows: Vec<String> = rules
        .iter()
        .map(|rule| {
            let (word, more) = word(rule);
            let refusal = rule::check(rule, "\0", &World).err().map(|refusal| refusal.to_string());
            let taken =
                refusal.map(|refusal| escaped(&refusal.replacen("expected ", "", 1)) + ". ");
            format!("| {word} | {}{more}", taken.unwrap_or_default()).trim_end().to_owned() + " |\n"
        })
        .collect();
    rows.sort();
    rows.concat()
}

/// A key of the example without its comments.
fn example(key: &str) -> String {
    let mut lines = EXAMPLE.lines().skip_while(|line| *line != format!("{key}:"));
    let first = lines.next().unwrap();
    let inside = lines.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
    let shown = inside.filter(|line| !line.is_empty() && !line.trim_start().starts_with('#'));
    shown.fold(format!("{first}\n"), |text, line| text + line + "\n")
}

fn properties(schema: &Value) -> &Map<String, Value> {
    schema["properties"].as_object().unwrap()
}

fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema[key].as_str().unwrap_or_else(|| panic!("no `{key}` in {schema}"))
}

fn description(schema: &Value) -> &str {
    text(schema, "description")
}

/// The heading of a mapping.
fn title(path: &str) -> String {
    match path.split_once(" with ") {
        Some((path, keys)) => format!("`{path}` with `{{{keys}}}`"),
        None => format!("`{path}`"),
    }
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Prose in which only code spans count as Markdown, fit for a cell of a table.
fn escaped(prose: &str) -> String {
    let mut in_code = false;
    let mut escaped = String::new();
    for c in prose.chars() {
        in_code ^= c == '`';
        if c == '|' || (!in_code && matches!(c, '\\' | '*' | '_' | '[' | '<')) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn listed(item: &str) -> String {
    format!("- {}", wrapped(item).replace('\n', "\n  "))
}

fn wrapped(prose: &str) -> String {
    let mut lines = vec![String::new()];
    for word in prose.split(' ') {
        let line = lines.len() - 1;
        if lines[line].chars().count() + 1 + word.chars().count() > LINE_MAX {
            lines.push(word.to_owned());
        } else if lines[line].is_empty() {
            lines[line] = word.to_owned();
        } else {
            lines[line] = format!("{} {word}", lines[line]);
        }
    }
    lines.join("\n")
}
