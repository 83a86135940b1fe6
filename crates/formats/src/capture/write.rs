//! Writing a capture.

use std::fmt::Write as _;

use super::{Answer, Capture, Op, Stat, VERSION, encode};

impl Capture {
    /// The file. The same capture always gives the same text, and
    /// [`parse`](super::parse()) gives the same capture back.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::with_capacity(self.len() * 96);
        let yes = |b| if b { "yes" } else { "no" };
        let header = self.header();
        let rights = if header.root { "root" } else { "user" };
        out.push_str(&format!(
            "passthru-capture {VERSION}\ntool: {}\nrights: {rights}\nredacted: {}\n",
            header.tool,
            yes(header.redacted)
        ));
        for (op, path, answer) in self.iter() {
            record(&mut out, op, path, answer);
        }
        out.push_str(&format!("end {}\n", self.len()));
        out
    }
}

fn record(out: &mut String, op: Op, path: &str, answer: &Answer) {
    out.push_str(op.word());
    out.push(' ');
    if op == Op::Command {
        out.push_str(path);
    } else {
        encode::escape_into(out, path.as_bytes());
    }
    match answer {
        Answer::Error(errno) => {
            out.push_str(" ! ");
            out.push_str(&errno.code());
            out.push('\n');
        }
        Answer::Withheld => out.push_str(" ! withheld\n"),
        Answer::Link(target) => {
            out.push_str(" -> ");
            encode::escape_into(out, target.as_bytes());
            out.push('\n');
        }
        Answer::Stat(stat) => {
            let Stat { mode, uid, gid, rdev: (major, minor), size } = stat;
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                " = {} mode={mode:07o} uid={uid} gid={gid} rdev={major}:{minor} size={size}",
                kind(*mode)
            );
        }
        Answer::List(names) => {
            out.push('\n');
            for name in names {
                out.push_str("- ");
                encode::escape_into(out, name.as_bytes());
                out.push('\n');
            }
        }
        Answer::Data(data) => {
            out.push('\n');
            encode::contents(out, data);
        }
        Answer::Output(output) => {
            match output.code {
                Some(code) => out.push_str(&format!(" = exit {code}\n")),
                None => out.push_str(" = signal\n"),
            }
            encode::contents(out, &output.stdout);
            if !output.stderr.is_empty() {
                out.push_str("stderr\n");
                encode::contents(out, &output.stderr);
            }
        }
    }
}

/// The word for a file type (`include/uapi/linux/stat.h`, `S_IFMT`).
pub(super) const fn kind(mode: u32) -> &'static str {
    match mode & 0o170_000 {
        0o010_000 => "fifo",
        0o020_000 => "char",
        0o040_000 => "directory",
        0o060_000 => "block",
        0o100_000 => "file",
        0o120_000 => "link",
        0o140_000 => "socket",
        _ => "unknown",
    }
}
