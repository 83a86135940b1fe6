//! The page of all findings, `docs/findings.md`: what `explain` says of each.

use passthru_plan::checks;

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
    let mut subject = None;
    for check in checks::all() {
        if subject.replace(check.subject) != Some(check.subject) {
            text += &format!("- {}:", check.subject.name());
            for other in checks::all().filter(|other| other.subject == check.subject) {
                text += &format!(" [{0}](#{0})", other.id);
            }
            text.push('\n');
        }
    }
    for check in checks::all() {
        if subject.replace(check.subject) != Some(check.subject) {
            text += &format!("\n## {}\n", check.subject.name());
        }
        text += &format!("\n### {}\n\n", check.id);
        text += &format!("*{}*: {}.", check.severity.name(), check.title);
        if !check.after.is_empty() {
            let before: Vec<String> = check.after.iter().map(|id| format!("[{id}](#{id})")).collect();
            text += &format!(" Not asked as long as this stands: {}.", before.join(", "));
        }
        text += &format!("\n\n{}\n\nSources: {}.\n", check.about.trim(), check.sources.join("; "));
    }
    text
}
