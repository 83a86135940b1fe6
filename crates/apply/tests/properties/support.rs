//! Binding, releasing and recovering on a fake kernel; counting cases.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use passthru_apply::books::{self, Patience};
use passthru_apply::journal::JOURNAL;
use passthru_apply::recover::{self, Awaited, Cleanup, Recovered};
use passthru_apply::target::Target;
use passthru_apply::transaction::{self, Applied, ChangeError, Confirm, MakePlan, Order};
use passthru_formats::Errno;
use passthru_model::plan::NoPlan;
use passthru_model::{Holder, Plan, Records, Snapshot, Step, Wants};
use passthru_pci::Address;
use passthru_plan::planner::{BindWish, ReleaseWish, plan_bind, plan_release};
use passthru_testkit::fake::{Fault, Kernel, State, What};
use passthru_testkit::hosts::{HostSpec, Pick, host, pick};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

pub(crate) const FAILURES: [What; 3] =
    [What::FailBefore(Errno::EIO), What::FailBefore(Errno::ENOSPC), What::FailAfter(Errno::EIO)];
pub(crate) const CRASHES: [What; 3] = [What::CrashBefore, What::CrashWithin, What::CrashAfter];

/// Whether a call that fails makes no change fail: the journal is gone, whatever the kernel says
/// of its removal.
pub(crate) fn is_no_failure(kernel: &Kernel, fault: Fault) -> bool {
    let is_removal = |call: &String| *call == format!("remove {JOURNAL}");
    matches!(fault.what, What::FailAfter(_)) && kernel.made().get(fault.at).is_some_and(is_removal)
}

/// What was wished for.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) devices: Vec<Address>,
    pub(crate) with_group: bool,
}

impl Wish {
    fn make_bind(
        &self,
        snapshot: &Snapshot,
        records: &Records,
        holder: Option<&Holder>,
    ) -> Result<Plan, NoPlan> {
        let wish = BindWish {
            devices: &self.devices,
            with_group: self.with_group,
            driver: "vfio-pci",
            allow: &[],
            records,
            now: 1_750_000_000,
            holder,
        };
        plan_bind(snapshot, &wish)
    }

    /// The plan, or why there is none.
    pub(crate) fn plan(&self, kernel: &Kernel) -> Result<Plan, ChangeError> {
        transaction::plan(kernel, &Wants::for_plan(&self.devices), &|s, l| self.make_bind(s, l, None))
    }

    pub(crate) fn bind(&self, kernel: &Kernel) -> Result<Applied, ChangeError> {
        self.bind_with(kernel, How::default())
    }

    fn bind_with(&self, kernel: &Kernel, how: How<'_>) -> Result<Applied, ChangeError> {
        let make = |s: &Snapshot, r: &Records| self.make_bind(s, r, how.holder);
        transaction::change(kernel, &how.order("bind", &Wants::for_plan(&self.devices), &make))
    }

    /// Binds for a process, whose end gives the devices back.
    pub(crate) fn bind_for(&self, kernel: &Kernel, holder: &Holder) -> Result<Applied, ChangeError> {
        self.bind_with(kernel, How { holder: Some(holder), ..How::default() })
    }
}

/// How a change is made.
#[derive(Clone, Copy, Default)]
pub(crate) struct How<'a> {
    pub(crate) holder: Option<&'a Holder>,
    pub(crate) shown: Option<&'a Plan>,
    pub(crate) confirm: Option<Confirm<'a>>,
    /// How long it waits for the lock.
    pub(crate) patience: Duration,
}

impl<'a> How<'a> {
    fn order(self, verb: &'a str, wants: &'a Wants, make: MakePlan<'a>) -> Order<'a> {
        let Self { shown, confirm, patience, .. } = self;
        Order { verb, patience: Patience { lock: patience, ..Patience::NONE }, wants, make, shown, confirm }
    }
}

pub(crate) fn release(kernel: &Kernel, devices: &[Address]) -> Result<Applied, ChangeError> {
    release_with(kernel, devices, How::default())
}

fn release_with(kernel: &Kernel, devices: &[Address], how: How<'_>) -> Result<Applied, ChangeError> {
    let make = |s: &Snapshot, records: &Records| {
        plan_release(s, &ReleaseWish { devices, adopt: None, allow: &[], records })
    };
    transaction::change(kernel, &how.order("release", &Wants::for_plan(devices), &make))
}

pub(crate) fn recover(kernel: &Kernel) -> Result<Option<Recovered>, ChangeError> {
    Ok(clean_up(kernel)?.interrupted)
}

/// `recover`, with everything it looked after.
pub(crate) fn clean_up(kernel: &Kernel) -> Result<Cleanup, ChangeError> {
    let guard = books::lock(kernel, Patience::NONE, "recover")?;
    Ok(recover::under(&guard, Awaited::Undone)?)
}

/// One of the two changes, so that failing and crashing need to be told once.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Bind(Wish),
    Release(Vec<Address>),
}

