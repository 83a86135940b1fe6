//! What `run --dry-run` prints.

use passthru_model::User;
use passthru_model::plan::Plan;
use passthru_pci::Address;
use passthru_plan::shell;
use passthru_plan::vm::{Kind, Opened, VmPlan};
use serde::Serialize;

use crate::commands::print_json;
use crate::context::{Context, Out};
use crate::exit::{Code, Outcome};
use crate::render::{json, plan as render};

#[derive(Serialize)]
struct RunView<'a> {
    #[serde(flatten)]
    change: json::Change<'a>,
    argv: &'a [String],
    guest: Vec<PlaceView>,
    environment: Option<&'a str>,
    /// What is opened for the user and passed as descriptors, whose numbers are not known yet.
    descriptors: Vec<DescriptorView<'a>>,
    locked_memory: Option<u64>,
    user: Option<UserView<'a>>,
}

#[derive(Serialize)]
struct PlaceView {
    device: Address,
    place: String,
    already_named: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum DescriptorView<'a> {
    /// `/dev/iommu`, for the object with this id.
    Iommufd(&'a str),
    /// The node of a device below /dev/vfio/devices.
    Device(Address),
}

#[derive(Serialize)]
struct UserView<'a> {
    uid: u32,
    gid: u32,
    groups: &'a [u32],
    nodes: &'a [String],
}

/// The steps, the line that would be started, as whom, and where the guest would see the
/// devices.
pub(super) fn show(
    context: &Context,
    plan: &Plan,
    machine: &VmPlan,
    locked_memory: Option<u64>,
    user: Option<(&User, &[String])>,
) -> Outcome {
    let opened: &[Opened] = if user.is_some() { &machine.opened } else { &[] };
    if context.global.json {
        let guest = machine
            .places
            .iter()
            .map(|p| PlaceView {
                device: p.address,
                place: p.guest.to_string(),
                already_named: p.already_named,
            })
            .collect();
        print_json(&RunView {
            change: json::Change::of("run", plan, true),
            argv: &machine.argv,
            guest,
            environment: machine.qemu_args_env.as_deref(),
            descriptors: opened
                .iter()
                .map(|what| match what {
                    Opened::Object(id) => DescriptorView::Iommufd(id),
                    Opened::Device(device) => DescriptorView::Device(*device),
                })
                .collect(),
            locked_memory,
            user: user.map(|(user, nodes)| UserView {
                uid: user.uid,
                gid: user.gid,
                groups: &user.groups,
                nodes,
            }),
        })?;
        return Ok(Code::Done.into());
    }
    for note in plan.notes.iter().chain(&machine.notes) {
        context.note(&format!("note: {note}"));
    }
    Out::new().write(|out, _, _| {
        render::write(out, plan)?;
        if let Some((user, nodes)) = user {
            render::write_grant(out, user, nodes)?;
        }
        for what in opened {
            match what {
                Opened::Object(id) => {
                    writeln!(out, "open /dev/iommu, and pass it as a descriptor (fd= of object {id})")?;
                }
                Opened::Device(device) => writeln!(
                    out,
                    "open the node of {device} below /dev/vfio/devices, and pass it as a descriptor (its fd=)"
                )?,
            }
        }
        let whom = user.map_or_else(String::new, |(user, _)| format!(", as user {user}"));
        if let (Kind::Other { .. }, Some(args)) = (&machine.kind, &machine.qemu_args_env) {
            writeln!(out, "then{whom}, with PASSTHRU_QEMU_ARGS='{args}':")?;
        } else {
            writeln!(out, "then{whom}:")?;
        }
        writeln!(out, "  {}", shell::line(&machine.argv))?;
        for place in &machine.places {
            writeln!(out, "{}: the guest sees it {}", place.address, place.guest)?;
        }
        writeln!(out, "and when it has ended, every device goes back to what it was on")
    })?;
    Ok(Code::Done.into())
}
