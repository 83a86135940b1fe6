//! Tables of real machines, which are not in this repository: every file below the directory
//! `PASSTHRU_ACPI_DUMPS`, a DMAR or IVRS as the kernel has it, or the text of `acpidump`. Each
//! table must be read, and what they say is counted and printed. To repeat the survey below:
//!
//! ```text
//! git clone https://github.com/linuxhw/ACPI
//! PASSTHRU_ACPI_DUMPS=ACPI cargo test -p passthru-formats --test acpi_dumps -- --nocapture
//! ```
//!
//! Of linuxhw/ACPI at commit d6d30c6ef6f45506567f25a302c64f009d8f5f4e, in a copy that had 1,386 of
//! its 1,449 files, it says: 338 DMAR and 163 IVRS, none refused. Of the DMARs 283 have 39 bits, 34
//! have 36, 12 have 46, four 42, three 38, two 40; 15 have no interrupt remapping; 324 keep memory
//! for devices, one of them eight regions. Of the IVRSs eight keep memory, one of them for every
//! function of sixteen buses.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test that reads a directory and says what it found"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use passthru_formats::acpi::{dmar, ivrs};
use passthru_testkit::acpi::machines::ALL;

/// Every file below a directory, but hidden ones (a clone's `.git`).
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The DMARs and IVRSs of a file: itself, or those of an `acpidump`, where a line `DMAR @ ADDRESS`
/// comes before indented lines `OFFSET: BYTES  LETTERS` of up to sixteen bytes.
fn tables(file: &[u8]) -> Vec<Vec<u8>> {
    let (mut found, mut inside) = (vec![file.to_vec()], false);
    for line in String::from_utf8_lossy(file).lines() {
        if line.contains(" @ 0x") {
            inside = line.starts_with("DMAR @") || line.starts_with("IVRS @");
            found.extend(inside.then(Vec::new));
        } else if let (true, Some((_, row))) = (inside, line.split_once(": ")) {
            // Three letters to a byte; the letters behind could be taken for more of them.
            let bytes = row.get(..48).unwrap_or(row).split(' ').map_while(|b| u8::from_str_radix(b, 16).ok());
            found.last_mut().unwrap().extend(bytes);
        }
    }
    found.retain(|table| table.starts_with(b"DMAR") || table.starts_with(b"IVRS"));
    found
}

/// What the tables say, counted.
#[derive(Default)]
struct Survey {
    refused: Vec<String>,
    dmars: usize,
    ivrss: usize,
    widths: BTreeMap<u16, usize>,
    without_remapping: usize,
    /// How many DMARs and IVRSs have this many regions.
    reserved: BTreeMap<usize, usize>,
    memory: BTreeMap<usize, usize>,
    with_range: usize,
}

impl Survey {
    fn add(&mut self, name: &str, table: &[u8]) {
        if table.starts_with(b"DMAR") {
            match dmar::parse(table) {
                Ok(dmar) => {
                    self.dmars += 1;
                    *self.widths.entry(dmar.address_width).or_default() += 1;
                    *self.reserved.entry(dmar.reserved.len()).or_default() += 1;
                    self.without_remapping += usize::from(!dmar.interrupt_remapping());
                }
                Err(error) => self.refused.push(format!("{name}: {error}")),
            }
        } else {
            match ivrs::parse(table) {
                Ok(ivrs) => {
                    self.ivrss += 1;
                    *self.memory.entry(ivrs.memory.len()).or_default() += 1;
                    let range = |memory: &ivrs::Memory| matches!(memory.whom, ivrs::Whom::Range(..));
                    self.with_range += usize::from(ivrs.memory.iter().any(range));
                }
                Err(error) => self.refused.push(format!("{name}: {error}")),
            }
        }
    }

    fn text(&self) -> String {
        let Self { refused, dmars, ivrss, without_remapping, with_range, .. } = self;
        let mut text = format!("{dmars} DMAR, {ivrss} IVRS, {} refused\n", refused.len());
        refused.iter().for_each(|error| writeln!(text, "  {error}").unwrap());
        writeln!(text, "DMAR: {without_remapping} without interrupt remapping").unwrap();
        self.widths.iter().for_each(|(bits, n)| writeln!(text, "  {n} with {bits} bits").unwrap());
        self.reserved.iter().for_each(|(all, n)| writeln!(text, "  {n} with {all} RMRR").unwrap());
        writeln!(text, "IVRS: {with_range} with an IVMD of type 22h").unwrap();
        self.memory.iter().for_each(|(all, n)| writeln!(text, "  {n} with {all} IVMD").unwrap());
        text
    }
}

#[test]
fn dumps_of_real_machines() {
    let Some(directory) = std::env::var_os("PASSTHRU_ACPI_DUMPS") else {
        // Past the harness, which shows what a test prints only if it fails.
        let line = b"SKIPPED: no directory of tables in PASSTHRU_ACPI_DUMPS\n";
        return std::io::stderr().write_all(line).unwrap();
    };
    let (mut survey, mut paths) = (Survey::default(), Vec::new());
    files(Path::new(&directory), &mut paths);
    for path in paths {
        for table in tables(&std::fs::read(&path).unwrap()) {
            survey.add(&path.display().to_string(), &table);
        }
    }
    print!("{}", survey.text());
    assert!(survey.dmars + survey.ivrss > 0, "no table below PASSTHRU_ACPI_DUMPS");
    assert!(survey.refused.is_empty());
}

/// What the survey counts of the tables made here, as they are and as `acpidump` writes them.
#[test]
fn the_survey_itself() {
    let text = |name: &str, table: &[u8]| {
        let mut text = format!("FACP @ 0x0000000000000000\n    0000: 46 41 43 50{:37}FACP\n\n", "");
        writeln!(text, "{} @ 0x0000000000000000", name.rsplit('.').next().unwrap()).unwrap();
        for (row, offset) in table.chunks(16).zip((0..).step_by(16)) {
            let hex: String = row.iter().map(|byte| format!("{byte:02X} ")).collect();
            let letters: String =
                row.iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '.' }).collect();
            writeln!(text, "    {offset:04X}: {hex:48} {letters}").unwrap();
        }
        text + "\n"
    };
    let (mut raw, mut dumped) = (Survey::default(), Survey::default());
    for (name, table) in ALL {
        for table in tables(&table()) {
            raw.add(name, &table);
        }
        for table in tables(text(name, &table()).as_bytes()) {
            dumped.add(name, &table);
        }
    }
    let mut damaged = ALL[4].1();
    damaged[40] = 1;
    raw.add("damaged", &damaged);
    dumped.add("damaged", &damaged);
    assert_eq!(
        raw.text(),
        "5 DMAR, 4 IVRS, 1 refused\n  damaged: DMAR: its bytes add up to 0x01 instead of 0 (checksum)\n\
         DMAR: 2 without interrupt remapping\n  4 with 39 bits\n  1 with 46 bits\n  2 with 1 RMRR\n  \
         1 with 2 RMRR\n  2 with 3 RMRR\n\
         IVRS: 1 with an IVMD of type 22h\n  1 with 0 IVMD\n  1 with 1 IVMD\n  1 with 2 IVMD\n  1 with 5 IVMD\n"
    );
    assert_eq!(dumped.text(), raw.text());
}
