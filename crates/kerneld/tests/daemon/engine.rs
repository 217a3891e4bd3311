//! The laws of the state machine, whatever comes in whatever order.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use kerneld::{Action, Delay, Ended, Engine, JobId, ReplyId, RoutePrograms, Served, Settings, Unloading, Verbosity};
use proptest::prelude::*;
use uapi::kerneld::{Message, Request};

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    Message {
        mtype: u32,
        wants_reply: bool,
        text: &'static str,
    },
    /// The nth running job ends.
    Ended {
        nth: usize,
        status: i32,
    },
    Time {
        seconds: u64,
    },
}

const WORDS: &[&str] = &["vfat", "fat", "1.2.3.4", "on", "off", "keep", "nokeep", "delay=2", "delay=7", "flush", "", "-x", "a b"];

fn event() -> impl Strategy<Value = Event> {
    let mtype = prop_oneof![4 => 1_u32..9, 1 => Just(255), 1 => any::<u32>()];
    prop_oneof![
        6 => (mtype, any::<bool>(), proptest::sample::select(WORDS)).prop_map(|(mtype, wants_reply, text)| Event::Message { mtype, wants_reply, text }),
        3 => (0_usize..4, 0..9).prop_map(|(nth, status)| Event::Ended { nth, status }),
        2 => (1_u64..4).prop_map(|seconds| Event::Time { seconds }),
    ]
}

/// What the world around the engine knows.
struct World {
    engine: Engine,
    now: Instant,
    /// Who waits, and how many replies he got.
    replies: HashMap<u32, usize>,
    running: Vec<JobId>,
    last_load: Instant,
}

impl World {
    fn new(settings: Settings) -> Self {
        let now = Instant::now();
        let engine = Engine::new(settings, Served::default(), now);
        Self { engine, now, replies: HashMap::new(), running: Vec::new(), last_load: now }
    }

    /// Does what the engine wants; answers whether it wanted a pass.
    fn perform(&mut self, actions: Vec<Action>) -> Result<bool, TestCaseError> {
        let mut pass = false;
        let mut actions = VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Start { job, .. } => {
                    prop_assert!(!self.running.contains(&job), "started twice");
                    self.running.push(job);
                    actions.extend(self.engine.started(job, 1000));
                }
                Action::Quit { job } => prop_assert!(self.running.contains(&job), "told to quit, but does not run"),
                Action::Reply { to, .. } => {
                    let count = self.replies.get_mut(&to.mtype());
                    let count = count.ok_or_else(|| TestCaseError::fail("a reply that nobody waits for"))?;
                    *count += 1;
                    prop_assert_eq!(*count, 1, "two replies to one request");
                }
                Action::Autoclean => pass = true,
                Action::Log(..) => {}
            }
        }
        Ok(pass)
    }

    fn step(&mut self, event: &Event, id: u32) -> Result<(), TestCaseError> {
        match event {
            Event::Message { mtype, wants_reply, text } => {
                if *wants_reply {
                    self.replies.insert(id, 0);
                }
                let id = if *wants_reply { i64::from(id) } else { 0 };
                let message = Message { mtype: *mtype, id, pid: 0, text: (*text).to_owned() };
                let actions = self.engine.message(&message, self.now);
                let starts = actions.iter().filter(|action| matches!(action, Action::Start { .. })).count();
                prop_assert!(starts <= 1);
                let pass = self.perform(actions)?;
                prop_assert!(!pass, "a message is no tick");
            }
            Event::Ended { nth, status } => {
                if *nth < self.running.len() {
                    let job = self.running.remove(*nth);
                    let actions = self.engine.ended(job, Ended::Exit(*status), "");
                    self.perform(actions)?;
                }
            }
            Event::Time { seconds } => self.pass_time(*seconds)?,
        }
        Ok(())
    }

    fn pass_time(&mut self, seconds: u64) -> Result<(), TestCaseError> {
        self.now += Duration::from_secs(seconds);
        let loading = self.engine.jobs().iter().any(|job| job.request == Request::RequestModule);
        let kept = self.engine.settings().unloading == Unloading::Keep;
        let actions = self.engine.tick(self.now);
        if self.perform(actions)? {
            let quiet = self.now.duration_since(self.last_load);
            prop_assert!(!kept && !loading, "no pass with keep or during a load");
            prop_assert!(quiet >= self.engine.settings().delay.duration(), "a pass {quiet:?} after a request to load");
        }
        prop_assert!(self.engine.deadline().is_none_or(|due| due > self.now), "what was due is done");
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Everybody who wants a reply gets exactly one, in the end; nothing runs twice; no pass comes when none may.
    #[test]
    fn every_request_is_answered_once(
        events in proptest::collection::vec(event(), 1..120),
        route in any::<bool>(),
        keep in any::<bool>(),
    ) {
        let settings = Settings {
            delay: Delay::from_seconds(5).unwrap(),
            unloading: if keep { Unloading::Keep } else { Unloading::Allowed },
            verbosity: Verbosity::Debug,
            route: if route { RoutePrograms::Present } else { RoutePrograms::Absent },
        };
        let mut world = World::new(settings);
        for (id, event) in (1..).zip(&events) {
            if let Event::Message { mtype: 2, text: "vfat" | "fat" | "on" | "off" | "keep" | "nokeep" | "flush" | "1.2.3.4" | "delay=2" | "delay=7", .. } = event {
                world.last_load = world.now;
            }
            world.step(event, id)?;
        }
        // Let everything come to its end: sleepers first, then whatever runs, blankers told to quit among it.
        world.pass_time(1000)?;
        while let Some(job) = world.running.pop() {
            let actions = world.engine.ended(job, Ended::Exit(0), "");
            world.perform(actions)?;
        }
        let unanswered = world.replies.values().filter(|count| **count == 0).count();
        prop_assert_eq!(unanswered, 0);
        prop_assert_eq!(world.engine.jobs().iter().count(), 0);
    }
}

