//! Counters, from the program itself and from the API server.

use crate::world::call::{agent, call};
use crate::world::headstay::Headstay;
use crate::world::kubernetes::Kubernetes;

/// The sum of the program's metrics of a name whose labels hold all these texts.
pub fn headstay(headstay: &Headstay, name: &str, labels: &[&str]) -> u32 {
    let url = format!("http://{}/metrics", headstay.address());
    sum(&call(&agent(), "GET", &url, &[], None).unwrap().text, name, labels)
}

/// How many calls about a kind of objects the API server has answered: all, and those that write.
/// Watches and dry runs are neither: a watch is one call for ever, a dry run is counted as a call.
pub fn calls(kubernetes: &Kubernetes, plural: &str) -> Calls {
    let text = kubernetes.call("GET", "/metrics", None).unwrap().text;
    let kind = format!("resource=\"{plural}\"");
    let count =
        |labels: &[&str]| sum(&text, "apiserver_request_total", &[&[&*kind], labels].concat());
    let all = count(&[]) - count(&["verb=\"WATCH\""]);
    let reads = count(&["verb=\"GET\""]) + count(&["verb=\"LIST\""]);
    let writes = all - reads - count(&["dry_run=\"All\""]);
    Calls { all, writes }
}

/// Calls that were answered.
#[derive(Clone, Copy)]
pub struct Calls {
    /// All but watches.
    pub all: u32,
    /// Those that write, or tried to.
    pub writes: u32,
}

impl Calls {
    /// Those since an earlier count.
    pub fn since(self, earlier: Self) -> Self {
        Self { all: self.all - earlier.all, writes: self.writes - earlier.writes }
    }
}

fn sum(text: &str, name: &str, labels: &[&str]) -> u32 {
    let lines = text.lines().filter_map(|line| line.strip_prefix(name));
    let counts: f64 = lines
        .filter(|rest| rest.starts_with(['{', ' ']))
        .filter(|rest| labels.iter().all(|label| rest.contains(label)))
        .map(|rest| {
            let value = rest.rsplit_once('}').map_or(rest, |(_, value)| value);
            value.split_whitespace().next().unwrap().parse::<f64>().unwrap()
        })
        .sum();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a count")]
    let counts = counts as u32;
    counts
}
