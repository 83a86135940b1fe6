//! The kernel command line, taken apart as the kernel does it.
//!
//! The rules are those of `lib/cmdline.c` (`next_arg`) and `kernel/params.c`
//! (`parse_args`): blanks separate, double quotes protect blanks and may stand
//! around a whole parameter or around its value, there is no escape character, and
//! everything after `--` belongs to process 1.

/// One parameter, pointing into the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// What stands before the first `=`, quotes taken off.
    pub key: &'a str,
    /// What stands after it, quotes taken off; `None` without `=`.
    pub value: Option<&'a str>,
    /// As it was written, quotes included.
    pub raw: &'a str,
    /// Whether it stands after `--` and is for process 1.
    pub for_init: bool,
}

impl Parameter<'_> {
    /// Whether this is the parameter of that name; the kernel makes no difference
    /// between `-` and `_` in names (`kernel/params.c`, `parameq`).
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        let same = |a: u8, b: u8| a == b || (matches!(a, b'-' | b'_') && matches!(b, b'-' | b'_'));
        !self.for_init
            && self.key.len() == name.len()
            && self.key.bytes().zip(name.bytes()).all(|(a, b)| same(a, b))
    }

    /// The parts of a value separated by commas: `intel_iommu=on,sm_on`.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.value.into_iter().flat_map(|v| v.split(','))
    }
}

/// The parameters in their order; `--` itself is left out.
pub fn parse(text: &str) -> impl Iterator<Item = Parameter<'_>> {
    let mut rest = text.trim_start_matches(is_space);
    let mut for_init = false;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let (parameter, next) = next_parameter(rest, for_init);
            rest = next;
            if !for_init && parameter.value.is_none() && parameter.key == "--" {
                for_init = true;
                continue;
            }
            return Some(parameter);
        }
    })
}

/// The last value of a parameter, which is the one most of the kernel goes by;
/// `Some("")` where it stands without `=`.
#[must_use]
pub fn last_value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    parse(text).filter(|p| p.is(name)).last().map(|p| p.value.unwrap_or(""))
}

/// The kernel's `isspace`, but for byte 0xa0: in UTF-8 text that is the inside of a
/// character.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

fn next_parameter(text: &str, for_init: bool) -> (Parameter<'_>, &str) {
    let (quoted, body) = match text.strip_prefix('"') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let mut in_quote = quoted;
    let mut equals = None;
    let mut end = body.len();
    for (i, c) in body.char_indices() {
        if is_space(c) && !in_quote {
            end = i;
            break;
        }
        // As in the kernel, an '=' in first place is part of the name.
        if equals.is_none() && c == '=' && i > 0 {
            equals = Some(i);
        }
        if c == '"' {
            in_quote = !in_quote;
        }
    }
    let raw = &text[..end + usize::from(quoted)];
    let rest = body[end..].trim_start_matches(is_space);
    let body = &body[..end];
    let trim = |s, when| if when { str::strip_suffix(s, '"').unwrap_or(s) } else { s };
    let parameter = match equals {
        None => Parameter { key: trim(body, quoted), value: None, raw, for_init },
        Some(i) => {
            let value = &body[i + 1..];
            let inner = value.strip_prefix('"');
            let value = trim(inner.unwrap_or(value), quoted || inner.is_some());
            Parameter { key: &body[..i], value: Some(value), raw, for_init }
        }
    };
    (parameter, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(&str, Option<&str>)> {
        parse(text).map(|p| (p.key, p.value)).collect()
    }

    #[test]
    fn a_debian_machine() {
        let text = "BOOT_IMAGE=/boot/vmlinuz-6.12.57+deb13-amd64 root=UUID=4d5b ro quiet intel_iommu=on iommu=pt vfio-pci.ids=10de:1284,10de:0e0f\n";
        let all = pairs(text);
        assert_eq!(all.len(), 7);
        assert_eq!(all[1], ("root", Some("UUID=4d5b")));
        assert_eq!(all[2], ("ro", None));
        assert_eq!(last_value(text, "vfio_pci.ids"), Some("10de:1284,10de:0e0f"));
        assert_eq!(last_value(text, "quiet"), Some(""));
        assert_eq!(last_value(text, "nomodeset"), None);
        let ids = parse(text).find(|p| p.is("vfio-pci.ids")).unwrap();
        assert_eq!(ids.parts().collect::<Vec<_>>(), ["10de:1284", "10de:0e0f"]);
    }

    #[test]
    fn quotes_as_the_kernel_reads_them() {
        for (text, key, value) in [
            (r#"a="b c""#, "a", Some("b c")),
            (r#""a=b c""#, "a", Some("b c")),
            (r#""a b""#, "a b", None),
            (r#"a=b" c "d"#, "a", Some(r#"b" c "d"#)),
            (r#"a="b"c"#, "a", Some(r#"b"c"#)),
            (r#"a=""#, "a", Some("")),
            (r#"a="""#, "a", Some("")),
            (r#""a="b"""#, "a", Some(r#"b""#)),
            ("a=", "a", Some("")),
            ("=a", "=a", None),
            ("=a=b", "=a", Some("b")),
            ("a==b", "a", Some("=b")),
            (r#"""#, "", None),
            (r#""""#, "", None),
            (r#"a=b""#, "a", Some(r#"b""#)),
            (r#"dyndbg="file drivers/usb/* +p""#, "dyndbg", Some("file drivers/usb/* +p")),
        ] {
            assert_eq!(pairs(text), [(key, value)], "{text}");
            assert_eq!(parse(text).next().unwrap().raw, text);
        }
        // An open quote runs to the end.
        assert_eq!(pairs("a=\"b c d=e"), [("a", Some("b c d=e"))]);
    }

    #[test]
    fn what_is_for_process_one() {
        let all: Vec<_> = parse("  quiet\t--  single iommu=off").collect();
        assert_eq!(
            all.iter().map(|p| (p.raw, p.for_init)).collect::<Vec<_>>(),
            [("quiet", false), ("single", true), ("iommu=off", true)]
        );
        assert_eq!(last_value("iommu=pt -- iommu=off", "iommu"), Some("pt"));
        assert_eq!(pairs(""), []);
        assert_eq!(pairs(" \n"), []);
        assert_eq!(pairs("--a"), [("--a", None)]);
    }

    proptest::proptest! {
        #[test]
        fn the_raw_texts_joined_parse_the_same(text in "[a=\" -]{0,24}") {
            let all: Vec<_> = parse(&text).collect();
            let joined = all.iter().filter(|p| !p.for_init).map(|p| p.raw).collect::<Vec<_>>().join(" ");
            let again: Vec<_> = parse(&joined).map(|p| (p.key.to_owned(), p.value.map(str::to_owned))).collect();
            let before: Vec<_> = all.iter().filter(|p| !p.for_init)
                .map(|p| (p.key.to_owned(), p.value.map(str::to_owned))).collect();
            proptest::prop_assert_eq!(again, before);
        }
    }
}