fn message(request: Request, id: i64, text: &str) -> Message {
    Message { mtype: request.code(), id, pid: 0, text: text.to_owned() }
}

#[test]
fn the_next_kernel_gets_no_reply_of_the_one_before_and_can_turn_off_its_blanker() {
    let mut world = World::new(Settings::default());
    for (id, request, text) in [(1, Request::RequestModule, "vfat"), (2, Request::Blanker, "on"), (3, Request::DelayedReleaseModule, "fat")]
    {
        world.replies.insert(id, 0);
        let actions = world.engine.message(&message(request, i64::from(id), text), world.now);
        world.perform(actions).unwrap();
    }
    assert_eq!(world.replies, HashMap::from([(1, 0), (2, 1), (3, 0)]));
    world.engine.forget(world.now);
    let left: Vec<Request> = world.engine.jobs().iter().map(|job| job.request).collect();
    assert_eq!(left, [Request::Blanker]);
    let (vfat, blanker) = (world.running[0], world.running[1]);
    assert_eq!(world.engine.ended(vfat, Ended::Exit(0), ""), []);
    let off = world.engine.message(&message(Request::Blanker, 9, "off"), world.now);
    assert_eq!(off, [Action::Quit { job: blanker }]);
    let reply = Action::Reply { to: ReplyId::from_message(9).unwrap().unwrap(), status: 0, text: String::new() };
    assert_eq!(world.engine.ended(blanker, Ended::Signal(3), ""), [reply]);
}

#[test]
fn whoever_waits_is_counted_and_answered() {
    let mut world = World::new(Settings::default());
    let mut id = 0;
    while world.engine.can_take() {
        id += 1;
        let actions = world.engine.message(&message(Request::RequestModule, id, "vfat"), world.now);
        world.perform(actions).unwrap();
    }
    assert_eq!(usize::try_from(id).unwrap(), kerneld::MAX_WAITERS);
    assert_eq!(world.running.len(), 1);
    let replies = world.engine.ended(world.running[0], Ended::Exit(3), "");
    assert_eq!(replies.len(), kerneld::MAX_WAITERS);
    assert!(world.engine.can_take());
}
