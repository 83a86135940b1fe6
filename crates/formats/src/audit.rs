//! The log that auditd(8) keeps: while it runs, what security modules refuse is written there
//! and not to the kernel's log (`kernel/audit.c`, `kauditd_hold_skb`).

use crate::line::lines;

/// Where it is, if auditd's configuration does not say otherwise (auditd.conf(5)).
pub const PATH: &str = "/var/log/audit/audit.log";

/// What is written at each boot, by systemd-update-utmp(8); other init systems do not.
const BOOT: &[u8] = b"type=SYSTEM_BOOT";

/// How security modules begin what they say of a refusal (`security/apparmor/audit.c`,
/// `security/selinux/avc.c`).
const REFUSALS: [&[u8]; 2] = [b"apparmor=\"DENIED\"", b"avc:  denied"];

fn has(line: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(line, text).is_some()
}

/// Whether a line of it matters here: a refusal, or the mark of a boot.
#[must_use]
pub fn matters(line: &[u8]) -> bool {
    is_boot(line) || REFUSALS.iter().any(|text| has(line, text))
}

/// Whether a line begins a boot, also with the name of a machine before it (`node=h type=…`).
fn is_boot(line: &[u8]) -> bool {
    line.starts_with(BOOT)
        || (line.starts_with(b"node=") && line.split(|c| *c == b' ').nth(1).is_some_and(|w| w == BOOT))
}

/// The part that is about the last boot in it, and whether that begins with the boot: the file is
/// rotated, and may have begun later.
#[must_use]
pub fn last_boot(log: &[u8]) -> (&[u8], bool) {
    let mut rest = log;
    let mut begins = false;
    let mut at = 0;
    for line in log.split_inclusive(|c| *c == b'\n') {
        if is_boot(line.trim_ascii_end()) {
            (rest, begins) = (&log[at..], true);
        }
        at += line.len();
    }
    (rest, begins)
}

/// The refusals in it, each without what stands before the module's own words.
pub fn refusals(log: &[u8]) -> impl Iterator<Item = String> {
    lines(log).filter_map(|(_, line)| {
        let at = REFUSALS.iter().find_map(|text| memchr::memmem::find(line, text))?;
        Some(String::from_utf8_lossy(&line[at..]).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOG: &[u8] = b"type=AVC msg=audit(1616.1:2): avc:  denied  { read } for  pid=1 old\n\
        type=SYSTEM_BOOT msg=audit(1617.1:9): pid=622 uid=0 msg=' comm=\"systemd-update-utmp\"'\n\
        type=EXECVE msg=audit(1617.2:10): a0=\"type=SYSTEM_BOOT\"\n\
        type=AVC msg=audit(1617.3:11): apparmor=\"DENIED\" operation=\"open\" new\n";

    #[test]
    fn refusals_since_the_boot() {
        let (rest, begins) = last_boot(LOG);
        assert!(begins);
        assert_eq!(refusals(rest).collect::<Vec<_>>(), ["apparmor=\"DENIED\" operation=\"open\" new"]);
        assert_eq!(refusals(LOG).count(), 2);
        let named =
            b"node=h type=SYSTEM_BOOT msg=audit(1:1): x\nnode=h type=SYSTEM_RUNLEVEL msg=audit(1:2): x\n";
        assert!(last_boot(named).1);
        let rotated = b"type=AVC msg=audit(1:1): avc:  denied  { read } for x\n";
        assert_eq!(last_boot(rotated), (&rotated[..], false));
    }

    #[test]
    fn what_matters() {
        let kept: Vec<bool> = LOG.split(|c| *c == b'\n').map(matters).collect();
        assert_eq!(kept, [true, true, false, true, false]);
    }

    proptest! {
        #[test]
        fn nothing_panics(log in prop::collection::vec(prop_oneof![any::<u8>().prop_map(|c| vec![c]),
            Just(b"\ntype=SYSTEM_BOOT ".to_vec()), Just(b"avc:  denied".to_vec())], 0..100)) {
            let log = log.concat();
            let (rest, _) = last_boot(&log);
            prop_assert!(log.ends_with(rest));
            prop_assert!(refusals(&log).all(|text| !text.is_empty()));
        }
    }
}
