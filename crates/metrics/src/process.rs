//! What the process itself uses, as Linux tells it; elsewhere nothing is told.

/// Ticks in a second in which Linux counts processor time for programs, on every architecture that it runs on.
const TICKS_PER_S: f64 = 100.0;

/// What the process uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Time on processors, user and system.
    pub cpu_s: f64,
    /// Memory in RAM.
    pub resident_bytes: f64,
}

/// Reads it; `None` where there is no `/proc`.
pub fn usage() -> Option<Usage> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    Some(Usage { cpu_s: cpu_s(&stat)?, resident_bytes: resident_bytes(&status)? })
}

/// Fields 14 and 15; the second, the program's name, may hold anything and ends with the last parenthesis.
fn cpu_s(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut ticks = rest.split_ascii_whitespace().skip(11).map(str::parse::<f64>);
    Some((ticks.next()?.ok()? + ticks.next()?.ok()?) / TICKS_PER_S)
}

fn resident_bytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let stat = "1234 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 4 0 99 0 0";
        assert_eq!(cpu_s(stat), Some(3.0));
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t   1024 kB\nVmData: 7 kB\n"), Some(1_048_576.0));
        assert_eq!((cpu_s("nothing"), resident_bytes("nothing")), (None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_holds_memory() {
        assert!(usage().unwrap().resident_bytes > 1_000_000.0);
    }
}
