//! Binding, releasing and recovering on a fake kernel; counting cases.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use passthru_apply::books;
use passthru_apply::recover::{self, Recovered};
use passthru_apply::target::Target;
use passthru_apply::transaction::{self, Applied, ChangeError};
use passthru_formats::Errno;
use passthru_model::plan::NoPlan;
use passthru_model::{DetailOf, LeaseRecord, Plan, Snapshot, Step, Wants};
use passthru_pci::Address;
use passthru_plan::planner::{BindWish, ReleaseWish, plan_bind, plan_release};
use passthru_testkit::fake::{Fault, Kernel, State, What};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

pub(crate) const FAILURES: [What; 3] =
    [What::FailBefore(Errno::EIO), What::FailBefore(Errno::ENOSPC), What::FailAfter(Errno::EIO)];
pub(crate) const CRASHES: [What; 3] = [What::CrashBefore, What::CrashWithin, What::CrashAfter];

/// What is asked of the host, as the command line asks it.
fn wants(devices: &[Address]) -> Wants {
    Wants {
        revision: false,
        detail: DetailOf::Some(devices.to_vec()),
        reserved: false,
        group_detail: true,
        usage: true,
        names: false,
    }
}

/// What was wished for.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) devices: Vec<Address>,
    pub(crate) with_group: bool,
}

impl Wish {
    fn make_bind(&self, snapshot: &Snapshot, leases: &[LeaseRecord]) -> Result<Plan, NoPlan> {
        let wish = BindWish {
            devices: &self.devices,
            with_group: self.with_group,
            driver: "vfio-pci",
            allow: &[],
            leases,
            now: 1_750_000_000,
        };
        plan_bind(snapshot, &wish)
    }

    /// The plan, or why there is none.
    pub(crate) fn plan(&self, kernel: &Kernel) -> Result<Plan, ChangeError> {
        transaction::plan(kernel, &wants(&self.devices), &|s, l| self.make_bind(s, l))
    }

    pub(crate) fn bind(&self, kernel: &Kernel) -> Result<Applied, ChangeError> {
        let make = |s: &Snapshot, l: &[LeaseRecord]| self.make_bind(s, l);
        transaction::change(kernel, Duration::ZERO, "bind", &wants(&self.devices), &make, None)
    }
}

pub(crate) fn release(kernel: &Kernel, devices: &[Address]) -> Result<Applied, ChangeError> {
    let make = |s: &Snapshot, leases: &[LeaseRecord]| {
        plan_release(s, &ReleaseWish { devices, adopt: None, allow: &[], leases })
    };
    transaction::change(kernel, Duration::ZERO, "release", &wants(devices), &make, None)
}

pub(crate) fn recover(kernel: &Kernel) -> Result<Option<Recovered>, ChangeError> {
    let guard = books::lock(kernel, Duration::ZERO, "recover")?;
    Ok(recover::under(&guard)?)
}

/// One of the two changes, so that failing and crashing need to be told once.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Bind(Wish),
    Release(Vec<Address>),
}

impl Change {
    pub(crate) fn run(&self, kernel: &Kernel) -> Result<Applied, ChangeError> {
        match self {
            Self::Bind(wish) => wish.bind(kernel),
            Self::Release(devices) => release(kernel, devices),
        }
    }
}

/// The two changes of a wish that can be planned: from the host to bound, and back. Each
/// with the kernel it starts on and how the kernel is when it went well.
pub(crate) struct Scene {
    pub(crate) change: Change,
    pub(crate) plan: Plan,
    pub(crate) first: Kernel,
    pub(crate) last: Kernel,
    /// How many changing calls it takes.
    pub(crate) calls: usize,
}

