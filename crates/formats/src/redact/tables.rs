//! Tables of `/proc`: mounts, swap areas, routes. Each line is read and written anew;
//! one that cannot be read becomes [`BAD`], which cannot be read either.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::standin::Kind;
use super::words::{BLOCKS, FILE_SYSTEMS, FUSES, MOUNT_FIELDS, MOUNT_OPTIONS, MOUNT_POINTS, PSEUDO_SOURCES};
use super::{Redactor, glob};
use crate::fstab::{self, Name};
use crate::line::escape;
use crate::mountinfo::{self, Mount};
use crate::route::{self, Route};
use crate::{process, swaps, tcp, udev_db};

/// In the place of a line that is not of the documented form.
const BAD: &str = "(a line that is not of the documented form)\n";

impl Redactor {
    pub(super) fn mountinfo(&mut self, text: &[u8]) -> String {
        let mut out = String::new();
        for mount in mountinfo::parse(text) {
            let Ok(mount) = mount else {
                out.push_str(BAD);
                continue;
            };
            let source = self.source(&mount.source, &mount.fs_type);
            let options = listed(mount.options, ',', MOUNT_OPTIONS);
            let super_options = listed(mount.super_options, ',', MOUNT_OPTIONS);
            let optional = listed(mount.optional, ' ', MOUNT_FIELDS);
            let new = Mount {
                root: self.place(&mount.root).into(),
                point: self.place(&mount.point).into(),
                // The field must not be empty.
                options: if options.is_empty() { "rw" } else { &options },
                optional: &optional,
                fs_type: if known_file_system(&mount.fs_type) { mount.fs_type } else { "unknown".into() },
                source: source.into(),
                super_options: &super_options,
                ..mount
            };
            out.push_str(&format!("{new}\n"));
        }
        out
    }

    pub(super) fn swaps(&mut self, text: &[u8]) -> String {
        let mut out = String::from("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
        for swap in swaps::parse(text) {
            let Ok(swap) = swap else {
                out.push_str(BAD);
                continue;
            };
            let (path, kind) = if swap.is_device {
                (self.device(&swap.path), "partition")
            } else {
                (self.place(&swap.path), "file")
            };
            out.push_str(&format!(
                "{path}\t{kind}\t{}\t{}\t{}\n",
                swap.size_kib, swap.used_kib, swap.priority
            ));
        }
        out
    }

    pub(super) fn route4(&mut self, text: &[u8]) -> String {
        let mut out = String::from(
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n",
        );
        for route in route::parse_ipv4(text) {
            let Ok(Route { interface, destination: IpAddr::V4(to), prefix, gateway, flags, metric }) = route
            else {
                out.push_str(BAD);
                continue;
            };
            let gateway = match gateway {
                Some(IpAddr::V4(gateway)) => self.stand_ins.ipv4(gateway),
                _ => Ipv4Addr::UNSPECIFIED,
            };
            let hex = |address: Ipv4Addr| u32::from(address).swap_bytes();
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0).swap_bytes();
            out.push_str(&format!(
                "{}\t{:08X}\t{:08X}\t{flags:04X}\t0\t0\t{metric}\t{mask:08X}\t0\t0\t0\n",
                self.interface_or_none(interface),
                hex(self.stand_ins.ipv4(to)),
                hex(gateway),
            ));
        }
        out
    }

    pub(super) fn route6(&mut self, text: &[u8]) -> String {
        let mut out = String::new();
        for route in route::parse_ipv6(text) {
            let Ok(Route { interface, destination: IpAddr::V6(to), prefix, gateway, flags, metric }) = route
            else {
                out.push_str(BAD);
                continue;
            };
            let gateway = match gateway {
                Some(IpAddr::V6(gateway)) => self.stand_ins.ipv6(gateway),
                _ => Ipv6Addr::UNSPECIFIED,
            };
            let hex = |address: Ipv6Addr| format!("{:032x}", u128::from(address));
            out.push_str(&format!(
                "{} {prefix:02x} {} 00 {} {metric:08x} 00000000 00000000 {flags:08x} {:>8}\n",
                hex(self.stand_ins.ipv6(to)),
                "0".repeat(32),
                hex(gateway),
                self.interface_or_none(interface),
            ));
        }
        out
    }

