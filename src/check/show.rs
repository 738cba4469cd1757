//! A report as text.

use std::fmt;

use super::{Level, Opening, Protocol, Report};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{:<8} {:<26} {}", finding.level.name(), finding.key, finding.text)?;
        }
        let (here, outside): (Vec<_>, Vec<_>) = self.open.iter().partition(|opening| opening.is_local());
        for (title, openings) in [("Let in through the firewall:", outside), ("For this machine alone:", here)] {
            if !openings.is_empty() {
                writeln!(f, "\n{title}")?;
                openings.iter().try_for_each(|opening| writeln!(f, "  {opening}"))?;
            }
        }
        for (title, addresses) in [("Clients send media to:", &self.media), ("Clients find the relay at:", &self.turn)]
        {
            if !addresses.is_empty() {
                writeln!(f, "\n{title}")?;
                addresses.iter().try_for_each(|address| writeln!(f, "  {address}"))?;
            }
        }
        let verdict = if self.is_good() {
            "This configuration can be run."
        } else {
            "This configuration cannot be run as it is."
        };
        writeln!(f, "\n{verdict}")
    }
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Warning => "warning",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Udp => "udp",
            Protocol::Tcp => "tcp",
        };
        let ports = match (self.first_port, self.last_port) {
            (0, _) => "any".into(),
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        };
        write!(f, "{protocol}  {ports:<13} {:<24} {} ({})", self.address.to_string(), self.what, self.key)
    }
}
