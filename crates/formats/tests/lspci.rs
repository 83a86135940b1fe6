//! Our wording against the real lspci, over every line of the system's `pci.ids`
//! and over ids that it does not have.
//!
//! lspci reads a dump of invented devices (`-A dump`), so no hardware is needed.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    unreachable_pub,
    reason = "this test compares with a program and needs files for it"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use passthru_formats::pci_ids::wording::{Style, Terse, device, has_subsystem, subsystem};
use passthru_formats::pci_ids::{Names, Wanted, excerpt};
use passthru_pci::{Address, Class, Id};

/// One invented function.
#[derive(Clone, Copy)]
struct Function {
    id: Id,
    subsystem: Id,
    class: Class,
    revision: u8,
}

const PLACES: [&str; 3] = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids", "/usr/share/pci.ids"];

#[test]
fn every_line_of_pci_ids_is_worded_as_lspci_does() {
    let Some(file) = PLACES.into_iter().find(|p| Path::new(p).exists()) else {
        return eprintln!("SKIPPED: no pci.ids in {PLACES:?}");
    };
    let Some(version) = version() else {
        return eprintln!("SKIPPED: lspci is not installed");
    };
    let text = std::fs::read(file).unwrap();
    let functions = invented(&text);
    compare(file, &text, &functions, longest(&version));
}

#[test]
fn generic_subsystems_and_long_names_too() {
    let Some(version) = version() else {
        return eprintln!("SKIPPED: lspci is not installed");
    };
    let text = format!(
        "1af4  {}\n\t1041  {}\n\t\t1af4 0001  Under the device \n1234  \u{e4}\u{e4}\nS 1af4\n\t0001  Generic one\n\
         \t0002  Generic two\nX future\n\t1af4  no\nC 01  Storage\n\t01  IDE\n\t\t85  ISA mode\n",
        "v".repeat(200),
        "d".repeat(100)
    );
    let dir = tempfile_dir("generic");
    let file = dir.join("pci.ids");
    std::fs::write(&file, &text).unwrap();
    let id = |s: &str| s.parse().unwrap();
    let mut functions = Vec::new();
    for device in ["1af4:1041", "1af4:1042", "1234:0001", "0000:0000", "1af4:0002"] {
        for sub in ["1af4:0001", "1af4:0002", "1af4:0003", "1af4:1041", "0000:0001", "ffff:0001", "9999:0001"]
        {
            for class in [0x01_0185, 0x01_0180, 0x01_0100, 0x01_0171, 0x01_0200, 0x05_0000] {
                functions.push(Function {
                    id: id(device),
                    subsystem: id(sub),
                    class: Class::new(class),
                    revision: 0,
                });
            }
        }
    }
    compare(file.to_str().unwrap(), text.as_bytes(), &functions, longest(&version));
    std::fs::remove_dir_all(dir).unwrap();
}

fn tempfile_dir(name: &str) -> std::path::PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// A function for every device, subsystem and class in the list, and some for none.
fn invented(text: &[u8]) -> Vec<Function> {
    let text = String::from_utf8_lossy(text);
    let hex = |s: &str| u16::from_str_radix(s, 16).ok();
    let none = Id { vendor: 0, device: 0 };
    let mut functions = Vec::new();
    let mut classes = vec![Class::new(0), Class::new(0x50_1234)];
    let (mut vendor, mut device, mut class) = (None, None, None);
    for line in text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
        if let Some(rest) = line.strip_prefix("C ") {
            (vendor, class) = (None, hex(&rest[..2]).map(|c| (c, None)));
        } else if let Some(rest) = line.strip_prefix("\t\t") {
            match (vendor, device, class) {
                (Some(vendor), Some(device), _) => functions.push(Function {
                    id: Id { vendor, device },
                    subsystem: Id { vendor: hex(&rest[..4]).unwrap(), device: hex(&rest[5..9]).unwrap() },
                    class: Class::new(0x02_0000),
                    revision: (functions.len() % 256) as u8,
                }),
                (None, _, Some((base, Some(sub)))) => {
                    let bits = |p: u16| u32::from(base) << 16 | u32::from(sub) << 8 | u32::from(p);
                    classes.push(Class::new(bits(hex(&rest[..2]).unwrap())));
                }
                _ => {}
            }
        } else if let Some(rest) = line.strip_prefix('\t') {
            match (vendor, &mut class) {
                (Some(v), _) => {
                    device = hex(&rest[..4]);
                    let id = Id { vendor: v, device: device.unwrap() };
                    let class = Class::new(0x03_0000);
                    // Its own id as the subsystem's is a case of its own.
                    let subsystem = if functions.len() % 3 == 0 { id } else { none };
                    functions.push(Function { id, subsystem, class, revision: 0 });
                }
                (None, Some((base, sub))) => {
                    *sub = hex(&rest[..2]);
                    let bits = u32::from(*base) << 16 | u32::from(sub.unwrap()) << 8;
                    classes.extend([0x00, 0x7f, 0x8a].map(|p| Class::new(bits | p)));
                    classes.push(Class::new(u32::from(*base) << 16 | 0xf100));
                }
                _ => {}
            }
        } else {
            vendor = hex(&line[..4]);
            device = None;
            let id = Id { vendor: vendor.unwrap(), device: 0xfffe };
            functions.push(Function { id, subsystem: id, class: Class::new(0x03_9000), revision: 1 });
        }
    }
    let vendors = [0x1af4, 0x0a0a, 0x8086, 0xfff0];
    for (i, class) in classes.into_iter().enumerate() {
        let id = |n: usize| Id { vendor: vendors[(i + n) % 4], device: i as u16 };
        functions.push(Function { id: id(0), subsystem: id(1), class, revision: i as u8 });
    }
    functions
}