    fn interface_or_none(&mut self, name: &str) -> String {
        if name == "*" { name.to_owned() } else { self.interface(name) }
    }

    /// A mount point, a directory inside a file system, a swap file.
    pub(super) fn place(&mut self, path: &str) -> String {
        if glob::any(MOUNT_POINTS, path) {
            path.to_owned()
        } else {
            self.stand_ins.get(Kind::MountPoint, path).to_owned()
        }
    }

    /// What is mounted.
    pub(super) fn source(&mut self, source: &str, fs_type: &str) -> String {
        if source.is_empty()
            || glob::any(PSEUDO_SOURCES, source)
            || (source == fs_type && known_file_system(source))
        {
            return source.to_owned();
        }
        if source.starts_with("/dev/") {
            return self.device(source);
        }
        if fs_type == "zfs" {
            return match source.split_once('/') {
                Some((pool, _)) => {
                    format!("{}/{}", self.replace(Kind::Pool, pool), self.replace(Kind::Pool, source))
                }
                None => self.replace(Kind::Pool, source),
            };
        }
        if let Some((host, share)) = source.strip_prefix("//").and_then(|rest| rest.split_once('/')) {
            return format!("//{}/{}", self.replace(Kind::Host, host), self.replace(Kind::Source, share));
        }
        if let Some((host, directory)) = source.split_once(":/") {
            return format!("{}:{}", self.replace(Kind::Host, host), self.place(&format!("/{directory}")));
        }
        self.replace(Kind::Source, source)
    }

    fn replace(&mut self, kind: Kind, value: &str) -> String {
        self.stand_ins.get(kind, value).to_owned()
    }

    /// A disk as people name it: `/dev/sda1`, `/dev/mapper/…`, `/dev/disk/by-…/…`,
    /// `UUID=…`, `LABEL=…`.
    pub(super) fn device(&mut self, text: &str) -> String {
        for key in ["UUID=", "PARTUUID="] {
            if let Some(value) = text.strip_prefix(key) {
                return format!("{key}{}", self.stand_ins.uuid(value.trim_matches('"')));
            }
        }
        for key in ["LABEL=", "PARTLABEL="] {
            if let Some(value) = text.strip_prefix(key) {
                return format!("{key}{}", self.replace(Kind::Label, value.trim_matches('"')));
            }
        }
        if let Some(value) = text.strip_prefix("ID=") {
            return format!("ID={}", self.replace(Kind::Serial, value));
        }
        let Some(name) = text.strip_prefix("/dev/") else { return self.replace(Kind::Source, text) };
        if glob::any(BLOCKS, name) || matches!(name, "root" | "nfs" | "fuse" | "ram") {
            return text.to_owned();
        }
        if let Some(name) = name.strip_prefix("mapper/") {
            return format!("/dev/mapper/{}", self.mapper(name));
        }
        if let Some((directory, value)) = name.strip_prefix("disk/").and_then(|rest| rest.split_once('/'))
            && directory.starts_with("by-")
            && !value.contains('/')
        {
            return format!("/dev/disk/{directory}/{}", self.disk_name(directory, value));
        }
        // /dev/GROUP/VOLUME and everything else.
        format!("/dev/{}", self.replace(Kind::Mapper, name))
    }
}

impl Redactor {
    /// A name in one of the directories of links below `/dev/disk`.
    pub(super) fn disk_name(&mut self, directory: &str, name: &str) -> String {
        match directory {
            "by-uuid" | "by-partuuid" => self.stand_ins.uuid(name),
            "by-label" | "by-partlabel" => self.replace(Kind::Label, &fstab::decode(name)),
            _ => self.replace(Kind::Serial, name),
        }
    }

    pub(super) fn fstab(&mut self, text: &[u8]) -> String {
        let mut out = String::new();
        for entry in fstab::parse(text) {
            let kind = if known_file_system(&entry.kind) || matches!(&*entry.kind, "swap" | "auto" | "none") {
                &*entry.kind
            } else {
                "unknown"
            };
            let mut options: Vec<String> = entry
                .options
                .split(',')
                .filter(|o| {
                    glob::any(MOUNT_OPTIONS, o) || matches!(*o, "defaults" | "noauto" | "nofail" | "sw")
                })
                .map(str::to_owned)
                .collect();
            options.extend(entry.devices().skip(1).map(|device| format!("device={}", self.device(device))));
            let what = match entry.what.starts_with("/dev/") || Name::parse(&entry.what).is_some() {
                true => self.device(&entry.what),
                false => self.source(&entry.what, kind),
            };
            let point = match &*entry.point {
                "none" | "swap" => entry.point.into_owned(),
                point => self.place(point),
            };
            let options = if options.is_empty() { "defaults".to_owned() } else { options.join(",") };
            out.push_str(&format!("{} {} {kind} {options} 0 0\n", escape(&what), escape(&point)));
        }
        out
    }

