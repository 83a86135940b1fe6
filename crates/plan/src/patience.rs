//! How long a write may take before the device counts as stuck. Pure, so that a plan and
//! its journal say it without a clock.

use std::time::Duration;

use passthru_model::Step;

/// For most writes: a probe or a remove takes milliseconds to a few seconds.
pub const USUAL: Duration = Duration::from_secs(20);
/// For drivers that wait for slow hardware: NVMe waits for outstanding commands
/// (`drivers/nvme/host/core.c`, `nvme_io_timeout` of 30 s, and the controller's own
/// CAP.TO), graphics drivers load firmware and tear down clients.
pub const LONG: Duration = Duration::from_secs(60);

/// For reading an attribute that waits for the device's lock. Nothing holds that for long
/// but a probe or a remove.
pub const READ: Duration = Duration::from_secs(5);

/// Drivers with [`LONG`].
const SLOW: &[&str] =
    &["nvme", "nvidia", "amdgpu", "radeon", "nouveau", "i915", "xe", "ast", "mgag200", "vmwgfx"];

/// The limit of one step's writes; `asked` is what somebody asked for instead.
#[must_use]
pub fn limit(step: &Step, asked: Option<Duration>) -> Duration {
    let slow = |driver: &str| SLOW.contains(&driver);
    asked.unwrap_or(match step {
        Step::Unbind { driver, .. } | Step::Probe { driver, .. } if slow(driver) => LONG,
        _ => USUAL,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_drivers_have_more_time_and_a_wish_counts_for_all() {
        let device = "0000:01:00.0".parse().unwrap();
        let probe = |driver: &str| Step::Probe { device, driver: driver.into() };
        assert_eq!(limit(&probe("nvme"), None), LONG);
        assert_eq!(limit(&probe("e1000e"), None), USUAL);
        assert_eq!(limit(&Step::SetOverride { device, before: None, value: None }, None), USUAL);
        let two = Duration::from_secs(2);
        assert_eq!(limit(&probe("nvme"), Some(two)), two);
    }
}
