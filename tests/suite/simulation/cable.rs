//! The way to a simulated platform that outlives the worker: what has left arrives, whoever sent it may be dead.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use paceline::clock::Clock;
use paceline::domain::outcome::{Answer, Reply};
use paceline::domain::reset::Reset;
use paceline::domain::time::{Mono, Timestamp};
use paceline::engine::ports::{Request, Transport};
use paceline::simulator::{Departure, SimReply, SimRequest, World, target_of};

use super::plan::Cuts;

/// As a careful HTTP client.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The platform with the requests that are on their way to it.
pub(super) struct Platform {
    world: Mutex<World>,
    began: Timestamp,
    cuts: Cuts,
    dice: Mutex<Rng>,
    flights: Mutex<Flights>,
}

#[derive(Default)]
struct Flights {
    next: u64,
    /// By the instant of arrival.
    travelling: BTreeMap<(Timestamp, u64), (SimRequest, Departure)>,
}

impl Platform {
    /// `world` was made by a clock that said `began`.
    pub(super) fn new(world: World, began: Timestamp, cuts: Cuts) -> Arc<Self> {
        let dice = Mutex::new(Rng::with_seed(cuts.seed));
        Arc::new(Self { world: Mutex::new(world), began, cuts, dice, flights: Mutex::default() })
    }

    /// How long the request of a connection that breaks travels, and when it breaks; `None` for one that holds.
    fn cut(&self, now: Timestamp) -> Option<(Duration, Duration)> {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= self.cuts.until || dice.f64() >= self.cuts.chance {
            return None;
        }
        let travel = self.cuts.latest.mul_f64(1.0 - 0.3 * dice.f64());
        Some((travel, travel.mul_f64(dice.f64() * dice.f64())))
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flights(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world's own count of time goes on through all lives.
    fn mono(&self, at: Timestamp) -> Mono {
        Mono(at.0 - self.began.0)
    }

    /// Lets what dead workers have sent arrive: at once what was due while nobody lived, the rest in its time.
    pub(super) fn deliver(self: &Arc<Self>, clock: &Clock) {
        let left: Vec<_> = self.flights().travelling.keys().copied().collect();
        for (at, id) in left {
            if at <= clock.now() {
                drop(self.land(at, id));
            } else {
                drop(tokio::spawn(travel(Arc::clone(self), clock.clone(), at, id)));
            }
        }
    }

    fn land(self: &Arc<Self>, at: Timestamp, id: u64) -> Option<(Aboard, Duration, SimReply)> {
        let (request, departure) = self.flights().travelling.remove(&(at, id))?;
        let answer = self.world().arrive(&request, self.mono(at));
        let aboard = Aboard { platform: Arc::clone(self), departure };
        Some((aboard, answer.after, answer.reply))
    }
}

/// Counts as in flight at the platform until its reply is out, or its connection is gone.
struct Aboard {
    platform: Arc<Platform>,
    departure: Departure,
}

impl Drop for Aboard {
    fn drop(&mut self) {
        if let Some(served) = &self.departure.method {
            self.platform.world().finish(served);
        }
    }
}

async fn travel(platform: Arc<Platform>, clock: Clock, at: Timestamp, id: u64) -> SimReply {
    clock.sleep_until(clock.mono_of(at)).await;
    // An instant of a timer may lie a little later than asked for: the platform counts then.
    let Some((aboard, after, reply)) = platform.land(at, id) else { return SimReply::Cut };
    tokio::time::sleep(after).await;
    drop(aboard);
    reply
}

/// One life's end of the cable.
pub(super) struct Cable {
    pub platform: Arc<Platform>,
    pub clock: Clock,
}

#[async_trait]
impl Transport for Cable {
    async fn send(&self, request: Request) -> Reply {
        let target = target_of(&request.url).expect("the engine builds whole URLs");
        let body = request.body.unwrap_or_default();
        let carried = SimRequest::new(&request.http_method, target, request.authorization, body);
        let now = self.clock.now();
        let mut departure = self.platform.world().depart(&carried, self.platform.mono(now));
        if departure.is_unreachable {
            return Reply::NotSent("no connection could be made".into());
        }
        let cut = self.platform.cut(now);
        if let Some((travel, _)) = cut {
            departure.travel = travel;
        }
        let at = now + departure.travel;
        let id = {
            let mut flights = self.platform.flights();
            flights.next += 1;
            let id = flights.next;
            flights.travelling.insert((at, id), (carried, departure));
            id
        };
        // A task of its own: it goes on when the caller gives up.
        let travelling = tokio::spawn(travel(Arc::clone(&self.platform), self.clock.clone(), at, id));
        let breaks = cut.map_or(request.timeout, |(_, breaks)| breaks.min(request.timeout));
        match tokio::time::timeout(breaks, travelling).await {
            Err(_) if breaks < request.timeout => Reply::Lost("the connection was cut".into()),
            Err(_) => Reply::Lost("no reply in time".into()),
            Ok(reply) => reply_of(reply.expect("travelling"), &request.reset_header, &request.log_id_header),
        }
    }
}

fn reply_of(reply: SimReply, reset_header: &str, log_id_header: &str) -> Reply {
    match reply {
        SimReply::Whole(message) if message.body.len() <= BODY_BYTES_MAX => Reply::Answered(Answer {
            status: message.status,
            reset: Reset::read(message.header(reset_header), None),
            log_id: message.header(log_id_header).map(str::to_owned),
            body: message.body,
            ..Answer::default()
        }),
        SimReply::Whole(_) => Reply::Lost("the reply is too long".into()),
        SimReply::Partial(_) | SimReply::Cut => Reply::Lost("the connection was cut".into()),
        SimReply::Unreachable => Reply::NotSent("no connection could be made".into()),
    }
}