    pub(super) fn crypttab(&mut self, text: &[u8]) -> String {
        let mut out = String::new();
        for entry in fstab::parse_crypttab(text) {
            out.push_str(&format!(
                "{} {} none\n",
                self.mapper(&entry.name),
                escape(&self.device(&entry.device))
            ));
        }
        out
    }

    pub(super) fn sockets(&mut self, text: &[u8]) -> String {
        let mut out = String::from("  sl  local_address rem_address   st\n");
        let mut hex = |end: SocketAddr| {
            let address = match end.ip() {
                IpAddr::V4(address) => {
                    format!("{:08X}", u32::from(self.stand_ins.ipv4(address)).swap_bytes())
                }
                IpAddr::V6(address) => {
                    let bits = u128::from(self.stand_ins.ipv6(address));
                    let word = |nth: u32| ((bits >> (96 - 32 * nth)) as u32).swap_bytes();
                    (0..4).map(|nth| format!("{:08X}", word(nth))).collect()
                }
            };
            format!("{address}:{:04X}", end.port())
        };
        for (nth, socket) in tcp::parse(text).enumerate() {
            match socket {
                Ok(socket) if socket.is_established() || socket.is_listening() => out.push_str(&format!(
                    "{nth:4}: {} {} {:02X} 00000000:00000000 00:00000000 00000000 0 0 {}\n",
                    hex(socket.local),
                    hex(socket.peer),
                    socket.state,
                    socket.inode
                )),
                Ok(_) => {}
                Err(_) => out.push_str(BAD),
            }
        }
        out
    }

    pub(super) fn if_inet6(&mut self, text: &[u8]) -> String {
        let mut out = String::new();
        for local in tcp::parse_if_inet6(text).flatten() {
            let address = u128::from(self.stand_ins.ipv6(local.address));
            let interface = self.interface(local.interface);
            out.push_str(&format!("{address:032x} 00 {:02x} 00 00 {interface}\n", local.prefix));
        }
        out
    }

    pub(super) fn fib_trie(&mut self, text: &[u8]) -> String {
        let mut out = String::new();
        for address in tcp::local_ipv4(text) {
            out.push_str(&format!("|-- {}\n/32 host LOCAL\n", self.stand_ins.ipv4(address)));
        }
        out
    }

    pub(super) fn ssh_ports(text: &[u8]) -> String {
        process::ssh_ports(text).map(|port| format!("Port {port}\n")).collect()
    }

    pub(super) fn udev_record(text: &[u8]) -> String {
        match udev_db::property(text, "ID_FS_TYPE") {
            Some(kind)
                if kind.len() <= 24 && kind.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') =>
            {
                format!("E:ID_FS_TYPE={kind}\n")
            }
            _ => String::new(),
        }
    }

    pub(super) fn open_flags(text: &str) -> String {
        process::open_flags(text).map_or_else(String::new, |flags| format!("flags:\t0{flags:o}\n"))
    }

    pub(super) fn nvidia(text: &[u8]) -> String {
        process::nvidia_minor(text).map_or_else(String::new, |minor| format!("Device Minor: {minor}\n"))
    }
}

fn known_file_system(fs_type: &str) -> bool {
    let fuse = |name: &str| name.strip_prefix("fuse.").is_none_or(|sub| FUSES.contains(&sub));
    glob::any(FILE_SYSTEMS, fs_type) && fuse(fs_type)
}

/// The words of a list that are in the white list.
fn listed(words: &str, by: char, known: &[&str]) -> String {
    let kept: Vec<&str> = words.split(by).filter(|word| glob::any(known, word)).collect();
    kept.join(by.encode_utf8(&mut [0; 4]))
}
