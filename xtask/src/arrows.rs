//! Which crate may use which.
//!
//! Owns the reading of the table in `docs/architecture.md` and its comparison with
//! `cargo metadata`. The table is the rule: whoever needs another arrow changes it in
//! the same commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, bail, ensure};

use crate::metadata::{self, Package};

/// The page with the table, below the workspace's root.
pub const PAGE: &str = "docs/architecture.md";

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The crate's short name, such as `pci`.
    pub name: String,
    /// Its package, such as `passthru-pci`.
    pub package: String,
    /// Short names of the crates it may use.
    pub may_use: BTreeSet<String>,
}

/// Reads the table: the rows after the header that ends in `may use`.
///
/// The first cell starts with the crate's name in backquotes; a second backquoted
/// word is its package, without one it is `passthru-NAME` (`xtask`: `xtask`). The
/// last cell is `–`, a list of names, `all above`, or `all but NAME` (of those above).
///
/// # Errors
///
/// There is no such table, or a row names a crate that has no row above it.
pub fn parse_table(page: &str) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    let lines =
        page.lines().skip_while(|line| !is_header(line)).skip(2).take_while(|line| line.starts_with('|'));
    for line in lines {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let (Some(first), Some(last)) = (cells.first(), cells.last()) else { continue };
        let mut quoted = first.split('`').skip(1).step_by(2);
        let name = quoted.next().with_context(|| format!("no crate in backquotes in '{line}'"))?.to_owned();
        let package = match quoted.next() {
            Some(package) => package.to_owned(),
            None if name == "xtask" => name.clone(),
            None => format!("passthru-{name}"),
        };
        let above: BTreeSet<String> = rows.iter().map(|row| row.name.clone()).collect();
        let may_use = match *last {
            "–" | "-" | "" => BTreeSet::new(),
            "all above" => above,
            text => match text.strip_prefix("all but ") {
                Some(but) => above.into_iter().filter(|name| name != but).collect(),
                None => text.split(',').map(|name| name.trim().trim_matches('`').to_owned()).collect(),
            },
        };
        if let Some(unknown) = may_use.iter().find(|name| rows.iter().all(|row| row.name != **name)) {
            bail!("the table's row for {name} names {unknown}, which has no row above it");
        }
        rows.push(Row { name, package, may_use });
    }
    ensure!(!rows.is_empty(), "no table of crates with a column 'may use' in {PAGE}");
    Ok(rows)
}

fn is_header(line: &str) -> bool {
    line.starts_with('|') && line.trim_end_matches([' ', '|']).ends_with("may use")
}

/// What packages do that the table does not allow, one sentence each; and their
/// dependencies for tests, which the table does not speak of.
#[must_use]
pub fn compare(table: &[Row], packages: &[Package]) -> (Vec<String>, Vec<String>) {
    let (mut wrong, mut for_tests) = (Vec::new(), Vec::new());
    let short: BTreeMap<&str, &Row> = table.iter().map(|row| (row.package.as_str(), row)).collect();
    for row in table.iter().filter(|row| packages.iter().all(|p| p.name != row.package)) {
        wrong.push(format!("{} is in the table, and no package {} in the workspace", row.name, row.package));
    }
    for package in packages {
        let Some(row) = short.get(package.name.as_str()) else {
            wrong.push(format!("the package {} has no row in the table", package.name));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| d.own) {
            let used = short.get(dependency.name.as_str()).map_or(&dependency.name, |row| &row.name);
            if dependency.dev {
                for_tests.push(format!("{} uses {used} in its tests", row.name));
            } else if !row.may_use.contains(used) {
                let allowed: Vec<_> = row.may_use.iter().map(String::as_str).collect();
                let allowed = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
                wrong.push(format!("{} uses {used}; the table allows it {allowed}", row.name));
            }
        }
    }
    (wrong, for_tests)
}

/// Compares the workspace with the table and prints what it finds.
///
/// # Errors
///
/// Every arrow that the table does not allow.
pub fn check() -> Result<()> {
    let page = fs::read_to_string(crate::root().join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    let table = parse_table(&page)?;
    let (wrong, for_tests) = compare(&table, &metadata::packages()?);
    for line in for_tests {
        println!("{line}");
    }
    ensure!(wrong.is_empty(), "{}\n(the table is in {PAGE})", wrong.join("\n"));
    println!("{} crates use what the table in {PAGE} allows", table.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Dependency;

    const PAGE: &str = "text\n\n| crate (package) | holds | may use |\n|---|---|---|\n\
        | `pci` (`passthru-pci`) | words | – |\n\
        | `model` | data, `Snapshot` | pci |\n\
        | `cli` (package `passthru`, library + binary) | verbs | all above |\n\
        | `testkit` (dev only) | fakes | all but cli |\n\
        | `xtask` | tools | cli, testkit |\n\nmore\n";

    #[test]
    fn the_table_is_read() {
        let rows = parse_table(PAGE).unwrap();
        let shown: Vec<String> = rows
            .iter()
            .map(|r| {
                let uses: Vec<&str> = r.may_use.iter().map(String::as_str).collect();
                format!("{} {}: {}", r.name, r.package, uses.join(" "))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "pci passthru-pci: ",
                "model passthru-model: pci",
                "cli passthru: model pci",
                "testkit passthru-testkit: model pci",
                "xtask xtask: cli testkit",
            ]
        );
        assert!(parse_table("no table").is_err());
        assert!(parse_table("| c | may use |\n|---|---|\n| `a` | b |\n").is_err());
    }

    #[test]
    fn forbidden_arrows_are_found() {
        let package = |name: &str, uses: &[(&str, bool)]| Package {
            name: name.into(),
            dependencies: uses
                .iter()
                .map(|(name, dev)| Dependency { name: (*name).into(), dev: *dev, own: true })
                .collect(),
        };
        let packages = [
            package("passthru-pci", &[("passthru-model", false), ("passthru-testkit", true)]),
            package("passthru-model", &[("passthru-pci", false)]),
            package("passthru", &[]),
            package("xtask", &[]),
            package("stranger", &[]),
        ];
        let (wrong, for_tests) = compare(&parse_table(PAGE).unwrap(), &packages);
        assert_eq!(
            wrong,
            [
                "testkit is in the table, and no package passthru-testkit in the workspace",
                "pci uses model; the table allows it nothing",
                "the package stranger has no row in the table",
            ]
        );
        assert_eq!(for_tests, ["pci uses testkit in its tests"]);
    }
}