fn address(i: usize) -> Address {
    Address::new((i >> 16) as u32, (i >> 8) as u8, (i >> 3 & 0x1f) as u8, (i & 7) as u8).unwrap()
}

/// The functions as `lspci -x` prints them.
fn dump(functions: &[Function]) -> String {
    let mut out = String::new();
    for (i, f) in functions.iter().enumerate() {
        let mut config = [0u8; 64];
        config[0..2].copy_from_slice(&f.id.vendor.to_le_bytes());
        config[2..4].copy_from_slice(&f.id.device.to_le_bytes());
        config[8] = f.revision;
        config[9..12].copy_from_slice(&f.class.bits().to_le_bytes()[..3]);
        config[0x2c..0x2e].copy_from_slice(&f.subsystem.vendor.to_le_bytes());
        config[0x2e..0x30].copy_from_slice(&f.subsystem.device.to_le_bytes());
        writeln!(out, "{} x", address(i)).unwrap();
        for (row, bytes) in config.chunks(16).enumerate() {
            write!(out, "{:02x}:", row * 16).unwrap();
            bytes.iter().for_each(|b| write!(out, " {b:02x}").unwrap());
            out.push('\n');
        }
        out.push('\n');
    }
    out
}

fn compare(file: &str, text: &[u8], functions: &[Function], longest: usize) {
    let dir = tempfile_dir(&format!("dump-{}", functions.len()));
    let dump_file = dir.join("dump");
    std::fs::write(&dump_file, dump(functions)).unwrap();

    let mut wanted = Wanted::new();
    for f in functions {
        wanted.device(f.id, Some(f.subsystem));
        wanted.class(f.class);
    }
    let names = Names::select(text, &wanted);
    let small = excerpt(text, &wanted);
    assert_eq!(Names::select(small.as_bytes(), &wanted), names, "the excerpt gives other names");
    // lspci reads the excerpt as well: it would end at a malformed line.
    let small_file = dir.join("small.ids");
    std::fs::write(&small_file, small).unwrap();

    for (option, style) in [("-v", Style::Names), ("-nv", Style::Numbers), ("-nnv", Style::Both)] {
        let ours: Vec<String> =
            functions.iter().enumerate().flat_map(|(i, f)| lines(i, f, &names, style, longest)).collect();
        for ids in [file, small_file.to_str().unwrap()] {
            let theirs = lspci(ids, &dump_file, option);
            assert_eq!(theirs.len(), ours.len(), "{option} {ids}");
            for (a, b) in ours.iter().zip(&theirs) {
                assert_eq!(a, b, "{option} {ids}");
            }
        }
    }
    eprintln!("{} functions worded as lspci does, in three styles", functions.len());
    std::fs::remove_dir_all(dir).unwrap();
}

fn lines(i: usize, f: &Function, names: &Names, style: Style, longest: usize) -> Vec<String> {
    let slot = address(i).to_string();
    let (class, id, verbose) = (f.class, f.id, true);
    let terse =
        Terse { names, slot: &slot, class, id, revision: Some(f.revision), style, verbose }.to_string();
    let device = device(names, id, style).to_string();
    let terse = if device.len() > longest { terse.replace(&device, &cut(&device, longest)) } else { terse };
    let mut lines = vec![terse];
    if has_subsystem(f.subsystem) {
        lines.push(format!("\tSubsystem: {}", subsystem(names, f.id, f.subsystem, style)));
    }
    lines
}

/// lspci 3.9 and older cut at half the length of their successors.
fn longest(version: &str) -> usize {
    let mut numbers = version.split(['.', ' ']).filter_map(|n| n.parse::<u32>().ok());
    if (numbers.next(), numbers.next()) < (Some(3), Some(10)) { 127 } else { 255 }
}

fn cut(text: &str, longest: usize) -> String {
    String::from_utf8_lossy(&text.as_bytes()[..longest - 3]).into_owned() + "..."
}

/// What `lspci --version` prints; nothing where there is none.
fn version() -> Option<String> {
    let output = Command::new("lspci").arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn lspci(ids: &str, dump: &Path, option: &str) -> Vec<String> {
    let output = Command::new("lspci")
        .args(["-D", "-A", "dump", "-O", "hwdb.disable=1", option, "-i", ids, "-F"])
        .arg(dump)
        .output()
        .unwrap();
    assert!(output.status.success(), "lspci: {}", String::from_utf8_lossy(&output.stderr));
    let all = String::from_utf8_lossy(&output.stdout);
    let kept = |l: &&str| l.starts_with("\tSubsystem:") || l.starts_with(|c: char| c.is_ascii_hexdigit());
    all.lines().filter(kept).map(str::to_owned).collect()
}
