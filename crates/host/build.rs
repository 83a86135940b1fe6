//! Writes the built-in copy of pci.ids as one text, in the form of the file.
//!
//! The `pci-ids` crate holds it as tables of pointers, some 200,000 of them. In a
//! position-independent static binary each has to be relocated before `main`, used or
//! not: that alone cost 3 ms, more than listing the devices of most hosts. A text
//! costs nothing until it is read.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a build script writes the file it makes and talks to cargo"
)]

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use pci_ids::{Classes, SubSystem, Vendors};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let directory = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&directory).join("pci.ids"), text()).expect("OUT_DIR can be written to");
}

/// Everything, sorted, so that builds can be repeated.
fn text() -> String {
    let mut text = String::new();
    let mut vendors: Vec<_> = Vendors::iter().collect();
    vendors.sort_by_key(|v| v.id());
    for vendor in vendors {
        line(&mut text, format_args!("{:04x}  {}", vendor.id(), vendor.name()));
        for device in vendor.devices() {
            line(&mut text, format_args!("\t{:04x}  {}", device.id(), device.name()));
            for sub in device.subsystems() {
                let name = SubSystem::name(sub);
                line(&mut text, format_args!("\t\t{:04x} {:04x}  {name}", sub.subvendor(), sub.subdevice()));
            }
        }
    }
    let mut classes: Vec<_> = Classes::iter().collect();
    classes.sort_by_key(|c| c.id());
    for class in classes {
        line(&mut text, format_args!("C {:02x}  {}", class.id(), class.name()));
        for subclass in class.subclasses() {
            line(&mut text, format_args!("\t{:02x}  {}", subclass.id(), subclass.name()));
            for interface in subclass.prog_ifs() {
                line(&mut text, format_args!("\t\t{:02x}  {}", interface.id(), interface.name()));
            }
        }
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a String cannot fail");
}
