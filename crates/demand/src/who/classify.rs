//! What a thread is to a policy.

use super::task::Task;
use crate::{Attribution, Kind, Requester};

/// Endings of units that processes run in (systemd.unit(5)); slices only hold others.
const UNITS: [&str; 2] = [".service", ".scope"];

/// Where the service manager puts the units of users; what is below is named by them.
const USERS: &str = "user.slice";

/// How runtimes of containers begin the names of the control groups that they make.
const CONTAINER_UNITS: [&str; 6] = ["docker-", "libpod-", "crio-", "cri-containerd-", "kubepods", "lxc.payload"];

/// Control groups that hold nothing but containers.
const CONTAINER_SLICES: [&str; 3] = ["docker", "lxc", "machine.slice"];

/// Makes a requester of a thread.
pub(super) fn requester(task: Task, by: Attribution, call_site: Option<String>) -> Requester {
    let kind = kind(&task);
    let unit = task.cgroup.as_deref().and_then(unit).map(str::to_owned);
    // Whoever made its mount namespace chose what its paths name.
    let exe = if kind == Kind::Container { None } else { task.exe };
    Requester {
        pid: Some(task.process),
        uid: (kind != Kind::Kernel).then_some(directing_uid(task.real_uid, task.effective_uid)),
        login_uid: task.login_uid,
        comm: Some(task.comm),
        exe,
        cgroup: task.cgroup,
        unit,
        user_namespace: task.user_namespace,
        call_site,
        ..Requester::bare(kind, by)
    }
}

/// The user who directs a process: who started it, also where it has the rights of another (set-uid); and if root did, whom it
/// works for.
fn directing_uid(real: u32, effective: u32) -> u32 {
    if real == 0 { effective } else { real }
}

fn kind(task: &Task) -> Kind {
    let uid = directing_uid(task.real_uid, task.effective_uid);
    let cgroup = task.cgroup.as_deref().unwrap_or_default();
    if task.life.kernel {
        Kind::Kernel
    } else if task.user_namespace.is_some() || task.own_pids || in_container(cgroup) {
        Kind::Container
    } else if in_service(cgroup) && (uid == 0 || task.login_uid.is_none_or(|login| login == 0)) {
        // A job of a user that a service started for them (cron, at, a login without a session) has their login.
        Kind::Service
    } else if uid == 0 {
        Kind::Root
    } else {
        Kind::User
    }
}

fn parts(cgroup: &str) -> impl Iterator<Item = &str> {
    cgroup.split('/').filter(|part| !part.is_empty())
}

fn in_container(cgroup: &str) -> bool {
    // Below the users' slice they choose the names themselves; a container of theirs has a namespace of users anyway.
    let mut all = parts(cgroup).take_while(|part| *part != USERS);
    all.any(|part| CONTAINER_SLICES.contains(&part) || CONTAINER_UNITS.iter().any(|begin| part.starts_with(begin)))
}

/// The first unit on the way down: deeper ones may have been named by those whom the first belongs to.
fn unit(cgroup: &str) -> Option<&str> {
    parts(cgroup).find(|part| UNITS.iter().any(|ending| part.ends_with(ending)))
}

fn in_service(cgroup: &str) -> bool {
    parts(cgroup).next().is_some_and(|first| first != USERS) && unit(cgroup).is_some_and(|unit| unit.ends_with(".service"))
}

#[cfg(test)]
mod tests {
    use super::super::task::Life;
    use super::*;

    fn task(uids: (u32, u32), cgroup: &str) -> Task {
        Task {
            tid: 88,
            process: 87,
            comm: "x".to_owned(),
            real_uid: uids.0,
            effective_uid: uids.1,
            login_uid: None,
            life: Life { start: 1, parent: 1, kernel: false, state: b'D' },
            helper: false,
            exe: Some("/usr/bin/x".to_owned()),
            cgroup: Some(cgroup.to_owned()),
            user_namespace: None,
            own_pids: false,
            sleeps: None,
        }
    }

    #[test]
    fn kinds_and_units_by_control_group_and_user() {
        let session = "/user.slice/user-1000.slice/session-3.scope";
        for (uids, cgroup, wanted, unit) in [
            ((0, 0), "/", Kind::Root, None),
            ((0, 0), "/init.scope", Kind::Root, Some("init.scope")),
            ((0, 0), "/user.slice/user-0.slice/session-1.scope", Kind::Root, Some("session-1.scope")),
            ((1000, 1000), session, Kind::User, Some("session-3.scope")),
            ((1000, 0), session, Kind::User, Some("session-3.scope")),
            ((0, 0), "/system.slice/ssh.service", Kind::Service, Some("ssh.service")),
            ((33, 33), "/system.slice/system-web.slice/web@1.service/worker", Kind::Service, Some("web@1.service")),
            ((0, 0), "/workload.slice/job.service", Kind::Service, Some("job.service")),
            ((0, 0), "/system.slice/docker-0a.scope", Kind::Container, Some("docker-0a.scope")),
            ((0, 0), "/machine.slice/machine-a.scope", Kind::Container, Some("machine-a.scope")),
            ((0, 0), "/kubepods.slice/kubepods-besteffort.slice/cri-containerd-7.scope", Kind::Container, Some("cri-containerd-7.scope")),
            // What users name is worth nothing.
            ((1000, 1000), "/user.slice/user-1000.slice/user@1000.service/system.slice/ssh.service", Kind::User, Some("user@1000.service")),
        ] {
            let found = requester(task(uids, cgroup), Attribution::Trace, None);
            assert_eq!((found.kind, found.unit.as_deref()), (wanted, unit), "{uids:?} {cgroup}");
        }
    }

    #[test]
    fn a_set_uid_program_is_its_user_and_a_users_job_in_a_service_too() {
        let found = requester(task((1000, 0), "/"), Attribution::Trace, None);
        assert_eq!((found.kind, found.uid), (Kind::User, Some(1000)));
        let mut job = task((1000, 1000), "/system.slice/cron.service");
        assert_eq!(requester(job.clone(), Attribution::Trace, None).kind, Kind::Service);
        job.login_uid = Some(1000);
        assert_eq!(requester(job, Attribution::Trace, None).kind, Kind::User);
    }

    #[test]
    fn namespaces_make_a_container_and_hide_the_program() {
        let mut own = task((1000, 1000), "/");
        own.user_namespace = Some(4_026_532_000);
        let found = requester(own, Attribution::Trace, None);
        assert_eq!((found.kind, found.exe, found.user_namespace), (Kind::Container, None, Some(4_026_532_000)));
        let mut numbered = task((0, 0), "/system.slice/x.service");
        numbered.own_pids = true;
        assert_eq!(requester(numbered, Attribution::Trace, None).kind, Kind::Container);
    }
}
