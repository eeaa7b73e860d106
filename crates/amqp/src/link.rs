//! A connection that is made again for ever: connect, watch, wait a little, connect; with several addresses, to the next
//! one that lets us in.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::address::Address;
use super::options::Options;
use super::session::{Session, probe};
use super::{retry_delay, until_stopped};
use paceline_domain::messages::{BrokerCause, BrokerFault, LinkState};
use paceline_domain::time::{Mono, Timestamp};
use paceline_ports::clock::Clock;

/// A connection that held this long was a good one: the next failure is the first in a row again.
const GOOD_AFTER: Duration = Duration::from_secs(5);
/// Over TLS silence cannot be probed without the client, whose waiting threads are not given back.
const SILENT_TLS_DELAY: Duration = Duration::from_secs(60);

/// What workers hold of a supervised connection.
#[derive(Clone)]
pub struct Link {
    sessions: watch::Receiver<Option<Arc<Session>>>,
    states: watch::Receiver<LinkState>,
}

/// Keeps the connection of a [`Link`] up.
pub struct Supervisor {
    /// In random order, so that workers spread over a cluster's nodes.
    nodes: Vec<Node>,
    /// The one to try next.
    next: usize,
    options: Options,
    /// As the management page shows it.
    name: &'static str,
    clock: Clock,
    sessions: watch::Sender<Option<Arc<Session>>>,
    states: watch::Sender<LinkState>,
    /// Failures in a row.
    failures: u32,
    down_since: Option<Timestamp>,
    /// The last connection did not hold.
    flapping: bool,
    /// The next loss is one of many and goes unsaid.
    quiet: bool,
}

/// One address, and what came of the last try.
struct Node {
    address: Address,
    fault: Option<BrokerFault>,
    /// Nothing answered.
    is_silent: bool,
    rests_until: Option<Mono>,
}

impl Node {
    const fn new(address: Address) -> Self {
        Self { address, fault: None, is_silent: false, rests_until: None }
    }

    /// Looks its name up anew and connects.
    async fn open(&mut self, options: &Options, name: &str) -> Result<Session, BrokerFault> {
        if self.is_silent {
            probe(&self.address).await?;
        }
        let opened = Session::open(&self.address, options, name).await;
        self.is_silent = opened.as_ref().is_err_and(is_silence);
        opened
    }
}

impl Link {
    /// A link and what keeps it up; `name` is what RabbitMQ's management page shows.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn new(options: &Options, name: &'static str, clock: Clock) -> Result<(Self, Supervisor), BrokerFault> {
        let mut addresses = Address::parse_all(&options.urls)?;
        fastrand::shuffle(&mut addresses);
        let (sessions, sessions_read) = watch::channel(None);
        let (states, states_read) = watch::channel(LinkState::Connecting);
        let supervisor = Supervisor {
            nodes: addresses.into_iter().map(Node::new).collect(),
            next: 0,
            options: options.clone(),
            name,
            clock,
            sessions,
            states,
            failures: 0,
            down_since: None,
            flapping: false,
            quiet: false,
        };
        Ok((Self { sessions: sessions_read, states: states_read }, supervisor))
    }

    /// How the connection stands now.
    pub fn state(&self) -> LinkState {
        self.states.borrow().clone()
    }

    /// Follows how the connection stands, for readiness and `status`.
    pub fn states(&self) -> watch::Receiver<LinkState> {
        self.states.clone()
    }

    /// Waits for an open connection; `None` when there will be none any more.
    pub(super) async fn session(&self) -> Option<Arc<Session>> {
        let mut sessions = self.sessions.clone();
        let found = sessions.wait_for(|session| session.as_ref().is_some_and(|session| !session.is_lost())).await;
        found.ok().and_then(|session| session.clone())
    }
}