impl Scene {
    /// `None` where there is nothing to do, or the planner refuses.
    pub(crate) fn of(first: &Kernel, change: Change) -> Option<Self> {
        let last = first.copy().process();
        let applied = match change.run(&last) {
            Ok(applied) => applied,
            Err(ChangeError::NoPlan(_)) => return None,
            Err(error) => panic!("{error:?}\n{:#?}", last.made()),
        };
        if applied.plan.steps.is_empty() {
            return None;
        }
        let calls = last.changes();
        Some(Self { change, plan: applied.plan, first: first.copy(), last, calls })
    }

    pub(crate) fn both(first: &Kernel, wish: &Wish) -> Vec<Self> {
        let Some(bind) = Self::of(first, Change::Bind(wish.clone())) else { return Vec::new() };
        let release = Self::of(&bind.last, Change::Release(bind.plan.devices.clone()));
        [bind].into_iter().chain(release).collect()
    }

    /// The change with something going wrong.
    pub(crate) fn with(
        &self,
        faults: impl IntoIterator<Item = Fault>,
    ) -> (Kernel, Result<Applied, ChangeError>) {
        let kernel = self.first.copy_with(faults);
        let result = self.change.run(&kernel);
        (kernel, result)
    }

    /// What a message about a failed case says.
    pub(crate) fn told(&self, kernel: &Kernel, faults: &[Fault]) -> String {
        format!("{:?}\nwith {faults:?}; the process made\n{:#?}", self.change, kernel.made())
    }

    /// What is different from the first state.
    pub(crate) fn not_first(&self, kernel: &Kernel) -> Vec<String> {
        let mut now = kernel.state();
        if matches!(self.change, Change::Release(_)) {
            // Taken from the host again after it was given back is no loss.
            now.damage = self.first.state().damage;
        }
        differences(&self.first, &self.plan, &now)
    }

    /// What is different from the state after success.
    pub(crate) fn not_last(&self, kernel: &Kernel) -> Vec<String> {
        differences(&self.last, &self.plan, &kernel.state())
    }
}

/// Compares a state with that of a kernel. A module that the plan loads stays loaded: the
/// functions it takes by itself, which waited for it, may be either way unless the plan
/// is about them.
pub(crate) fn differences(wanted: &Kernel, plan: &Plan, now: &State) -> Vec<String> {
    let found = wanted.state().differences(now);
    let loads = plan.steps.iter().any(|step| matches!(step, Step::LoadModule { .. }));
    if found.is_empty() || !loads {
        return found;
    }
    let loaded = wanted.copy();
    for step in &plan.steps {
        if let Step::LoadModule { module } = step {
            loaded.change(&["modprobe", "--", module]).unwrap();
        }
    }
    let before = wanted.state();
    let planned: BTreeSet<Address> = plan.devices.iter().copied().collect();
    loaded.with(|machine| {
        for address in planned {
            if let Some(function) = machine.functions.get_mut(&address) {
                function.driver = before.functions[&address].0.clone();
            }
        }
    });
    loaded.state().differences(now)
}

/// Every how many calls one is taken, where two of them go wrong: all with
/// `PROPTEST_CASES`.
pub(crate) fn stride() -> usize {
    if std::env::var_os("PROPTEST_CASES").is_some() { 1 } else { 4 }
}

/// A runner that takes this many hosts, the same ones every time; with `PROPTEST_CASES`
/// that many, and others every time.
pub(crate) fn runner(hosts: u32) -> TestRunner {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = Config {
        cases: asked.unwrap_or(hosts),
        max_shrink_iters: 2048,
        // The smallest host that fails is printed; there is nothing to keep.
        failure_persistence: None,
        ..Config::default()
    };
    match asked {
        Some(_) => TestRunner::new(config),
        None => {
            let rng = TestRng::from_seed(RngAlgorithm::ChaCha, b"passthru gives every device back");
            TestRunner::new_with_rng(config, rng)
        }
    }
}

/// Says how many cases ran, past the harness that swallows what passing tests print.
pub(crate) fn tell(property: &str, cases: usize, hosts: usize) {
    let line = format!("{property}: {cases} cases on {hosts} hosts\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
