//! The figures, each beside its raw limit and its aim.

/// Lines of a table, in order of measuring.
pub(crate) struct Report(Vec<Line>);

struct Line {
    what: String,
    figure: String,
    raw: String,
    ratio: Option<f64>,
    aim: String,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// A figure with the raw limit it is a ratio of.
    pub(crate) fn add(&mut self, what: impl Into<String>, figure: String, raw: String, ratio: f64, aim: &str) {
        self.push(Line { what: what.into(), figure, raw, ratio: Some(ratio), aim: aim.into() });
    }

    /// A figure that no raw limit belongs to.
    pub(crate) fn note(&mut self, what: impl Into<String>, figure: String, aim: &str) {
        self.push(Line { what: what.into(), figure, raw: String::new(), ratio: None, aim: aim.into() });
    }

    fn push(&mut self, line: Line) {
        println!("  {}: {}", line.what, line.figure);
        self.0.push(line);
    }

    pub(crate) fn print(&self) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let build = if cfg!(debug_assertions) { "dev" } else { "release" };
        println!(
            "\n{cores} cores, {build} build, coordinator durable (SQLite WAL, synchronous=FULL), TLS 1.3 on loopback\n"
        );
        println!("{:<52} {:>22} {:>30} {:>7}   aim", "what", "measured", "raw limit of this run", "ratio");
        for line in &self.0 {
            let ratio = line.ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
            println!("{:<52} {:>22} {:>30} {:>7}   {}", line.what, line.figure, line.raw, ratio, line.aim);
        }
    }
}

/// The value below which `share` of the sorted samples lie.
pub(crate) fn percentile(samples: &mut [f64], share: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let at = ((samples.len() - 1) as f64 * share).round() as usize;
    samples[at]
}
