//! The sentences lspci makes of names and numbers (pciutils 3.9: `lib/names.c`,
//! `lspci.c`), unknown ids included. `tests/lspci.rs` compares them with the real
//! program over every line of the system's `pci.ids`.

use std::fmt;

use passthru_pci::{Class, Id};

use super::Names;

/// What lspci was asked to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Names, numbers only where there is no name.
    #[default]
    Names,
    /// `-n`: numbers only.
    Numbers,
    /// `-nn`: names, followed by the numbers in brackets.
    Both,
}

/// Longest text pciutils makes, in bytes: its buffers have 256.
const LONGEST: usize = 255;

/// The pieces of one text, put together only when it is printed.
#[derive(Debug, Clone, Copy)]
struct Text<'a> {
    /// Name, or what stands for it.
    first: &'a str,
    second: Option<&'a str>,
    number: Number,
    bracket: bool,
}

#[derive(Debug, Clone, Copy)]
enum Number {
    None,
    Half(u16),
    Pair(Id),
}

impl Text<'_> {
    const fn number(number: Number) -> Self {
        Text { first: "", second: None, number, bracket: false }
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        out.write_str(self.first)?;
        if let Some(second) = self.second {
            write!(out, " {second}")?;
        }
        let (open, close) = match (self.bracket, self.first.is_empty()) {
            (true, _) => (" [", "]"),
            (false, false) => (" ", ""),
            (false, true) => ("", ""),
        };
        match self.number {
            Number::None => Ok(()),
            Number::Half(n) => write!(out, "{open}{n:04x}{close}"),
            Number::Pair(id) => write!(out, "{open}{id}{close}"),
        }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // " [1234:5678]" and a blank are the most that is added to the two names.
        if self.first.len() + self.second.map_or(0, str::len) + 13 <= LONGEST {
            return self.write(f);
        }
        let mut text = String::new();
        self.write(&mut text)?;
        if text.len() > LONGEST {
            let cut = (0..=LONGEST - 3).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
            text.truncate(cut);
            text.push_str("...");
        }
        f.write_str(&text)
    }
}

/// The class as lspci shows it: `VGA compatible controller`, `0300`,
/// `VGA compatible controller [0300]`; where only the base class is known the number
/// is always there (`Display controller [0390]`), else it is `Class 5000`.
#[must_use]
pub fn class(names: &Names, class: Class, style: Style) -> impl fmt::Display + '_ {
    let number = Number::Half(class.code());
    match (style, names.subclass(class), names.base_class(class)) {
        (Style::Numbers, ..) => Text::number(number),
        (Style::Names, Some(name), _) => {
            Text { first: name, second: None, number: Number::None, bracket: false }
        }
        (Style::Both, Some(name), _) | (_, None, Some(name)) => {
            Text { first: name, second: None, number, bracket: true }
        }
        (_, None, None) => Text { first: "Class", second: None, number, bracket: style == Style::Both },
    }
}

/// Vendor and device as lspci shows them: `Red Hat, Inc. Virtio 1.0 network device`,
/// `Red Hat, Inc. Device 000e`, `Device 1234:11e8`; `1af4:1041`; names with
/// `[1af4:1041]` behind them.
#[must_use]
pub fn device(names: &Names, id: Id, style: Style) -> impl fmt::Display + '_ {
    pair(names.vendor(id.vendor), names.device(id), id, style)
}

/// Whether lspci shows a line `Subsystem:`.
#[must_use]
pub const fn has_subsystem(subsystem: Id) -> bool {
    subsystem.vendor != 0 && subsystem.vendor != 0xffff
}

/// The text behind `Subsystem:` in `lspci -v` and `-k`; there is such a line only
/// where [`has_subsystem`] says so.
#[must_use]
pub fn subsystem(names: &Names, id: Id, subsystem: Id, style: Style) -> impl fmt::Display + '_ {
    pair(names.vendor(subsystem.vendor), names.subsystem(id, subsystem), subsystem, style)
}

fn pair<'a>(vendor: Option<&'a str>, device: Option<&'a str>, id: Id, style: Style) -> Text<'a> {
    let both = style == Style::Both;
    let number = Number::Pair(id);
    match (vendor, device) {
        _ if style == Style::Numbers => Text::number(number),
        (Some(v), Some(d)) => Text {
            first: v,
            second: Some(d),
            number: if both { number } else { Number::None },
            bracket: both,
        },
        (None, _) => Text { first: "Device", second: None, number, bracket: both },
        (Some(v), None) => Text {
            first: v,
            second: Some("Device"),
            number: if both { number } else { Number::Half(id.device) },
            bracket: both,
        },
    }
}

/// One line of lspci, without `-v`: `01:00.0 VGA compatible controller: …`.
#[derive(Debug, Clone, Copy)]
pub struct Terse<'a> {
    /// The names.
    pub names: &'a Names,
    /// The address as it is to be shown. lspci leaves the domain out where all
    /// domains of the host are 0, unless it is given `-D`.
    pub slot: &'a str,
    /// The class.
    pub class: Class,
    /// Vendor and device.
    pub id: Id,
    /// Revision; shown only where it is known and not 0.
    pub revision: Option<u8>,
    /// Whether `-n` or `-nn` was given.
    pub style: Style,
    /// Whether `-v` was given: the programming interface is shown too.
    pub verbose: bool,
}

