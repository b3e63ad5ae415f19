//! What the process itself takes, as the kernel counts it: `/proc/self`, read at each scrape.

use std::fs;

/// The kernel's unit of processor time for programs: `USER_HZ`, 100 a second on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the process takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Process {
    pub cpu_seconds: f64,
    /// Of the wall clock, since 1970.
    pub start_seconds: f64,
    pub resident_bytes: f64,
    pub virtual_bytes: f64,
    pub threads: f64,
    pub open_files: f64,
    pub open_files_max: f64,
}

impl Process {
    /// This process; `None` where there is no `/proc`, as on other systems than Linux.
    pub(super) fn read() -> Option<Process> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let booted = fs::read_to_string("/proc/stat").ok()?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let limits = fs::read_to_string("/proc/self/limits").ok()?;
        // The reading of the folder is itself an open file.
        let open_files = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
        let ticks = Ticks::read(&stat)?;
        let booted_seconds: f64 = booted.lines().find_map(|line| field(line, "btime"))?;
        let kilobytes = |name| status.lines().find_map(|line| field(line, name));
        Some(Process {
            cpu_seconds: ticks.used / TICKS_PER_SECOND,
            start_seconds: booted_seconds + ticks.start / TICKS_PER_SECOND,
            resident_bytes: 1024.0 * kilobytes("VmRSS:")?,
            virtual_bytes: 1024.0 * kilobytes("VmSize:")?,
            threads: kilobytes("Threads:")?,
            open_files: open_files as f64,
            open_files_max: limits
                .lines()
                .find_map(|line| line.strip_prefix("Max open files"))
                .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
                .unwrap_or(f64::INFINITY),
        })
    }
}

/// The first number behind `name` in `line`.
fn field(line: &str, name: &str) -> Option<f64> {
    line.strip_prefix(name)?.split_whitespace().next()?.parse().ok()
}

struct Ticks {
    used: f64,
    /// Since the machine booted.
    start: f64,
}

impl Ticks {
    /// Fields 14, 15 and 22 of `/proc/self/stat` (proc_pid_stat(5)), which count behind the name of the
    /// program: that may hold blanks and brackets.
    fn read(stat: &str) -> Option<Ticks> {
        let (_, behind) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = behind.split_whitespace().collect();
        let number = |place: usize| fields.get(place - 3)?.parse::<f64>().ok();
        Some(Ticks { used: number(14)? + number(15)?, start: number(22)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_does_not_shift_the_fields() {
        let numbers: Vec<String> = (4..=30).map(|place| place.to_string()).collect();
        let stat = format!("17 (a ) (b) S {}", numbers.join(" "));
        let ticks = Ticks::read(&stat).unwrap();
        assert_eq!((ticks.used, ticks.start), (29.0, 22.0));
        assert!(Ticks::read("17 (a) S 1 2").is_none());
    }
}
