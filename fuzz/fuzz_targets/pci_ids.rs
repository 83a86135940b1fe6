//! pci.ids: an excerpt gives the same names, and every wording can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passthru_formats::pci_ids::wording::{Style, Terse, class, device, prog_if, subsystem};
use passthru_formats::pci_ids::{Names, Selector, Wanted, excerpt};
use passthru_pci::{Class, Id};

fuzz_target!(|input: (u16, u16, u32, usize, &[u8])| {
    let (vendor, number, class_bits, cut, text) = input;
    let mut pairs = vec![(Id { vendor, device: number }, Id { vendor: number, device: vendor })];
    let known = |text: &str| text.parse::<Id>().unwrap();
    pairs.push((known("10de:1284"), known("1043:8469")));
    pairs.push((known("1af4:1041"), known("1af4:1100")));
    pairs.push((known("8086:1533"), known("8086:1533")));
    let classes = [class_bits, 0x03_0000, 0x01_0802, 0x01_018a].map(Class::new);
    let mut wanted = Wanted::new();
    pairs.iter().for_each(|(id, sub)| wanted.device(*id, Some(*sub)));
    classes.iter().for_each(|c| wanted.class(*c));

    let names = Names::select(text, &wanted);
    let small = excerpt(text, &wanted);
    assert_eq!(Names::select(small.as_bytes(), &wanted), names, "{small}");
    assert_eq!(excerpt(small.as_bytes(), &wanted), small);

    // In parts that end where lines end it is the same.
    let cut = cut % (text.len() + 1);
    let cut = text[..cut].iter().rposition(|c| *c == b'\n').map_or(0, |at| at + 1);
    let mut selector = Selector::new(&wanted);
    selector.part(&text[..cut]);
    selector.part(&text[cut..]);
    assert_eq!(selector.finish(), names);

    for style in [Style::Names, Style::Numbers, Style::Both] {
        for ((id, sub), c) in pairs.iter().zip(classes) {
            let terse = Terse {
                names: &names,
                slot: "00:00.0",
                class: c,
                id: *id,
                revision: Some(1),
                style,
                verbose: true,
            };
            let all = [
                class(&names, c, style).to_string(),
                device(&names, *id, style).to_string(),
                subsystem(&names, *id, *sub, style).to_string(),
            ];
            assert!(all.iter().all(|s| s.len() <= 255));
            let all = [all.concat(), prog_if(&names, c).to_string(), terse.to_string()].concat();
            assert!(!all.chars().any(char::is_control), "{all:?}");
        }
    }
});
