//! The table of results, in Markdown.

use std::fmt::Write;
use std::time::Duration;

/// One result.
pub struct Row {
    /// What was measured.
    pub what: String,
    /// The result.
    pub measured: String,
    /// What the same work costs at least, measured in the same run.
    pub compared: String,
    /// The result in parts of that.
    pub ratio: Option<f64>,
    /// What was aimed at.
    pub aim: &'static str,
    /// Whether it was met.
    pub met: Option<bool>,
}

impl Row {
    /// A result that is compared with nothing.
    pub fn new(what: impl Into<String>, measured: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            measured: measured.into(),
            compared: String::new(),
            ratio: None,
            aim: "",
            met: None,
        }
    }

    /// With an aim.
    pub fn aim(mut self, aim: &'static str, met: bool) -> Self {
        (self.aim, self.met) = (aim, Some(met));
        self
    }

    /// With what it is compared to.
    pub fn compared(mut self, with: impl Into<String>, ratio: f64) -> Self {
        (self.compared, self.ratio) = (with.into(), Some(ratio));
        self
    }
}

/// All results.
pub fn render(rows: &[Row]) -> String {
    let mut text = "| what | measured | compared with | ratio | aim | met |\n".to_owned();
    text.push_str("|---|---|---|---|---|---|\n");
    for Row { what, measured, compared, ratio, aim, met } in rows {
        let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let met = met.map_or("", |met| if met { "yes" } else { "**no**" });
        writeln!(text, "| {what} | {measured} | {compared} | {ratio} | {aim} | {met} |").unwrap();
    }
    text
}

/// A duration for people.
pub fn shown(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
    } else {
        format!("{:.2} s", duration.as_secs_f64())
    }
}

/// The value below which a share of the values are; the values are sorted on the way.
pub fn quantile(values: &mut [Duration], share: f64) -> Duration {
    values.sort_unstable();
    let last = u32::try_from(values.len()).unwrap() - 1;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 ≤ share ≤ 1")]
    let index = (f64::from(last) * share).round() as usize;
    values[index]
}

/// The value in the middle.
pub fn median(values: &mut [Duration]) -> Duration {
    quantile(values, 0.5)
}

/// One duration in parts of another.
pub fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64()
}
