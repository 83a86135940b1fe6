//! Patterns of the white list: `*`, `**`, `#`, `%`, `@` (see [`super::table`]).

/// Whether a text is of one of the forms.
pub(super) fn any(patterns: &[&str], text: &str) -> bool {
    patterns.iter().any(|p| fits(p, text))
}

/// Whether a text is of the form.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    matches(pattern.as_bytes(), text.as_bytes())
}

/// Whether a pattern stands for more than itself.
pub(super) fn is_open(pattern: &str) -> bool {
    pattern.contains(['*', '#', '%', '@'])
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let same =
        pattern.iter().zip(text).take_while(|(p, t)| p == t && !matches!(p, b'*' | b'#' | b'%' | b'@'));
    let same = same.count();
    let (pattern, text) = (&pattern[same..], &text[same..]);
    let run = |of: fn(&u8) -> bool, most: usize| text.iter().take(most + 1).take_while(|c| of(c)).count();
    let after = |count: usize, most| count > 0 && count <= most && matches(&pattern[1..], &text[count..]);
    match pattern {
        [] => text.is_empty(),
        [b'*', b'*', ..] => true,
        [b'*', ..] => {
            let most = memchr::memchr(b'/', text).unwrap_or(text.len());
            (1..=most).any(|n| matches(&pattern[1..], &text[n..]))
        }
        [b'#', ..] => after(run(u8::is_ascii_digit, 10), 10),
        [b'%', ..] => after(run(u8::is_ascii_hexdigit, 8), 8),
        [b'@', ..] => after(run(u8::is_ascii_lowercase, 3), 3),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (pattern, yes, no) in [
            ("/a/*/b", vec!["/a/x/b", "/a/x:y/b"], vec!["/a//b", "/a/x/y/b", "/a/x/b/", "/a/x"]),
            ("/sys/**", vec!["/sys/a", "/sys/a/b"], vec!["/sysx"]),
            ("eth#", vec!["eth0", "eth12"], vec!["eth", "eth0x", "ethx", "eth12345678901"]),
            ("%:%:%.#", vec!["0000:01:00.0", "10000:e1:00.0"], vec!["0000:01:00", "00:11:22:33:44:55"]),
            ("sd@", vec!["sda", "sdaa"], vec!["sd", "sda1", "sdabcd", "sdA"]),
            ("enp#s#f#np#", vec!["enp1s0f0np0"], vec!["enp1s0f0"]),
            ("*-#", vec!["a-1", "a-b-2"], vec!["-1", "a-"]),
            ("", vec![""], vec!["a"]),
        ] {
            assert!(yes.iter().all(|t| fits(pattern, t)), "{pattern}");
            assert!(!no.iter().any(|t| fits(pattern, t)), "{pattern}");
        }
    }
}
