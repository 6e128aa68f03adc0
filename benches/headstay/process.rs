//! What the system knows of the program: its memory, its time on the cores, its waits for the disk.

use std::fs;
use std::process::{Child, Command, Stdio};

/// Clock ticks of `/proc` in a second, on every architecture that matters.
const TICKS: f64 = 100.0;

/// The one running `headstay`, a child of this process.
pub struct Process {
    id: String,
}

impl Process {
    /// Finds it.
    pub fn find() -> Self {
        let parent = std::process::id().to_string();
        let processes = fs::read_dir("/proc").unwrap().map_while(Result::ok);
        let mut found =
            processes.filter_map(|entry| entry.file_name().into_string().ok()).filter(|id| {
                let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
                let parts = stat.split_once(" (headstay) ").map(|(_, rest)| rest);
                parts.is_some_and(|rest| rest.split(' ').nth(1) == Some(&parent))
            });
        let id = found.next().unwrap();
        assert!(found.next().is_none(), "more than one headstay runs");
        Self { id }
    }

    /// Memory that it holds now, in kB.
    pub fn resident(&self) -> u32 {
        self.status("VmRSS:")
    }

    /// The most that it ever held, in kB.
    pub fn peak(&self) -> u32 {
        self.status("VmHWM:")
    }

    /// Seconds that it spent on the cores so far.
    pub fn busy(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id)).unwrap();
        let (_, rest) = stat.rsplit_once(')').unwrap();
        let ticks = rest.split_whitespace().skip(11).take(2);
        ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS
    }

    /// Begins to count its waits for the disk; none if there is no `strace` that may.
    pub fn count_syncs(&self) -> Option<Syncs> {
        let mut strace = Command::new("strace")
            .args(["-f", "-c", "-e", "trace=fsync,fdatasync", "-p", &self.id])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        std::thread::sleep(std::time::Duration::from_millis(500));
        strace.try_wait().ok()?.is_none().then_some(Syncs(strace))
    }

    fn status(&self, key: &str) -> u32 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// A count that goes on.
pub struct Syncs(Child);

impl Syncs {
    /// Ends the count.
    pub fn end(self) -> u32 {
        let kill = ["-c", "kill -INT $0", &self.0.id().to_string()];
        assert!(Command::new("sh").args(kill).status().unwrap().success());
        let output = self.0.wait_with_output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        text.lines()
            .filter(|line| line.ends_with("sync"))
            .map(|line| line.split_whitespace().nth(3).unwrap().parse::<u32>().unwrap())
            .sum()
    }
}