impl Change {
    pub(crate) fn run(&self, kernel: &Kernel) -> Result<Applied, ChangeError> {
        self.run_with(kernel, How::default())
    }

    pub(crate) fn run_with(&self, kernel: &Kernel, how: How<'_>) -> Result<Applied, ChangeError> {
        match self {
            Self::Bind(wish) => wish.bind_with(kernel, how),
            Self::Release(devices) => release_with(kernel, devices, how),
        }
    }

    pub(crate) const fn is_release(&self) -> bool {
        matches!(self, Self::Release(_))
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

    /// The calls that are writes to the kernel.
    pub(crate) fn writes(&self) -> Vec<usize> {
        writes(&self.last, 0)
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
        self.not_first_but(&self.first, kernel)
    }

    /// What is different from what is taken for the first state.
    pub(crate) fn not_first_but(&self, first: &Kernel, kernel: &Kernel) -> Vec<String> {
        differences(first, &self.plan, &self.as_it_counts(first, kernel))
    }

    /// What is different from the state after success.
    pub(crate) fn not_last(&self, kernel: &Kernel) -> Vec<String> {
        differences(&self.last, &self.plan, &self.as_it_counts(&self.last, kernel))
    }

    /// Taken from the host again after a release gave it back is no loss.
    fn as_it_counts(&self, wanted: &Kernel, kernel: &Kernel) -> State {
        let mut now = kernel.state();
        if self.change.is_release() {
            now.damage = wanted.state().damage;
        }
        now
    }
}

/// Which calls of a process, from one on, were writes to the kernel.
pub(crate) fn writes(kernel: &Kernel, from: usize) -> Vec<usize> {
    let made = kernel.made();
    (from..made.len()).filter(|at| made[*at].starts_with("write ")).collect()
}

/// Compares a state with that of a kernel. A module that the plan loads stays loaded: the
/// functions it takes by itself, which waited for it, may be either way unless the plan
/// is about them.
pub(crate) fn differences(wanted: &Kernel, plan: &Plan, now: &State) -> Vec<String> {
    differences_that(wanted, plan, now, |_| true)
}

/// Those of the differences that count.
pub(crate) fn differences_that(
    wanted: &Kernel,
    plan: &Plan,
    now: &State,
    counts: impl Fn(&String) -> bool,
) -> Vec<String> {
    let compare = |kernel: &Kernel| {
        let mut found = kernel.state().differences(now);
        found.retain(&counts);
        found
    };
    let found = compare(wanted);
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
                function.driver.clone_from(&before.functions[&address].0);
            }
        }
    });
    compare(&loaded)
}

/// Every how many calls one is taken, where two of them go wrong: all with
/// `PROPTEST_CASES`.
pub(crate) fn stride() -> usize {
    if std::env::var_os("PROPTEST_CASES").is_some() { 1 } else { 7 }
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

/// Counts cases: one host, one plan, one call, one kind of failure.
pub(crate) type Cases = Cell<usize>;

pub(crate) fn count(cases: &Cases) {
    cases.set(cases.get() + 1);
}

/// Asks a property of generated hosts and wishes, and says of how many cases.
pub(crate) fn property(
    name: &str,
    hosts: u32,
    ask: impl Fn(&HostSpec, &Pick, &Cases) -> Result<(), TestCaseError>,
) {
    let (cases, taken) = (Cases::new(0), Cell::new(0));
    let run = runner(hosts).run(&(host(), pick()), |(spec, pick)| {
        taken.set(taken.get() + 1);
        ask(&spec, &pick, &cases)
    });
    tell(name, cases.get(), taken.get());
    if let Err(error) = run {
        panic!("{name}: {error}");
    }
}

/// Asks a property of every change that the planner makes of generated hosts and wishes.
pub(crate) fn of_scenes(name: &str, hosts: u32, ask: impl Fn(&Scene, &Cases) -> Result<(), TestCaseError>) {
    property(name, hosts, |spec, pick, cases| {
        let wish = Wish { devices: spec.devices(pick), with_group: pick.with_group };
        Scene::both(&spec.build(), &wish).iter().try_for_each(|scene| ask(scene, cases))
    });
}

/// Says how many cases ran, past the harness that swallows what passing tests print.
pub(crate) fn tell(property: &str, cases: usize, hosts: usize) {
    let line = format!("{property}: {cases} cases on {hosts} hosts\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
