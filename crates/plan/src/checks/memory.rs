//! Memory for guests: the limit of locked memory, hugepages.

use passthru_model::{Fact, Finding, Remedy, Severity, Verdict, When};

use super::{Ask, Check, Host, Subject, evidence, not_known};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// `CAP_IPC_LOCK` and `CAP_SYS_RESOURCE` (`include/uapi/linux/capability.h`): to lock beyond
/// the limit, and to raise it.
const IPC_LOCK: u32 = 14;
const SYS_RESOURCE: u32 = 24;

/// What QEMU's smallest ordinary guest and its firmware take: the default of `-m`, 128 MiB, and
/// what `run` adds to a guest's memory, 1 GiB.
const SMALLEST: u64 = GIB + 128 * MIB;
/// What a process may lock where nobody set anything, since Linux 5.16
/// (`include/uapi/linux/resource.h`, `MLOCK_LIMIT`); 64 KiB before.
const DEFAULT: u64 = 8 << 20;

const LIMITS: &str = "/proc/self/limits";

fn locked_memory(host: &Host<'_>) -> Verdict {
    let memory = &host.snapshot.system.memory;
    let limit = match &memory.locked {
        Fact::Known(limit) => limit,
        fact => return not_known(fact, LIMITS),
    };
    let able = |bit: u32| memory.capabilities.known().is_some_and(|bits| bits >> bit & 1 == 1);
    if able(IPC_LOCK) {
        return Verdict::Pass(
            "the limit does not hold for whoever has CAP_IPC_LOCK, as root has; `passthru run` and libvirt raise \
             it for the machines of others"
                .into(),
        );
    }
    if able(SYS_RESOURCE) {
        return Verdict::Pass(
            "whoever has CAP_SYS_RESOURCE can raise the limit, and `passthru run` does".into(),
        );
    }
    let Some(hard) = limit.hard else {
        return Verdict::Pass("it is not limited".into());
    };
    let most = hard.saturating_sub(GIB);
    if memory.total.known().is_some_and(|total| most >= *total / 2) {
        return Verdict::Pass(format!("guests of up to {} with lent devices fit in", size(most)));
    }
    let summary = if hard < SMALLEST {
        format!("you may lock {} of memory, which is too little for any guest", size(hard))
    } else {
        format!("you may lock {} of memory: enough for guests of {}", size(hard), size(most))
    };
    Finding {
        // `run` and libvirt's system daemon raise the limit for their machines: it hinders only
        // who starts QEMU by hand. Everybody has the kernel's default; who has less was given it.
        severity: if hard < DEFAULT { Severity::Warning } else { Severity::Note },
        summary,
        evidence: evidence(LIMITS, format!("Max locked memory: {}, at most {hard} bytes", shown(limit.soft))),
        consequence: "All memory of a guest with a lent device is locked: with more than that, a QEMU you start by hand \
                      ends with `VFIO_MAP_DMA failed: Cannot allocate memory`; `sudo passthru run` and libvirt's \
                      system daemon raise the limit for theirs."
            .into(),
        remedy: Remedy::new(
            When::Now,
            "Start the machine by `sudo passthru run` or libvirt's system daemon; or raise your limit \
             (`@kvm - memlock unlimited` in /etc/security/limits.d, LimitMEMLOCK= for a service) and log in again",
        ),
    }
    .into()
}

fn shown(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".into(), |bytes| bytes.to_string())
}

/// A size in the largest unit that leaves nothing over, for people.
fn size(bytes: u64) -> String {
    match bytes {
        b if b >= GIB => format!("{} GiB", b / GIB),
        b if b >= MIB => format!("{} MiB", b / MIB),
        b => format!("{} KiB", b >> 10),
    }
}

