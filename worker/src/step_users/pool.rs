//! Who holds which step user. The books are the attempts' own folders, so that an agent that comes back finds them as its
//! predecessor left them.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    sync::{Mutex, PoisonError},
};

use shared::id::ExecutionId;

use super::UidRange;
use crate::{home::Home, process::users_with_processes};

/// Hands out step users.
#[derive(Debug)]
pub struct UserPool {
    range: UidRange,
    /// The id to begin with next time: what a step leaves in a folder for everybody stays its own for as long as possible.
    next: Mutex<u32>,
    /// Kept for its lock only.
    _claim: Option<File>,
}

impl UserPool {
    /// All of a range, which no other agent of this host may have until this value is dropped. `None` when one has it.
    ///
    /// Agents see each other by the exact range: two that overlap otherwise are a mistake that nobody notices.
    ///
    /// # Errors
    /// When /run cannot be written.
    pub fn claim(range: UidRange) -> io::Result<Option<Self>> {
        // In a folder of root's, so that nobody else can hold the lock and thereby turn step users off.
        let path = format!("/run/longshore-step-users-{range}.lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _claim: Some(file), ..Self::unclaimed(range) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn unclaimed(range: UidRange) -> Self {
        Self { range, next: Mutex::new(range.first), _claim: None }
    }

    /// Which they are.
    #[must_use]
    pub fn range(&self) -> UidRange {
        self.range
    }

    /// Gives an attempt a user that no other attempt holds and that has no process, and writes that down. It holds the
    /// user until its folder says otherwise, see [`crate::exec_dir::ExecDir::release_user`].
    ///
    /// # Errors
    /// When none is free, or whatever the file system says.
    pub fn hold(&self, home: &Home, execution: ExecutionId) -> io::Result<u32> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let uid = self.free(home, *next)?.ok_or_else(|| {
            io::Error::other(format!("each of the step users {} belongs to an attempt or has processes", self.range))
        })?;
        home.exec(execution).write_user(uid)?;
        *next = self.after(uid);
        Ok(uid)
    }

    /// A user that nobody holds now and that has no process; `None` when there is none.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn spare(&self, home: &Home) -> io::Result<Option<u32>> {
        self.free(home, self.range.first)
    }

    fn free(&self, home: &Home, begin: u32) -> io::Result<Option<u32>> {
        let mut taken: BTreeSet<u32> = users_with_processes()?;
        for execution in home.executions()? {
            taken.extend(home.exec(execution).read_user()?);
        }
        let mut in_turn = (begin..=self.range.last).chain(self.range.first..begin);
        Ok(in_turn.find(|uid| !taken.contains(uid)))
    }

    fn after(&self, uid: u32) -> u32 {
        if uid == self.range.last { self.range.first } else { uid + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step_users::StepUsers;

    fn pool(range: &str) -> UserPool {
        let Ok(StepUsers::Range(range)) = range.parse() else { panic!("no range: {range}") };
        UserPool::unclaimed(range)
    }

    fn attempt(home: &Home, number: u128) -> ExecutionId {
        let execution = ExecutionId(uuid::Uuid::from_u128(number));
        home.exec(execution).create().expect("a folder");
        execution
    }

    #[test]
    fn a_user_has_one_holder_also_for_an_agent_that_comes_back() {
        let (folder, memory) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir_in("/dev/shm").expect("memory"));
        let (home, _lock) = Home::open(folder.path(), Some(memory.path())).expect("opens");
        let (one, two, three) = (attempt(&home, 1), attempt(&home, 2), attempt(&home, 3));
        let users = pool("4100000000-4100000001");
        assert_eq!(users.hold(&home, one).expect("free"), 4_100_000_000);
        let after_restart = pool("4100000000-4100000001");
        assert_eq!(after_restart.hold(&home, two).expect("free"), 4_100_000_001);
        let none = after_restart.hold(&home, three).expect_err("none is free");
        assert!(none.to_string().contains("4100000000-4100000001"), "{none}");
        home.exec(one).release_user().expect("released");
        assert_eq!(after_restart.hold(&home, three).expect("free"), 4_100_000_000);
    }

    #[test]
    fn a_note_that_was_torn_when_the_host_went_down_takes_no_user_from_others() {
        let (folder, memory) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir_in("/dev/shm").expect("memory"));
        let (home, _lock) = Home::open(folder.path(), Some(memory.path())).expect("opens");
        let (torn, next) = (attempt(&home, 1), attempt(&home, 2));
        let users = pool("4100000000-4100000001");
        users.hold(&home, torn).expect("free");
        std::fs::write(home.exec(torn).path().join("step-user"), "").expect("torn");
        assert!(users.spare(&home).expect("looked up").is_some());
        users.hold(&home, next).expect("free");
    }

    #[test]
    fn a_released_user_is_the_last_to_be_handed_out_again() {
        let (folder, memory) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir_in("/dev/shm").expect("memory"));
        let (home, _lock) = Home::open(folder.path(), Some(memory.path())).expect("opens");
        let users = pool("4100000000-4100000002");
        let given: Vec<_> = (1..=4)
            .map(|number| {
                let execution = attempt(&home, number);
                let uid = users.hold(&home, execution).expect("free");
                home.exec(execution).release_user().expect("released");
                uid
            })
            .collect();
        assert_eq!(given, [4_100_000_000, 4_100_000_001, 4_100_000_002, 4_100_000_000]);
    }

    #[test]
    fn a_user_with_a_process_is_not_handed_out() {
        let (folder, memory) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir_in("/dev/shm").expect("memory"));
        let (home, _lock) = Home::open(folder.path(), Some(memory.path())).expect("opens");
        // This very process is one of its own user's.
        let own = rustix::process::geteuid().as_raw();
        let users = UserPool::unclaimed(UidRange { first: own, last: own });
        assert_eq!(users.spare(&home).expect("readable"), None);
    }
}
