//! QEMU's `driver,name=value,…` arguments, in both spellings.
//!
//! Owns the syntax: commas (a doubled one is a comma in the value), the first word
//! that needs no name, and since QEMU 6.2 a JSON object. It must not know what any
//! property means.

use serde_json::Value;

/// The properties of one option, in the order of the line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Props(Vec<(String, String)>);

impl Props {
    /// Reads an argument; `first` is the name of the value that may stand first
    /// without one (`driver` for `-device`, `type` for `-machine`). JSON that is not
    /// an object, or not JSON, gives no properties: QEMU will refuse it itself.
    pub(super) fn parse(text: &str, first: &str) -> Self {
        if text.trim_start().starts_with('{') { Self::from_json(text) } else { Self::from_list(text, first) }
    }

    fn from_list(text: &str, first: &str) -> Self {
        let mut all = Vec::new();
        for (nth, piece) in split(text).into_iter().enumerate() {
            match piece.split_once('=') {
                Some((name, value)) => all.push((name.to_owned(), value.to_owned())),
                None if nth == 0 => all.push((first.to_owned(), piece)),
                None if piece.is_empty() => {}
                // `-device x,multifunction` means on; `nofoo` was once "foo off".
                None => all.push((piece, "on".to_owned())),
            }
        }
        Self(all)
    }

    fn from_json(text: &str) -> Self {
        let Ok(Value::Object(object)) = serde_json::from_str(text) else { return Self::default() };
        let value = |name: &str, value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(on) => Some(if *on { "on" } else { "off" }.to_owned()),
            // As a number an address is device and function in one (QEMU's
            // `set_pci_devfn`), as a text it is hexadecimal `device.function`.
            Value::Number(n) if name == "addr" => {
                n.as_u64().map(|devfn| format!("{:x}.{:x}", devfn >> 3, devfn & 7))
            }
            Value::Number(n) => Some(n.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        Self(object.iter().filter_map(|(name, v)| Some((name.clone(), value(name, v)?))).collect())
    }

    /// The last value of a property, which is the one QEMU uses.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// The argument with one property more, in its own spelling. It must not have it yet.
pub(super) fn with(text: &str, name: &str, value: &str) -> String {
    match serde_json::from_str(text) {
        Ok(Value::Object(mut object)) => {
            object.insert(name.to_owned(), value.into());
            Value::Object(object).to_string()
        }
        _ => format!("{},{name}={value}", text.trim_end_matches(',')),
    }
}

/// Splits at single commas; two commas stand for one in the text.
fn split(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == ',' && chars.next_if_eq(&',').is_none() {
            pieces.push(String::new());
        } else if let Some(last) = pieces.last_mut() {
            last.push(c);
        }
    }
    pieces
}

/// Reads QEMU's `addr=`: hexadecimal device, or `device.function`, each with or
/// without `0x`. `None` where QEMU picks the address itself, or would refuse.
pub(super) fn device_and_function(text: &str) -> Option<(u8, u8)> {
    let (device, function) = text.split_once('.').unwrap_or((text, "0"));
    let hex = |s: &str, max: u8| {
        let s = s.strip_prefix("0x").or_else(|| s.strip_prefix("0X")).unwrap_or(s);
        u8::from_str_radix(s, 16).ok().filter(|n| *n <= max)
    };
    Some((hex(device, 31)?, hex(function, 7)?))
}

/// Reads an unsigned number as QEMU's properties have it: decimal, `0x…` or octal.
pub(super) fn number(text: &str) -> Option<u32> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        u32::from_str_radix(hex, 16).ok()
    } else if text.len() > 1 && text.starts_with('0') {
        u32::from_str_radix(text, 8).ok()
    } else {
        text.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings() {
        for (text, name, wanted) in [
            ("vfio-pci,host=01:00.0,addr=0x5", "driver", Some("vfio-pci")),
            ("vfio-pci,host=01:00.0,addr=0x5", "host", Some("01:00.0")),
            ("host=01:00.0,driver=vfio-pci", "driver", Some("vfio-pci")),
            ("edu,addr=3,addr=4", "addr", Some("4")),
            ("edu,multifunction", "multifunction", Some("on")),
            ("x,file=a,,b,c=d", "file", Some("a,b")),
            ("x,file=a,,b,c=d", "c", Some("d")),
            ("edu,", "addr", None),
            ("", "driver", Some("")),
            (r#"{"driver":"vfio-pci","host":"0000:01:00.0"}"#, "host", Some("0000:01:00.0")),
            (r#"{"driver":"edu","addr":129,"multifunction":true}"#, "addr", Some("10.1")),
            (r#"{"driver":"edu","addr":"0x10.1"}"#, "addr", Some("0x10.1")),
            (r#"{"driver":"edu","multifunction":true}"#, "multifunction", Some("on")),
            (r#"{"driver":"#, "driver", None),
            ("{}", "driver", None),
        ] {
            assert_eq!(Props::parse(text, "driver").get(name), wanted, "{text} {name}");
        }
    }

    #[test]
    fn one_property_more() {
        for (text, wanted) in [
            ("iommufd,id=a", "iommufd,id=a,fd=7"),
            ("iommufd,id=a,", "iommufd,id=a,fd=7"),
            (r#"{"qom-type":"iommufd"}"#, r#"{"fd":"7","qom-type":"iommufd"}"#),
            (r#" {"id":"b","addr":129} "#, r#"{"addr":129,"fd":"7","id":"b"}"#),
        ] {
            assert_eq!(with(text, "fd", "7"), wanted, "{text}");
        }
    }

    #[test]
    fn addresses_and_numbers() {
        for (text, wanted) in [
            ("0x10", Some((16, 0))),
            ("10", Some((16, 0))),
            ("5.1", Some((5, 1))),
            ("0x1f.0x7", Some((31, 7))),
            ("20", None),
            ("1.8", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(device_and_function(text), wanted, "{text:?}");
        }
        assert_eq!(
            [number("16"), number("0x10"), number("020"), number("x")],
            [Some(16), Some(16), Some(16), None]
        );
    }
}
