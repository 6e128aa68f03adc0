//! `headstay check`

use clap::Args;
use serde_json::{Value, json};

use crate::cli::terminal::Terminal;
use crate::cli::{CommandError, ConfigArgs, DONE, Output, WRONG_USAGE};
use crate::config::problem::ConfigErrors;
use crate::config::{self, Config};

/// What to check.
#[derive(Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the JSON Schema of the configuration instead
    #[arg(long)]
    schema: bool,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Validates the configuration: exit code 2 when it is wrong.
pub(super) fn run(args: &CheckArgs, out: &mut Terminal<'_>) -> Result<u8, CommandError> {
    if args.schema {
        out.json(&config::schema::json_schema())?;
        return Ok(DONE);
    }
    let path = &args.config.config;
    let loaded = config::read::load(path);
    if args.output == Output::Json {
        let code = if loaded.is_ok() { DONE } else { WRONG_USAGE };
        out.json(&verdict(&loaded))?;
        return Ok(code);
    }
    let config = loaded?;
    out.line(&format!(
        "{}: good (applications: {}, repositories: {}, clusters: {}, receivers: {})",
        path.display(),
        config.applications.len(),
        config.repositories.len(),
        config.clusters.len(),
        config.receivers.len()
    ))?;
    Ok(DONE)
}

/// The answer for programs.
fn verdict(loaded: &Result<Config, ConfigErrors>) -> Value {
    match loaded {
        Ok(config) => json!({
            "good": true,
            "applications": config.applications.len(),
            "repositories": config.repositories.len(),
            "clusters": config.clusters.len(),
            "receivers": config.receivers.len(),
        }),
        Err(errors) => {
            let problems = errors.problems.iter().map(|problem| {
                json!({
                    "file": problem.file,
                    "line": problem.line,
                    "key": problem.key,
                    "message": problem.message,
                })
            });
            json!({"good": false, "problems": problems.collect::<Vec<_>>()})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Problem;

    #[test]
    fn a_program_is_told_each_problem_by_its_place() {
        let problem = Problem {
            file: "headstay.yaml".to_owned(),
            line: Some(3),
            key: "applications[0].path".to_owned(),
            message: "is missing".to_owned(),
        };
        let told = verdict(&Err(ConfigErrors { problems: vec![problem] }));
        let problem = json!({"file": "headstay.yaml", "line": 3, "key": "applications[0].path",
            "message": "is missing"});
        assert_eq!(told, json!({"good": false, "problems": [problem]}));
    }
}
