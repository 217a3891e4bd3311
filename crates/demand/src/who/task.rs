//! What `/proc` says of one thread (proc(5)).

use std::fs;
use std::path::{Path, PathBuf};

use crate::clean;

/// `PF_KTHREAD` of `/proc/PID/stat`'s flags (include/linux/sched.h).
const KERNEL_THREAD: u64 = 0x0020_0000;

/// The thread that all other threads of the kernel come from.
const KTHREADD: u32 = 2;

/// The state of a worker of the kernel without work (`TASK_IDLE`).
const IDLE: u8 = b'I';

/// How the names of those begin that start helpers.
const WORKER: &str = "kworker/";

/// What a worker of the kernel does from before it starts a helper until whoever waits has been woken (kernel/umh.c).
const STARTING_HELPER: &str = "call_usermodehelper_exec_work";

/// The user namespace that the machine starts with (`PROC_USER_INIT_INO`, include/linux/proc_ns.h).
const FIRST_USER_NAMESPACE: u64 = 0xEFFF_FFFD;

/// The process namespace that the machine starts with (`PROC_PID_INIT_INO`).
const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// Functions in which the kernel waits for its helper: `/proc/PID/wchan` names the first one outside the scheduler.
const WAITING_IN: [&str; 3] = ["call_usermodehelper_exec", "__request_module", "kmod_dup_request_exists_wait"];

/// The function that every request for a module goes through; other helpers of the kernel (keys, core dumps) do not.
const REQUESTING: &str = "__request_module";

/// Threads of the kernel that ask for the parts of an algorithm, or try it, for whoever wants it (crypto/algboss.c).
const MAKING_ALGORITHMS: [&str; 2] = ["cryptomgr_probe", "cryptomgr_test"];

/// Functions in which somebody waits for them (crypto/api.c, crypto/algapi.c); which of them shows depends on what the compiler has put into what.
const WAITING_FOR_ALGORITHM: [&str; 3] = ["crypto_larval_wait", "crypto_alg_mod_lookup", "crypto_wait_for_test"];

/// No user has logged in (`/proc/PID/loginuid`).
const NO_LOGIN: u32 = u32::MAX;

/// Longest file that is read, in bytes.
const LONGEST: usize = 64 << 10;

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A module, and so a helper of the kernel.
    Module,
    /// An algorithm, and so a thread of the crypto API.
    Algorithm,
}

/// Whether a thread waits for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// It does.
    Certainly,
    /// It waits for a helper of the kernel, or sleeps in a way that fits; the kernel does not let us see for what.
    Perhaps,
    /// It does not.
    No,
}

/// Whether a process works for somebody who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Serves {
    /// It does.
    Now,
    /// It does not, or is gone.
    NotNow,
    /// It is no such process and does not become one.
    Never,
}

/// What tells one life of a thread number from another, and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// When it began, in 1/100 s since the machine did (`USER_HZ`).
    pub(super) start: u64,
    /// The process that it came from.
    pub(super) parent: u32,
    /// Whether it is a thread of the kernel.
    pub(super) kernel: bool,
    /// Its state: `D` while it waits for a helper.
    pub(super) state: u8,
}

/// A thread, as far as policies are concerned with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) tid: u32,
    pub(super) process: u32,
    pub(super) comm: String,
    pub(super) real_uid: u32,
    pub(super) effective_uid: u32,
    pub(super) login_uid: Option<u32>,
    pub(super) life: Life,
    /// Whether a kernel thread started it: then it is a helper of the kernel.
    pub(super) helper: bool,
    pub(super) exe: Option<String>,
    pub(super) cgroup: Option<String>,
    /// Inode of the user namespace, if it is not the first.
    pub(super) user_namespace: Option<u64>,
    /// Whether its processes are numbered by themselves.
    pub(super) own_pids: bool,
    /// How often it has gone to sleep: as long as that stays, it sleeps for one thing.
    pub(super) sleeps: Option<u64>,
}

impl Task {
    /// Whether it is a thread with which the crypto API makes or tests an algorithm for somebody who waits for that.
    pub(super) fn makes_algorithm(&self) -> bool {
        makes_algorithm(self.life, &self.comm)
    }
}

/// The threads of a system.
#[derive(Clone, Debug)]
pub(super) struct Tasks {
    proc: PathBuf,
}

impl Tasks {
    pub(super) fn new(proc: PathBuf) -> Self {
        Self { proc }
    }

