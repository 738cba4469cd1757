//! A report as a table.

use std::fmt;

use super::{Outcome, Report};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.lines.iter().map(|line| line.what.len()).max().unwrap_or_default();
        for line in &self.lines {
            let (mark, text) = match &line.outcome {
                Outcome::Good { detail } => ("ok", detail),
                Outcome::Failed { why, .. } => ("FAILED", why),
                Outcome::Untried { why } => ("-", why),
            };
            writeln!(f, "{mark:<7} {:<width$} {:>6} ms  {text}", line.what, line.took_ms)?;
            if let Outcome::Failed { advice, .. } = &line.outcome {
                writeln!(f, "{:8}{advice}", "")?;
            }
        }
        writeln!(
            f,
            "\n{}",
            if self.is_good() { "Everything that was tried works." } else { "Something does not work." }
        )
    }
}
