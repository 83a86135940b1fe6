//! The processor, and KVM on it.

use passthru_formats::cpuinfo;
use passthru_model::Fact;
use passthru_model::system::Processor;

use crate::ask::{Asker, means_absent};

pub(super) fn read(ask: &mut Asker<'_>) -> Processor {
    let mut processor = Processor {
        cpu: ask.bytes(None, "cpu", "/proc/cpuinfo", |text| cpuinfo::parse(text).map(Fact::Known)),
        kvm_node: match ask.source.stat("/dev/kvm") {
            Ok(stat) => Fact::Known(stat.mode & 0o777),
            Err(error) => ask.failed(None, "kvm", "/dev/kvm", error),
        },
        kvm: there(ask, "/sys/module/kvm"),
        ..Processor::default()
    };
    for (name, second_level) in [("kvm_intel", "ept"), ("kvm_amd", "npt")] {
        let directory = format!("/sys/module/{name}");
        match there(ask, &directory) {
            Fact::Known(()) => processor.kvm_vendor = Fact::Known(name),
            Fact::Unreadable(error) => {
                processor.kvm_vendor = Fact::Unreadable(error);
                continue;
            }
            _ => {
                if processor.kvm_vendor == Fact::NotRead {
                    processor.kvm_vendor = Fact::Absent;
                }
                continue;
            }
        }
        let path = format!("{directory}/parameters/{second_level}");
        processor.second_level =
            ask.text(None, "kvm", &path, |text| passthru_formats::scalar::switch(text).map(Fact::Known));
        break;
    }
    processor
}

fn there(ask: &mut Asker<'_>, path: &str) -> Fact<()> {
    match ask.source.stat(path) {
        Ok(_) => Fact::Known(()),
        Err(error) if means_absent(error) => Fact::Absent,
        Err(error) => ask.failed(None, "kvm", path, error),
    }
}