    fn file(&self, tid: u32, name: &str) -> Option<String> {
        let mut bytes = fs::read(self.proc.join(tid.to_string()).join(name)).ok()?;
        bytes.truncate(LONGEST);
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The numbers of all processes, threads of the kernel among them.
    pub(super) fn processes(&self) -> Vec<u32> {
        numbers(&self.proc)
    }

    /// The numbers of all threads.
    pub(super) fn all(&self) -> Vec<u32> {
        let threads = |process: u32| numbers(&self.proc.join(process.to_string()).join("task"));
        self.processes().into_iter().flat_map(threads).collect()
    }

    /// How often a thread has gone to sleep.
    pub(super) fn sleeps(&self, tid: u32) -> Option<u64> {
        sleeps(&self.file(tid, "status")?)
    }

    /// The life that a number has now; `None` if there is no such thread. Of the two files that tell it this is the one for which the kernel
    /// does not add up the times of all threads of the process: where there are thousands, and somebody has seen to that, it takes
    /// milliseconds to read the other.
    pub(super) fn life(&self, tid: u32) -> Option<Life> {
        life(&self.file(tid, &format!("task/{tid}/stat"))?)
    }

    /// The name of a thread.
    pub(super) fn comm(&self, tid: u32) -> Option<String> {
        self.file(tid, "comm").map(|text| text.trim_end().to_owned())
    }

    /// Whether a thread certainly waits for a helper, if not for which.
    pub(super) fn in_helper_call(&self, tid: u32) -> bool {
        self.file(tid, "wchan").is_some_and(|place| WAITING_IN.contains(&place.trim()))
    }

    /// Whether a thread waits for a module.
    pub(super) fn waits(&self, tid: u32, state: u8) -> Waits {
        let wchan = self.file(tid, "wchan").unwrap_or_default();
        match wchan.trim() {
            // Not told, or not asleep.
            "" | "0" if state == b'D' => Waits::Perhaps,
            place if WAITING_IN.contains(&place) => match self.file(tid, "stack").filter(|stack| !stack.trim().is_empty()) {
                Some(stack) if stack.contains(REQUESTING) => Waits::Certainly,
                Some(_) => Waits::No,
                None => Waits::Perhaps,
            },
            _ => Waits::No,
        }
    }

    /// Whether a thread waits for an algorithm.
    pub(super) fn waits_for_algorithm(&self, tid: u32, state: u8) -> Waits {
        if state != b'D' {
            return Waits::No;
        }
        let wchan = self.file(tid, "wchan").unwrap_or_default();
        let by_stack = |stack: String| !stack.contains(REQUESTING) && WAITING_FOR_ALGORITHM.iter().any(|function| stack.contains(function));
        let there = match wchan.trim() {
            "" | "0" => self.file(tid, "stack").is_some_and(by_stack),
            place => WAITING_FOR_ALGORITHM.contains(&place),
        };
        if there { Waits::Certainly } else { Waits::No }
    }

    /// Whether a process is a helper of the kernel for modules, or is about to become one; `program` is how such a one is called. It is started
    /// by a worker of the kernel, and has the worker's name until it is the program. Also that worker, if that is its parent.
    pub(super) fn is_helper(&self, process: u32, program: &str) -> (Serves, Option<u32>) {
        let Some(life) = self.life(process) else { return (Serves::NotNow, None) };
        if life.kernel && life.state == IDLE {
            return (Serves::NotNow, None);
        }
        if life.kernel && life.parent <= KTHREADD {
            // All other threads of the kernel come from one.
            let worker = self.comm(process).is_none_or(|comm| comm.starts_with(WORKER));
            return (if worker { Serves::NotNow } else { Serves::Never }, None);
        }
        if !self.life(life.parent).is_some_and(|parent| parent.kernel) {
            // What came from a process stays so.
            return (Serves::Never, None);
        }
        let helps = self.comm(process).is_some_and(|comm| comm == program || comm.starts_with(WORKER));
        (if helps { Serves::Now } else { Serves::NotNow }, Some(life.parent))
    }

    /// Whether a process is a worker of the kernel that starts a helper, or has one.
    pub(super) fn starts_helper(&self, process: u32) -> bool {
        let works = self.life(process).is_some_and(|life| life.kernel && life.state != IDLE);
        let worker = works && self.comm(process).is_some_and(|comm| comm.starts_with(WORKER));
        worker && self.file(process, "stack").is_some_and(|stack| stack.contains(STARTING_HELPER))
    }

    /// Whether a process is a thread of the kernel that makes or tests an algorithm.
    pub(super) fn makes_algorithm(&self, process: u32) -> Serves {
        let Some(life) = self.life(process) else { return Serves::NotNow };
        if !life.kernel {
            return Serves::Never;
        }
        let makes = self.comm(process).is_some_and(|comm| makes_algorithm(life, &comm));
        if makes { Serves::Now } else { Serves::NotNow }
    }

    /// Reads all of a thread. `None` if it is gone, or ended while it was being read.
    pub(super) fn read(&self, tid: u32) -> Option<Task> {
        let life = self.life(tid)?;
        let status = self.file(tid, "status")?;
        let field = |name: &str| field(&status, name);
        // Real, effective, saved, file system.
        let mut uids = field("Uid")?.split_whitespace().map_while(|word| word.parse().ok());
        let (real_uid, effective_uid) = (uids.next()?, uids.next()?);
        let user_namespace = self.namespace(tid, "user")?;
        let pid_namespace = self.namespace(tid, "pid")?;
        let exe = fs::read_link(self.proc.join(tid.to_string()).join("exe")).ok();
        let task = Task {
            tid,
            process: field("Tgid")?.trim().parse().ok()?,
            comm: clean(field("Name")?.trim()),
            real_uid,
            effective_uid,
            login_uid: self.file(tid, "loginuid").and_then(|text| text.trim().parse().ok()).filter(|uid| *uid != NO_LOGIN),
            life,
            helper: !life.kernel && self.life(life.parent).is_some_and(|parent| parent.kernel),
            exe: exe.map(|path| clean(program(&path.to_string_lossy()))),
            cgroup: self.file(tid, "cgroup").and_then(|text| control_group(&text)),
            user_namespace: (user_namespace != FIRST_USER_NAMESPACE).then_some(user_namespace),
            own_pids: pid_namespace != FIRST_PID_NAMESPACE,
            sleeps: sleeps(&status),
        };
        self.life(tid).is_some_and(|now| now.start == life.start).then_some(task)
    }

    /// The inode of a namespace: the link says `user:[4026531837]`.
    fn namespace(&self, tid: u32, kind: &str) -> Option<u64> {
        let link = fs::read_link(self.proc.join(tid.to_string()).join("ns").join(kind)).ok()?;
        link.to_str()?.split_once(":[")?.1.strip_suffix(']')?.parse().ok()
    }
}

fn makes_algorithm(life: Life, comm: &str) -> bool {
    life.kernel && MAKING_ALGORITHMS.contains(&comm)
}

/// A line of `status`, behind its name.
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

/// How often a thread has gone to sleep, as `status` tells it.
fn sleeps(status: &str) -> Option<u64> {
    field(status, "voluntary_ctxt_switches")?.trim().parse().ok()
}

/// The entries of a folder that are numbers.
fn numbers(folder: &Path) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// What the kernel puts behind the path of a file that has lost its name (d_path, fs/d_path.c).
const REPLACED: &str = " (deleted)";

/// The path of a program as rules name it. A service that runs while its package is upgraded is the same service; nobody without the rights
/// to write there has a program of this path, with a name or without.
fn program(path: &str) -> &str {
    path.strip_suffix(REPLACED).unwrap_or(path)
}

/// A life, as `stat` tells it.
fn life(stat: &str) -> Option<Life> {
    // The name in parentheses may hold parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // Field 3 of proc(5) is the first here.
    let field = |number: usize| fields.get(number - 3).copied();
    Some(Life {
        state: field(3)?.bytes().next()?,
        parent: field(4)?.parse().ok()?,
        kernel: field(9)?.parse::<u64>().ok()? & KERNEL_THREAD != 0,
        start: field(22)?.parse().ok()?,
    })
}

/// The path in the unified hierarchy (`0::/…`), else in the one of the service manager (`1:name=systemd:/…`).
fn control_group(text: &str) -> Option<String> {
    let path = |line: &str| -> Option<(u8, String)> {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        match controllers {
            "name=systemd" => Some((0, clean(path))),
            "" => Some((1, clean(path))),
            _ => None,
        }
    };
    // On a hybrid system the unified hierarchy exists but holds nothing: there the path is `/`.
    let paths: Vec<(u8, String)> = text.lines().filter_map(path).collect();
    let long = paths.iter().filter(|(_, path)| path.len() > 1).max_by_key(|(rank, _)| *rank);
    long.or(paths.first()).map(|(_, path)| path.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_group_is_the_unified_one_unless_that_is_empty() {
        for (text, wanted) in [
            ("0::/system.slice/ssh.service\n", Some("/system.slice/ssh.service")),
            ("5:cpu:/x\n1:name=systemd:/user.slice\n0::/\n", Some("/user.slice")),
            ("1:name=systemd:/a\n0::/b:c\n", Some("/b:c")),
            ("0::/\n", Some("/")),
            ("3:cpu:/x\n", None),
            ("", None),
        ] {
            assert_eq!(control_group(text).as_deref(), wanted, "{text:?}");
        }
    }
}
