//! The processes, listed once for all readers that go through them, and the network
//! namespaces they live in.

use std::collections::HashSet;

use passthru_formats::Errno;
use passthru_model::Blind;

use crate::source::Source;
use crate::threads;

/// The processes there were.
pub(super) struct Processes {
    pids: Result<Vec<u32>, Errno>,
    /// The mount and network namespace of each, as their links say.
    namespaces: Vec<(Result<String, Errno>, Result<String, Errno>)>,
    /// This process itself, which is nobody's user.
    pub(super) own: Option<u32>,
}

impl Processes {
    /// Lists them, in the order of their numbers.
    pub(super) fn list(source: &dyn Source) -> Self {
        let pids = source.list("/proc").map(|names| {
            let mut pids: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
            pids.sort_unstable();
            pids
        });
        let links = |source: &dyn Source, pid: u32| {
            let link = |kind: &str| {
                source.link(&format!("/proc/{pid}/ns/{kind}")).map_err(|error| ended(source, pid, error))
            };
            (link("mnt"), link("net"))
        };
        Self {
            namespaces: each(source, pids.as_deref().unwrap_or_default(), &links),
            pids,
            own: source.link("/proc/self").ok().and_then(|pid| pid.parse().ok()),
        }
    }

    /// The process ids. A copy of a host without its processes says nothing about what
    /// they did: that is a blind spot of `what`.
    pub(super) fn of(&self, what: &str, blind: &mut Vec<Blind>) -> &[u32] {
        match &self.pids {
            Ok(pids) => pids,
            Err(error) => {
                let what = format!("{what} of other processes");
                blind.push(Blind { what, path: "/proc".into(), error: *error, count: 1 });
                &[]
            }
        }
    }

    /// The processes with their mount namespaces.
    pub(super) fn mount_namespaces(
        &self,
        what: &str,
        blind: &mut Vec<Blind>,
    ) -> impl Iterator<Item = (u32, &Result<String, Errno>)> {
        self.of(what, blind).iter().copied().zip(self.namespaces.iter().map(|(mounts, _)| mounts))
    }

    /// The network namespaces beside our own, each with the first process that lives in
    /// it. Those that may not be looked at are left out: what is in them is found missing
    /// here.
    pub(super) fn network_namespaces(&self, source: &dyn Source) -> Vec<(String, u32)> {
        let mut known: HashSet<String> = source.link("/proc/self/ns/net").into_iter().collect();
        let mut found = Vec::new();
        for (pid, (_, namespace)) in self.pids.iter().flatten().zip(&self.namespaces) {
            if let Ok(namespace) = namespace
                && !known.contains(namespace)
            {
                known.insert(namespace.clone());
                found.push((namespace.clone(), *pid));
            }
        }
        found
    }
}

/// As few processes as it is worth to start a thread for.
const FEW: usize = 64;

/// No more threads than this: the processes are in one kernel's tables.
const THREADS: usize = 8;

/// Looks at each process, in their order. Thousands of links are read, so that is shared
/// among threads where the source can be asked from several.
pub(super) fn each<T: Send>(
    source: &dyn Source,
    pids: &[u32],
    look: &(impl Fn(&dyn Source, u32) -> T + Sync),
) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(THREADS).min(pids.len() / FEW);
    let sources: Option<Vec<_>> = (1..threads).map(|_| source.another()).collect();
    let Some(sources) = sources.filter(|sources| !sources.is_empty()) else {
        return pids.iter().map(|pid| look(source, *pid)).collect();
    };
    let mut chunks = pids.chunks(pids.len().div_ceil(threads));
    let first = chunks.next().unwrap_or_default();
    std::thread::scope(|scope| {
        let started: Vec<_> = chunks
            .zip(sources)
            .map(|(chunk, source)| {
                threads::begin(scope, move || {
                    chunk.iter().map(|pid| look(&*source, *pid)).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut found: Vec<T> = first.iter().map(|pid| look(source, *pid)).collect();
        for thread in started {
            found.extend(thread.join());
        }
        found
    })
}

/// The error of looking at a process, or `ESRCH` where it has ended meanwhile: the links of one
/// that is no more answer `EACCES` (`fs/proc/namespaces.c`, `proc_ns_readlink`; `fs/proc/base.c`,
/// `proc_pid_readlink`), as those of somebody else's do.
pub(super) fn ended(source: &dyn Source, pid: u32, error: Errno) -> Errno {
    let gone = |error: Errno| error.is_absent() || error == Errno::ESRCH;
    // Without root's rights that is what most of them answer.
    if error == Errno::EACCES && source.rights().root && source.stat(&format!("/proc/{pid}")).is_err_and(gone)
    {
        return Errno::ESRCH;
    }
    error
}

/// The process ended while the others were looked at.
pub(super) fn gone(error: Errno) -> bool {
    error.is_absent() || error == Errno::ESRCH
}
