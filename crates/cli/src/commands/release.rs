//! `release`.

use passthru_apply::books;
use passthru_model::{LeaseRecord, Records};
use passthru_pci::Address;
use passthru_plan::planner::{ReleaseTo, ReleaseWish, plan_release};

use super::bind::{Change, books_failure, chosen};
use super::refuse_copy;
use crate::args::Release;
use crate::context::{Context, parse_reasons};
use crate::exit::{Code, Failure, Outcome};
use crate::render::words;

pub(crate) fn run(context: &Context, options: &Release) -> Outcome {
    if !options.dry_run {
        refuse_copy(context, "release")?;
    }
    let source = context.source()?;
    let allow = parse_reasons(&options.allow)?;
    let adopt = match options.adopt.as_deref() {
        None => None,
        Some("none") => Some(ReleaseTo::Nothing),
        Some("") => return Err(Failure::new(Code::Usage, "--adopt takes the name of a driver, or none")),
        Some(driver) => Some(ReleaseTo::Driver(driver.to_owned())),
    };
    let devices = if options.all { leased(&*source)? } else { named(context, &*source, options)? };
    if devices.is_empty() {
        context.note("nothing to do: no device has a lease");
        return Ok(Code::Done.into());
    }
    let make = |snapshot: &passthru_model::Snapshot, records: &Records| {
        plan_release(
            snapshot,
            &ReleaseWish { devices: &devices, adopt: adopt.clone(), allow: &allow, records },
        )
    };
    let change = Change {
        dry_run: options.dry_run,
        confirm_within: options.confirming.confirm_within,
        ..Change::new("release", &devices, &options.waiting)
    };
    change.carry_out(context, &*source, &make, &|plan| {
        let verb = if plan.steps.is_empty() { "nothing to do for" } else { "given back:" };
        format!("{verb} {}", words::list(&plan.devices))
    })
}

/// The devices with a lease.
fn leased(source: &dyn passthru_host::source::Source) -> Result<Vec<Address>, Failure> {
    let leases = books::leases(source).map_err(|error| books_failure(&error))?;
    Ok(leases
        .iter()
        .filter_map(|record| match record {
            LeaseRecord::Valid(lease) => Some(lease.device),
            LeaseRecord::Broken(..) => None,
        })
        .collect())
}

/// The devices that were named. One that has been unplugged is still known by its lease.
fn named(
    context: &Context,
    source: &dyn passthru_host::source::Source,
    options: &Release,
) -> Result<Vec<Address>, Failure> {
    match chosen(context, source, &options.devices, options.all_matching) {
        Ok(devices) => Ok(devices),
        Err(failure) => {
            let wanted: Option<Vec<Address>> = options.devices.iter().map(|n| n.parse().ok()).collect();
            let leased = leased(source)?;
            match wanted {
                Some(wanted) if wanted.iter().all(|w| leased.contains(w)) => Ok(wanted),
                _ => Err(failure),
            }
        }
    }
}
