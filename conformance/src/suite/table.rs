//! What came of it: scenario by runtime by cluster.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::scene::{Outcome, Stop};

/// One runtime on one cluster.
pub(super) struct Column {
    cluster: String,
    /// Empty where the cluster brings its own.
    runtime: String,
    pub(super) cells: Vec<Outcome>,
    /// All scenarios together, the other runtimes' at the same time.
    pub(super) took: Duration,
}

impl Column {
    pub(super) fn new(cluster: &str, runtime: &str) -> Self {
        let (cluster, runtime) = (cluster.to_owned(), runtime.to_owned());
        Column { cluster, runtime, cells: Vec::new(), took: Duration::ZERO }
    }
}

pub(super) struct Table {
    scenarios: Vec<&'static str>,
    columns: Vec<Column>,
}

const CELL: usize = 5;

impl Table {
    pub(super) fn new(scenarios: Vec<&'static str>, columns: Vec<Column>) -> Self {
        Table { scenarios, columns }
    }

    pub(super) fn is_green(&self) -> bool {
        let failed = |cell: &Outcome| matches!(cell, Err(Stop::Failed(_)));
        !self.columns.iter().any(|column| column.cells.iter().any(failed))
    }

    /// The columns of each cluster.
    fn clusters(&self) -> impl Iterator<Item = &[Column]> {
        self.columns.chunk_by(|a, b| a.cluster == b.cluster)
    }

    /// The runtimes, numbered from 1 as in the table's head.
    fn runtimes(&self) -> Vec<&str> {
        let mut runtimes = Vec::new();
        for column in &self.columns {
            if !column.runtime.is_empty() && !runtimes.contains(&&*column.runtime) {
                runtimes.push(&column.runtime);
            }
        }
        runtimes
    }

    fn line<'a>(
        &'a self,
        f: &mut fmt::Formatter<'_>,
        width: usize,
        title: &str,
        cell: impl Fn(&'a Column) -> String,
    ) -> fmt::Result {
        write!(f, "{title:width$}")?;
        for columns in self.clusters() {
            f.write_str(" |")?;
            let cells: String = columns.iter().map(|column| format!("{:>CELL$}", cell(column))).collect();
            write!(f, "{cells:>0$}", cluster_width(columns))?;
        }
        f.write_str("\n")
    }
}

/// Its cells', or its name's.
fn cluster_width(columns: &[Column]) -> usize {
    (columns.len() * CELL).max(columns.first().map_or(0, |column| column.cluster.len() + 1))
}

fn cell(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(()) => "ok",
        Err(Stop::NotHere(_)) => "n/a",
        Err(Stop::Failed(_)) => "FAIL",
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.scenarios.iter().map(|name| name.len()).max().unwrap_or(0);
        let runtimes = self.runtimes();
        write!(f, "{:width$}", "")?;
        for columns in self.clusters() {
            let name = columns.first().map_or("", |column| &column.cluster);
            write!(f, " | {name:<0$}", cluster_width(columns) - 1)?;
        }
        f.write_str("\n")?;
        let number = |column: &Column| {
            let place = runtimes.iter().position(|name| *name == column.runtime);
            place.map_or(String::new(), |place| (place + 1).to_string())
        };
        self.line(f, width, "", number)?;
        for (row, name) in self.scenarios.iter().enumerate() {
            self.line(f, width, name, |column| column.cells.get(row).map_or("", cell).to_owned())?;
        }
        f.write_str("\n")?;
        for (place, name) in (1..).zip(&runtimes) {
            writeln!(f, "{place}  {name}")?;
        }
        for columns in self.clusters() {
            let Some(first) = columns.first() else { continue };
            writeln!(f, "{}: {:.1?}", first.cluster, first.took)?;
        }
        let mut reasons = BTreeSet::new();
        for column in &self.columns {
            for (name, cell) in self.scenarios.iter().zip(&column.cells) {
                if let Err(Stop::NotHere(why)) = cell {
                    reasons.insert(format!("n/a: {name}, {}: {why}", column.cluster));
                }
            }
        }
        reasons.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        for column in &self.columns {
            for (name, cell) in self.scenarios.iter().zip(&column.cells) {
                if let Err(Stop::Failed(what)) = cell {
                    writeln!(f, "FAIL: {name}, {} {}: {what}", column.cluster, column.runtime)?;
                }
            }
        }
        Ok(())
    }
}
