//! Everything about one function.

use passthru_formats::config_space::{Completeness, ConfigSpace};
use passthru_formats::{Errno, config_space, resource};
use passthru_model::{Detail, Device, Fact, Link, Sriov};

use crate::ask::{Asker, flag, number, some_text};

/// Reads the detail of one function. Reading `config` resumes a sleeping device
/// (`drivers/pci/pci-sysfs.c`, `pci_read_config`), so it is read only where the device
/// is awake, or asleep by nothing worse than D3hot with a driver that says so. With
/// `avoid` nothing is read that waits for the device's lock (`driver_override_show`,
/// `sriov_numvfs_show`) or for its configuration space: somebody hangs with that lock.
pub(crate) fn read(ask: &mut Asker<'_>, device: &Device, avoid: bool) -> Detail {
    let address = Some(device.address);
    let at = |name: &str| device.attribute(name);
    let text = |ask: &mut Asker<'_>, field, name: &str| ask.text(address, field, &at(name), some_text);
    let link = Link {
        speed: text(ask, "link.speed", "current_link_speed"),
        width: ask.text(address, "link.width", &at("current_link_width"), lanes),
        max_speed: text(ask, "link.max_speed", "max_link_speed"),
        max_width: ask.text(address, "link.max_width", &at("max_link_width"), lanes),
    };
    let (power_state, config) = config(ask, device, avoid);
    Detail {
        driver_override: driver_override(ask, device, avoid),
        numa_node: ask.text(address, "numa_node", &at("numa_node"), |text| match text.parse::<i32>() {
            Ok(node) => Some(u32::try_from(node).map_or(Fact::Absent, Fact::Known)),
            Err(_) => None,
        }),
        local_cpus: text(ask, "local_cpus", "local_cpulist"),
        link,
        regions: ask
            .bytes(address, "regions", &at("resource"), |text| resource::parse(text).ok().map(Fact::Known)),
        reset_methods: ask.text(address, "reset_methods", &at("reset_method"), |text| {
            Some(Fact::Known(text.split_whitespace().map(str::to_owned).collect()))
        }),
        rom: match ask.source.stat(&at("rom")) {
            Ok(stat) => Fact::Known(stat.size),
            Err(error) => ask.failed(address, "rom", &at("rom"), error),
        },
        power_state,
        d3cold_allowed: ask.text(address, "d3cold_allowed", &at("d3cold_allowed"), flag),
        irq: ask.text(address, "irq", &at("irq"), |text| {
            number(text).map(|irq| if irq == Fact::Known(0) { Fact::Absent } else { irq })
        }),
        label: text(ask, "label", "label"),
        config,
        iommu_unit: ask.link_name(address, "iommu_unit", &at("iommu")),
        driver_module: driver_module(ask, device),
        sriov: match ask.text(address, "sriov.total", &at("sriov_totalvfs"), number) {
            Fact::Known(total) => Fact::Known(Sriov {
                total,
                active: if avoid {
                    ask.failed(address, "sriov.active", &at("sriov_numvfs"), Errno::ETIMEDOUT)
                } else {
                    ask.text(address, "sriov.active", &at("sriov_numvfs"), number)
                },
            }),
            other => other.map(|total| Sriov { total, active: Fact::NotRead }),
        },
    }
}

/// Only what a plan rests on. Nothing else of a device is asked in the middle of a change.
pub(crate) fn read_for_plan(ask: &mut Asker<'_>, device: &Device, avoid: bool) -> Detail {
    Detail {
        driver_override: driver_override(ask, device, avoid),
        driver_module: driver_module(ask, device),
        ..Detail::default()
    }
}

/// Only its configuration space, as far as [`read`] would read it.
pub(crate) fn read_config(ask: &mut Asker<'_>, device: &Device, avoid: bool) -> Detail {
    let (power_state, config) = config(ask, device, avoid);
    Detail { power_state, config, ..Detail::default() }
}

fn config(ask: &mut Asker<'_>, device: &Device, avoid: bool) -> (Fact<String>, Fact<ConfigSpace>) {
    let (address, path) = (Some(device.address), device.attribute("config"));
    let power_state = ask.text(address, "power_state", &device.attribute("power_state"), some_text);
    if avoid {
        return (power_state, ask.failed(address, "config", &path, Errno::ETIMEDOUT));
    }
    if asleep(&power_state) {
        // "reading is quiet": a device in D3cold is not woken to be looked at.
        return (power_state, Fact::NotRead);
    }
    let config =
        ask.bytes(address, "config", &path, |bytes| config_space::parse(bytes).ok().map(Fact::Known));
    // Without rights the kernel gives 64 bytes and no error: say what is missing.
    if let Fact::Known(config) = &config
        && config.completeness() == Completeness::HeaderOnly
        && !ask.source.rights().root
    {
        let _: Fact<()> = ask.failed(address, "config.capabilities", &path, Errno::EPERM);
    }
    (power_state, config)
}

fn driver_override(ask: &mut Asker<'_>, device: &Device, avoid: bool) -> Fact<String> {
    let (address, path) = (Some(device.address), device.attribute("driver_override"));
    if avoid {
        return ask.failed(address, "driver_override", &path, Errno::ETIMEDOUT);
    }
    ask.text(address, "driver_override", &path, |text| {
        // Unset reads as "(null)"; some tools leave an empty string behind.
        Some(if text.is_empty() || text == "(null)" { Fact::Absent } else { Fact::Known(text.to_owned()) })
    })
}

fn driver_module(ask: &mut Asker<'_>, device: &Device) -> Fact<String> {
    ask.link_name(Some(device.address), "driver_module", &device.attribute("driver/module"))
}

/// Lanes; 0 and 255 are how the kernel says that there is no link.
fn lanes(text: &str) -> Option<Fact<u32>> {
    Some(match text.parse::<u32>().ok()? {
        0 | 255 => Fact::Absent,
        width => Fact::Known(width),
    })
}

fn asleep(power_state: &Fact<String>) -> bool {
    power_state.known().is_some_and(|state| state == "D3cold")
}
