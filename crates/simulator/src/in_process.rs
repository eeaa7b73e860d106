//! The simulator as a transport of the engine: no sockets, and tokio's clock alone, so tests can pause it.

use async_trait::async_trait;

use super::handle::Simulator;
use super::request::{SimMessage, SimReply, SimRequest, target_of};
use paceline_domain::messages::{Cause, Connect};
use paceline_domain::outcome::{Answer, Reply, speaks_of_limits};
use paceline_domain::reset::Reset;
use paceline_ports::{Request, Transport};

/// The largest reply that is read, in bytes; as a careful HTTP client would.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Sends requests to a simulator in the same process, whatever host their URLs name.
#[derive(Clone)]
pub struct InProcess {
    simulator: Simulator,
}

impl InProcess {
    /// A transport to this world.
    pub fn new(simulator: Simulator) -> Self {
        Self { simulator }
    }
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Request) -> Reply {
        let Some(target) = target_of(&request.url) else {
            return Reply::NotSent(Cause::RequestNotBuilt);
        };
        // What the HTTP transport sends with a body.
        let content_type = request.body.is_some().then(|| "application/json; charset=utf-8".to_owned());
        let body = request.body.unwrap_or_default();
        let carried =
            SimRequest::new(&request.http_method, target, request.authorization, body).with_content_type(content_type);
        match tokio::time::timeout(request.timeout, self.simulator.carry(carried)).await {
            Err(_) => Reply::Lost(Cause::TimedOut),
            Ok(SimReply::Whole(message)) if message.body.len() > BODY_BYTES_MAX => {
                Reply::Lost(Cause::ReplyTooLong { bytes_max: BODY_BYTES_MAX })
            }
            Ok(SimReply::Whole(message)) => {
                Reply::Answered(answer(message, &request.reset_header, &request.log_id_header))
            }
            Ok(SimReply::Partial(_)) => cut("in the middle of the reply"),
            Ok(SimReply::Cut) => cut("before the reply"),
            Ok(SimReply::Unreachable) => Reply::NotSent(unreachable()),
        }
    }
}

fn cut(place: &str) -> Reply {
    Reply::Lost(Cause::ReplyCut { words: format!("cut {place}") })
}

fn unreachable() -> Cause {
    Cause::NoConnection { why: Connect::ConnectionRefused { words: "connection refused".to_owned() } }
}

fn answer(message: SimMessage, reset_header: &str, log_id_header: &str) -> Answer {
    let limits = message.headers.iter().filter(|(name, _)| speaks_of_limits(name)).cloned().collect();
    let values = [reset_header, "retry-after"].into_iter().filter_map(|name| message.header(name));
    Answer {
        status: message.status,
        reset: Reset::read(values, None),
        log_id: message.header(log_id_header).map(str::to_owned),
        body: message.body,
        limits,
        ..Answer::default()
    }
}