impl Supervisor {
    /// Connects and reconnects until told to stop, then closes. To be awaited before the runtime ends.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let opened = tokio::select! {
                opened = self.open() => opened,
                () = until_stopped(&mut stop) => break,
            };
            let fault = match opened {
                Ok(session) => match self.hold(session, &mut stop).await {
                    Some(fault) => fault,
                    None => break,
                },
                Err(fault) => fault,
            };
            let delay = self.delay();
            self.report_down(fault);
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = until_stopped(&mut stop) => break,
            }
        }
        self.states.send_replace(LinkState::Closed);
    }

    /// Opens a session at the first address that lets it in, beginning behind the one of the last try; on failure says
    /// what each of them said.
    async fn open(&mut self) -> Result<Session, BrokerFault> {
        let count = self.nodes.len();
        for left in (0..count).rev() {
            let node = &mut self.nodes[self.next];
            self.next = (self.next + 1) % count;
            if node.rests_until.is_some_and(|until| self.clock.mono() < until) {
                continue;
            }
            let fault = match node.open(&self.options, self.name).await {
                Ok(session) => return Ok(session),
                Err(fault) => fault,
            };
            if node.is_silent && node.address.tls() {
                node.rests_until = Some(self.clock.mono() + SILENT_TLS_DELAY);
            }
            if left > 0 && self.down_since.is_none() {
                tracing::warn!(connection = self.name, "{fault}; trying the next address");
            }
            node.fault = Some(fault);
        }
        Err(BrokerFault::joined(self.nodes.iter().filter_map(|node| node.fault.clone()).collect()))
    }

    /// Keeps a session until it is lost (then says why) or the process stops.
    async fn hold(&mut self, session: Session, stop: &mut watch::Receiver<bool>) -> Option<BrokerFault> {
        let session = Arc::new(session);
        let opened_at = self.clock.mono();
        let again = if self.down_since.take().is_some() { " again" } else { "" };
        if self.flapping {
            tracing::debug!(connection = self.name, broker = %session.address(), "connected to RabbitMQ{again}");
        } else {
            tracing::info!(connection = self.name, broker = %session.address(), "connected to RabbitMQ{again}");
        }
        self.states.send_replace(LinkState::Connected);
        self.sessions.send_replace(Some(Arc::clone(&session)));
        let fault = tokio::select! {
            fault = session.until_lost() => Some(fault),
            () = self.follow_blocked(&session) => None,
            () = self.log_recovered(&session) => None,
            () = session.renew_tokens(&self.clock) => None,
            () = until_stopped(stop) => None,
        };
        self.sessions.send_replace(None);
        session.close().await;
        let was_flapping = self.flapping;
        self.flapping = self.clock.mono().since(opened_at) < GOOD_AFTER;
        if !self.flapping {
            self.failures = 0;
        }
        // One outage that lets connections through for a moment is said once.
        self.quiet = was_flapping && self.flapping;
        fault
    }

    /// After connections that did not hold, the one that does is the end of the outage; never ends before the session does.
    async fn log_recovered(&self, session: &Session) {
        if self.flapping {
            tokio::time::sleep(GOOD_AFTER).await;
            tracing::info!(connection = self.name, broker = %session.address(), "connected to RabbitMQ again");
        }
        std::future::pending::<()>().await;
    }

    /// Tells of alarms; never ends before the session does.
    async fn follow_blocked(&self, session: &Session) {
        let mut blocked = session.blocked();
        while blocked.changed().await.is_ok() {
            let state = match blocked.borrow_and_update().clone() {
                Some(reason) => LinkState::Blocked { reason },
                None => LinkState::Connected,
            };
            tracing::warn!(connection = self.name, "RabbitMQ: {state}");
            self.states.send_replace(state);
        }
        std::future::pending::<()>().await;
    }

    fn delay(&mut self) -> Duration {
        let delay = retry_delay(self.failures);
        self.failures = self.failures.saturating_add(1);
        let all_rest = self.nodes.iter().all(|node| node.rests_until.is_some_and(|until| self.clock.mono() < until));
        if all_rest { SILENT_TLS_DELAY } else { delay }
    }

    fn report_down(&mut self, fault: BrokerFault) {
        let now = self.clock.now();
        // Said once per outage; `status` shows the latest fault.
        if self.down_since.is_none() && !std::mem::take(&mut self.quiet) {
            tracing::warn!(connection = self.name, "{fault}; trying again until it works");
        }
        let since = *self.down_since.get_or_insert(now);
        let down = LinkState::Down { since_at: since.to_string(), fault };
        // Another try alone is no news.
        self.states.send_if_modified(|state| {
            let changes = *state != down;
            *state = down;
            changes
        });
    }
}

fn is_silence(fault: &BrokerFault) -> bool {
    matches!(fault, BrokerFault::Curable { cause: BrokerCause::BrokerSilent { .. }, .. })
}
