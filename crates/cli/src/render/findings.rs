//! The page of all findings, `docs/findings.md`: what `explain` says of each.

use passthru_plan::checks::{self, Check};

/// The page, in Markdown. `cargo xtask findings` writes it.
pub(crate) fn page() -> String {
    let mut text = "# Findings\n\n\
        Everything `passthru check` looks for, and everything `bind` refuses for; the texts are those of \
        `passthru explain ID`. Made from the definitions of the checks by `cargo xtask findings`: do not edit this \
        page.\n\n\
        Severities are those in general: an *error* keeps lending from working, with a *warning* it works and \
        something may go wrong, a *note* is good to know. Of a device nobody has named, an error is said as a \
        warning.\n\n"
        .to_owned();
    let subjects = checks::by_subject();
    for (subject, checks) in &subjects {
        text += &format!("- {}:", subject.name());
        text.extend(checks.iter().map(|check| format!(" [{0}](#{0})", check.id)));
        text.push('\n');
    }
    for (subject, checks) in subjects {
        text += &format!("\n## {}\n", subject.name());
        checks.into_iter().for_each(|check| text += &section(check));
    }
    text
}

fn section(check: &Check) -> String {
    let mut text = format!("\n### {}\n\n*{}*: {}.", check.id, check.severity.name(), check.title);
    if !check.after.is_empty() {
        let before: Vec<String> = check.after.iter().map(|id| format!("[{id}](#{id})")).collect();
        text += &format!(" Not asked as long as this stands: {}.", before.join(", "));
    }
    text += &format!("\n\n{}\n\nSources: {}.\n", check.about.trim(), check.sources.join("; "));
    text
}
