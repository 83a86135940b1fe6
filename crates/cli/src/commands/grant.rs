//! Who a virtual machine runs as, and letting that user use the devices' nodes: what `run`
//! and `bind --user` share.

use passthru_apply::guests;
use passthru_apply::transaction::{self, Order};
use passthru_host::source::Source;
use passthru_host::users::{self, Wanted};
use passthru_model::plan::Plan;
use passthru_model::{Holder, Records, Snapshot, User, Wants};
use passthru_pci::Address;
use passthru_plan::planner::{GrantWish, plan_grant};

use super::bind::Change;
use super::recover::tell;
use crate::args::Waiting;
use crate::context::Context;
use crate::exit::{Code, Failure};

/// The user that `--user` names.
pub(crate) fn named(source: &dyn Source, text: &str) -> Result<User, Failure> {
    let wanted = Wanted::parse(text).ok_or_else(|| {
        Failure::new(Code::Usage, format!("--user {text}: neither a user's name nor UID or UID:GID"))
    })?;
    find(source, &wanted, "--user")
}

/// The user that somebody was before becoming root by sudo, pkexec or doas; `None` where
/// nobody says so.
pub(crate) fn invoking(source: &dyn Source) -> Result<Option<User>, Failure> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let id = |name: &'static str, group: Option<String>| -> Option<(&'static str, Option<Wanted>)> {
        let value = variable(name)?;
        let text = group.map_or_else(|| value.clone(), |group| format!("{value}:{group}"));
        Some((name, Wanted::parse(&text).filter(|wanted| matches!(wanted, Wanted::Id { .. }))))
    };
    let doas = || Some(("DOAS_USER", Wanted::parse(&variable("DOAS_USER")?)));
    let found = id("SUDO_UID", variable("SUDO_GID")).or_else(|| id("PKEXEC_UID", None)).or_else(doas);
    let Some((name, wanted)) = found else { return Ok(None) };
    let wanted = wanted.ok_or_else(|| {
        Failure::new(Code::Usage, format!("{name} in the environment does not say who you are"))
            .hint("say who the virtual machine runs as: --user NAME, or --user root")
    })?;
    find(source, &wanted, name).map(Some)
}

fn find(source: &dyn Source, wanted: &Wanted, by: &str) -> Result<User, Failure> {
    users::find(source, wanted).map_err(|error| {
        Failure::new(Code::Usage, format!("{by}: {error}")).hint("a number always works: --user UID:GID")
    })
}

/// Lets a user use the nodes of devices that are bound.
pub(crate) fn grant(
    context: &Context,
    verb: &'static str,
    waiting: &Waiting,
    nodes: &[(Address, String)],
    user: &User,
    holder: Option<&Holder>,
) -> Result<Plan, Failure> {
    let live = context.live()?;
    let devices: Vec<Address> = nodes.iter().map(|(device, _)| *device).collect();
    // Whoever comes before udev's rules is overruled by them.
    if let Err(late) = guests::settle(&*live) {
        context.note(&format!("note: {late}; they may change the nodes again"));
    }
    let make = |_: &Snapshot, records: &Records| plan_grant(&GrantWish { nodes, user, records, holder });
    let told = |holder: &str| context.note_waiting(holder);
    let order = Order {
        verb,
        patience: context.patience(waiting, &told),
        wants: &Wants::for_plan(&devices),
        make: &make,
        shown: None,
        confirm: None,
    };
    let applied = transaction::change(&*live, &order)
        .map_err(|error| Change::new(verb, &devices, waiting).failure(error))?;
    tell(context, &applied.cleanup);
    Ok(applied.plan)
}
