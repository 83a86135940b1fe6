//! libvirt's configuration files (`src/util/virconf.c`): `key = value` with numbers, strings in
//! either quotes, and lists of strings over several lines; `#` begins a comment.

/// The list of strings a key is set to, the last time it is; `None` where it is not set, or to
/// something else. A string alone counts as a list of one.
#[must_use]
pub fn list(text: &str, key: &str) -> Option<Vec<String>> {
    let mut found = None;
    let mut rest = text;
    while !rest.is_empty() {
        let (line, next) = rest.split_once('\n').unwrap_or((rest, ""));
        let set = line.trim_start().strip_prefix(key).map(str::trim_start).and_then(|r| r.strip_prefix('='));
        rest = match set {
            // A list goes on below its line.
            Some(value) => {
                let start = text.len() - rest.len() + (line.len() - value.len());
                let (values, end) = values(&text[start..])?;
                found = Some(values);
                text.get(start + end..).unwrap_or("")
            }
            None => next,
        };
    }
    found
}

/// The strings of a value, and where it ends; `None` where it is not of the form.
fn values(text: &str) -> Option<(Vec<String>, usize)> {
    let mut values = Vec::new();
    let mut chars = text.char_indices();
    let mut in_list = false;
    while let Some((at, c)) = chars.next() {
        match c {
            '[' if !in_list => in_list = true,
            ']' if in_list => return Some((values, at + 1)),
            '"' | '\'' => {
                let string: String = chars.by_ref().map(|(_, c)| c).take_while(|d| *d != c).collect();
                values.push(string);
                if !in_list {
                    let end = chars.next().map_or(text.len(), |(at, _)| at);
                    return Some((values, end));
                }
            }
            '#' if in_list => while chars.next().is_some_and(|(_, c)| c != '\n') {},
            c if c.is_whitespace() && (in_list || c != '\n') => {}
            ',' if in_list => {}
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists() {
        // As libvirt's own file has it, with the comments taken away.
        let text = "# comment\nuser = \"root\"\n#cgroup_device_acl = [ \"/dev/no\" ]\n\
            cgroup_device_acl = [\n    \"/dev/null\", '/dev/full', # why\n    \"/dev/vfio/vfio\"\n]\nnext = 1\n";
        assert_eq!(
            list(text, "cgroup_device_acl"),
            Some(vec!["/dev/null".to_owned(), "/dev/full".into(), "/dev/vfio/vfio".into()])
        );
        assert_eq!(list(text, "user"), Some(vec!["root".to_owned()]));
        for none in ["next", "group", "cgroup_device"] {
            assert_eq!(list(text, none), None, "{none}");
        }
        assert_eq!(list("a = []", "a"), Some(vec![]));
        assert_eq!(list("a = [ \"x\"", "a"), None);
        assert_eq!(list("a = \"1\"\na=\"2\"", "a"), Some(vec!["2".to_owned()]));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(a =|\\[|\\]|\"|'|#|,|\n|é| |x){0,40}") {
            let _ = list(&text, "a");
        }
    }
}
