//! The channels that results leave by.

use std::sync::Arc;

use lapin::Channel;

use super::fault::Error;
use super::options::Options;
use super::outgoing::Destination;
use super::publish::confirming;
use super::session::Session;
use super::topology;

/// What a destination's failure asks for before the next try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Renew {
    #[default]
    Nothing,
    /// It refused: RabbitMQ 3.10 goes on refusing on that very channel when the queue's limit was raised or lifted. The
    /// queue itself is left alone, it may have been declared otherwise meanwhile.
    Channels,
    /// It was missing: everything is declared again.
    Everything,
}

/// One for queues and one for the exchange: what the broker answers with a closed channel concerns one of them alone.
pub(super) struct Channels {
    queues: Arc<Channel>,
    exchange: Arc<Channel>,
}

impl Channels {
    pub(super) async fn open(session: &Session) -> Result<Self, Error> {
        Ok(Self { queues: confirming(session).await?.into(), exchange: confirming(session).await?.into() })
    }

    /// The same with everything declared that is published to.
    pub(super) async fn declared(session: &Session, options: &Options) -> Result<Self, Error> {
        topology::declare_outgoing(session, options).await?;
        Self::open(session).await
    }

    pub(super) const fn to(&self, to: &Destination) -> &Arc<Channel> {
        match to {
            Destination::Subscribers => &self.exchange,
            Destination::Results | Destination::Dead | Destination::Reply(_) => &self.queues,
        }
    }

    pub(super) async fn close(&self) {
        topology::close(&self.queues).await;
        topology::close(&self.exchange).await;
    }
}
