//! The metrics page: the meters, and what is read at the moment of asking: the models in service,
//! their drift, and what the process takes.

use std::fmt::Write;

use super::process::Process;
use crate::bundle::Bundle;
use crate::meters::Meters;

/// All metrics in Prometheus' text format; `bundles` are those in service.
///
/// Of a bundle's inputs only those that drifted most are shown, so that the number of series stays
/// bounded; their names are those of its columns.
pub fn metrics_page<'a>(meters: &Meters, bundles: impl IntoIterator<Item = &'a Bundle>) -> String {
    let mut page = Page(meters.render());
    let bundles: Vec<&Bundle> = bundles.into_iter().collect();
    page.models(&bundles);
    page.drift(&bundles);
    if let Some(process) = Process::read() {
        page.process(&process);
    }
    page.0
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        // A line that did not fit would be a fault of memory, not of ours.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{before}{label}=\"{value}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = match value == f64::INFINITY {
            true => writeln!(self.0, "{close} +Inf"),
            false => writeln!(self.0, "{close} {value}"),
        };
    }

    fn models(&mut self, bundles: &[&Bundle]) {
        let name = "prodrome_model_info";
        self.family(name, Kind::Gauge, "Models in service: 1 for each");
        for bundle in bundles {
            let manifest = bundle.manifest();
            let labels = [
                ("task", manifest.task.as_str()),
                ("version", manifest.version.as_str()),
                ("digest", bundle.digest()),
            ];
            self.sample(name, &labels, 1.0);
        }
    }

    fn drift(&mut self, bundles: &[&Bundle]) {
        let name = "prodrome_drift_psi";
        let help = "Population stability index against the development rows, of the score and of \
                    the inputs with the largest: alike below 0.1, unlike from 0.25 on";
        self.family(name, Kind::Gauge, help);
        for bundle in bundles {
            let Some(drift) = bundle.drift() else { continue };
            let manifest = bundle.manifest();
            let score = drift.score.map(|psi| ("score", psi));
            let inputs = drift.inputs.iter().map(|input| (input.column.as_str(), input.psi));
            for (input, psi) in score.into_iter().chain(inputs) {
                let (task, version) = (manifest.task.as_str(), manifest.version.as_str());
                let labels = [("task", task), ("version", version), ("input", input)];
                self.sample(name, &labels, psi);
            }
        }
    }

    fn process(&mut self, process: &Process) {
        use Kind::{Counter, Gauge};
        let figures = [
            ("cpu_seconds_total", Counter, "Processor time, in seconds", process.cpu_seconds),
            ("start_time_seconds", Gauge, "Start, in seconds since 1970", process.start_seconds),
            ("resident_memory_bytes", Gauge, "Resident memory, in bytes", process.resident_bytes),
            ("virtual_memory_bytes", Gauge, "Virtual memory, in bytes", process.virtual_bytes),
            ("threads", Gauge, "Threads", process.threads),
            ("open_fds", Gauge, "Open files and sockets", process.open_files),
            ("max_fds", Gauge, "The most files and sockets allowed", process.open_files_max),
        ];
        for (figure, kind, help, value) in figures {
            let name = format!("process_{figure}");
            self.family(&name, kind, help);
            self.sample(&name, &[], value);
        }
    }
}