impl fmt::Display for Terse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = class(self.names, self.class, self.style);
        write!(f, "{} {class}: {}", self.slot, device(self.names, self.id, self.style))?;
        if let Some(revision @ 1..) = self.revision {
            write!(f, " (rev {revision:02x})")?;
        }
        if self.verbose { write!(f, "{}", prog_if(self.names, self.class)) } else { Ok(()) }
    }
}

/// What `lspci -v` adds for the programming interface: ` (prog-if 02 [NVM Express])`,
/// or nothing where it is 0 and has no name. It is the same with `-n` and `-nn`.
#[must_use]
pub fn prog_if(names: &Names, class: Class) -> impl fmt::Display + '_ {
    struct ProgIf<'a>(Option<&'a str>, Class);
    impl fmt::Display for ProgIf<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let number = self.1.prog_if();
            // Bits of IDE controllers, where the list has no name of its own.
            let is_ide = self.1.code() == 0x0101 && number & 0x70 == 0;
            match self.0 {
                Some(name) => write!(f, " (prog-if {number:02x} [{name}])"),
                None if is_ide => {
                    write!(f, " (prog-if {number:02x} [")?;
                    let bits =
                        [(0x80, "Master"), (0x08, "SecP"), (0x04, "SecO"), (0x02, "PriP"), (0x01, "PriO")];
                    let set = bits.iter().filter(|(bit, _)| number & bit != 0);
                    for (i, (_, word)) in set.enumerate() {
                        write!(f, "{}{word}", if i > 0 { " " } else { "" })?;
                    }
                    f.write_str("])")
                }
                None if number != 0 => write!(f, " (prog-if {number:02x})"),
                None => Ok(()),
            }
        }
    }
    ProgIf(names.prog_if(class), class)
}

#[cfg(test)]
mod tests {
    use super::super::Wanted;
    use super::*;

    /// The texts of all three styles.
    fn texts<T: fmt::Display>(text: impl Fn(Style) -> T) -> [String; 3] {
        [Style::Names, Style::Numbers, Style::Both].map(|s| text(s).to_string())
    }

    fn names() -> Names {
        let file = b"1af4  Red Hat, Inc.\n\t1041  Virtio 1.0 network device\nC 03  Display controller\n\
            \t00  VGA compatible controller\nC 01  Mass storage controller\n\t01  IDE interface\n\
            \t08  Non-Volatile memory controller\n\t\t02  NVM Express\n";
        let mut wanted = Wanted::new();
        for device in [0x1041, 0x000e] {
            wanted.device(Id { vendor: 0x1af4, device }, None);
        }
        for class in [0x03_0000, 0x03_9000, 0x01_0180, 0x01_0802] {
            wanted.class(Class::new(class));
        }
        Names::select(file, &wanted)
    }

    #[test]
    fn classes() {
        let names = names();
        let of = |bits| texts(|style| class(&names, Class::new(bits), style));
        assert_eq!(of(0x03_0000), ["VGA compatible controller", "0300", "VGA compatible controller [0300]"]);
        assert_eq!(of(0x03_9000), ["Display controller [0390]", "0390", "Display controller [0390]"]);
        assert_eq!(of(0x50_0000), ["Class 5000", "5000", "Class [5000]"]);
    }

    #[test]
    fn devices() {
        let names = names();
        let of = |id: &str| texts(|style| device(&names, id.parse().unwrap(), style));
        assert_eq!(
            of("1af4:1041"),
            [
                "Red Hat, Inc. Virtio 1.0 network device",
                "1af4:1041",
                "Red Hat, Inc. Virtio 1.0 network device [1af4:1041]"
            ]
        );
        assert_eq!(
            of("1af4:000e"),
            ["Red Hat, Inc. Device 000e", "1af4:000e", "Red Hat, Inc. Device [1af4:000e]"]
        );
        assert_eq!(of("1234:11e8"), ["Device 1234:11e8", "1234:11e8", "Device [1234:11e8]"]);
    }

    #[test]
    fn whole_lines() {
        let names = names();
        let line = |bits, revision, verbose| {
            Terse {
                names: &names,
                slot: "00:04.0",
                class: Class::new(bits),
                id: Id { vendor: 0x1b36, device: 0x10 },
                revision,
                style: Style::Both,
                verbose,
            }
            .to_string()
        };
        assert_eq!(
            line(0x01_0802, Some(2), true),
            "00:04.0 Non-Volatile memory controller [0108]: Device [1b36:0010] (rev 02) (prog-if 02 [NVM Express])"
        );
        assert_eq!(
            line(0x03_0000, Some(0), true),
            "00:04.0 VGA compatible controller [0300]: Device [1b36:0010]"
        );
        assert!(line(0x03_0001, None, true).ends_with("[1b36:0010] (prog-if 01)"));
        assert!(line(0x01_0180, Some(1), true).ends_with("(rev 01) (prog-if 80 [Master])"));
        assert!(line(0x01_018a, None, true).ends_with("(prog-if 8a [Master SecP PriP])"));
        assert!(line(0x01_0100, None, true).ends_with("(prog-if 00 [])"));
        assert!(line(0x01_0180, None, false).ends_with("[1b36:0010]"));
    }
}