fn hugepages(host: &Host<'_>) -> Verdict {
    const PLACE: &str = "/proc/meminfo";
    let memory = &host.snapshot.system.memory;
    let pages = match &memory.hugepages {
        Fact::Known(pages) => pages,
        Fact::Absent => return Verdict::NotApplicable("this kernel has no hugepages".into()),
        fact => return not_known(fact, PLACE),
    };
    if pages.total == 0 {
        return Verdict::Pass(
            "none are set aside: guests use ordinary memory, which lending does not mind".into(),
        );
    }
    let all = pages.total.saturating_mul(pages.size);
    let (summary, consequence, todo) = if pages.free == 0 {
        (
            format!("all {} hugepages are in use", pages.total),
            "A guest whose memory is to come from them does not start: `unable to map backing store for guest RAM: \
             Cannot allocate memory`.",
            "Set more aside (`sysctl vm.nr_hugepages`), best at boot, before memory is in pieces",
        )
    } else if memory.total.known().is_some_and(|total| all > total / 10 * 9) {
        (
            format!("{} of memory are set aside as hugepages, nearly all there is", size(all)),
            "What is set aside nobody else can use: guests with ordinary memory, and the host, get too little.",
            "Set fewer aside (`sysctl vm.nr_hugepages`)",
        )
    } else {
        return Verdict::Pass(format!("{} of {} are free", pages.free, pages.total));
    };
    Finding {
        severity: Severity::Note,
        summary,
        evidence: evidence(
            PLACE,
            format!("HugePages_Total: {}, HugePages_Free: {}", pages.total, pages.free),
        ),
        consequence: consequence.into(),
        remedy: Remedy::new(When::Now, todo),
    }
    .into()
}

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "locked-memory",
        title: "too little memory may be locked",
        severity: Severity::Warning,
        subject: Subject::Memory,
        after: &[],
        about: "A device writes to the guest's memory whenever it likes, so all of it stays where it is: VFIO locks it \
                page by page, and counts that against the limit of locked memory (RLIMIT_MEMLOCK) of the process. Too \
                low a limit shows as `VFIO_MAP_DMA failed: Cannot allocate memory`, `vfio_dma_map(0x…, 0x0, 0x80000000, \
                0x…) = -12 (Cannot allocate memory)`, since QEMU 9.0 `vfio_container_dma_map(…) = -12 (Cannot allocate \
                memory)`, and in the kernel's log `vfio_pin_pages_remote: RLIMIT_MEMLOCK (65536) exceeded`.\n\n\
                Needed is the guest's memory (maxmem counts) and about 1 GiB; with an IOMMU in the guest, once for each \
                device. Whoever has CAP_IPC_LOCK, as root has, is exempt. libvirt's system daemon and `passthru run` \
                (also with --user) raise the limit for the machine; libvirt's session daemon cannot (`cannot limit locked \
                memory`), and a QEMU started by hand has yours.\n\n\
                The trap: `ulimit -l` counts in KiB, limits.conf too, LimitMEMLOCK= in bytes; and a new limit holds from \
                the next login on.",
        sources: &[
            "drivers/vfio/vfio_iommu_type1.c, vfio_pin_pages_remote and vfio_lock_acct",
            "getrlimit(2), capabilities(7), limits.conf(5)",
            "libvirt, src/qemu/qemu_domain.c, qemuDomainGetMemLockLimitBytes",
        ],
        ask: Ask::Host(locked_memory),
    },
    Check {
        id: "hugepages",
        title: "hugepages are used up, or take too much",
        severity: Severity::Note,
        subject: Subject::Memory,
        after: &[],
        about: "Hugepages are memory set aside in large pieces. Lending does not need them; they spare the IOMMU and the \
                processor work. A guest that asks for them (`-mem-path`, `<hugepages/>`) and does not get enough ends with \
                `unable to map backing store for guest RAM: Cannot allocate memory`, `can't open backing store /dev/hugepages \
                for guest RAM: No such file or directory` where nothing is mounted there, or `cannot set up guest memory \
                'pc.ram': Cannot allocate memory`.\n\n\
                They are set aside by `sysctl vm.nr_hugepages` or at boot by `hugepages=`; the later, the fewer pieces are \
                left that large.",
        sources: &["Documentation/admin-guide/mm/hugetlbpage.rst", "proc_meminfo(5)"],
        ask: Ask::Host(hugepages),
    },
];

#[cfg(test)]
mod tests {
    use passthru_model::system::{HugePages, LockedLimit, Memory};

    use super::super::testing::{host_with, verdict};
    use super::*;

    fn memory(hard: Option<u64>, capabilities: u64, pages: (u64, u64)) -> Memory {
        Memory {
            total: Fact::Known(16 * GIB),
            hugepages: Fact::Known(HugePages { size: 2 * MIB, total: pages.0, free: pages.1 }),
            locked: Fact::Known(LockedLimit { soft: Some(8 * MIB), hard }),
            capabilities: Fact::Known(capabilities),
        }
    }

    #[test]
    fn limits() {
        for (hard, capabilities, wanted) in [
            (None, 0, "pass"),
            (Some(8 * MIB), 0, "you may lock 8 MiB of memory, which is too little for any guest"),
            (Some(3 * GIB), 0, "you may lock 3 GiB of memory: enough for guests of 2 GiB"),
            (Some(9 * GIB), 0, "pass"),
            (Some(8 * MIB), 1 << IPC_LOCK, "pass"),
            (Some(8 * MIB), 1 << SYS_RESOURCE, "pass"),
        ] {
            let memory = memory(hard, capabilities, (0, 0));
            let host = host_with(|system| system.memory = memory.clone());
            assert_eq!(verdict(&host, "locked-memory"), wanted, "{hard:?} {capabilities}");
            let records = passthru_model::Records::default();
            let said = locked_memory(&Host::new(&host, &records));
            assert!(said.findings().iter().all(|f| f.severity == Severity::Note), "{said:?}");
        }
        assert_eq!(verdict(&host_with(|_| {}), "locked-memory"), "could not look at /proc/self/limits");
    }

    #[test]
    fn pages() {
        for (pages, wanted) in [
            ((0, 0), "pass"),
            ((512, 100), "pass"),
            ((512, 0), "all 512 hugepages are in use"),
            ((7900, 10), "15 GiB of memory are set aside as hugepages, nearly all there is"),
        ] {
            let memory = memory(None, 0, pages);
            let host = host_with(|system| system.memory = memory.clone());
            assert_eq!(verdict(&host, "hugepages"), wanted, "{pages:?}");
        }
        assert_eq!(verdict(&host_with(|_| {}), "hugepages"), "could not look at /proc/meminfo");
        let none = host_with(|system| system.memory.hugepages = Fact::Absent);
        assert_eq!(verdict(&none, "hugepages"), "not applicable");
    }
}
