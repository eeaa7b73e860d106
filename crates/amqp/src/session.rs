//! One open connection: it says when it is lost or blocked, and never repairs itself.
//!
//! The client's own recovery stays off: while it runs, consumers are silent, publications hang, and when its attempts
//! are used up it ends without a word. [`super::link`] makes a new session instead.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use lapin::{Channel, Connection, ConnectionProperties, ConnectionStatus, Event};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Mutex, watch};

use super::address::Address;
use super::fault::{self, Error};
use super::options::Options;
use super::sign_in::{self, SignIn, Token, TokenSource};
use super::wire;
use super::wire::meter::Meter;
use super::{CLOSE_TIMEOUT, CONNECT_TIMEOUT, answered};
use paceline_domain::messages::{BrokerCause, BrokerFault, BrokerStep};
use paceline_ports::clock::Clock;

/// How often the connection's status is looked at besides its events: its thread may end without one.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// An open connection.
pub(crate) struct Session {
    address: Address,
    connection: Connection,
    lost: watch::Sender<Option<BrokerFault>>,
    blocked: watch::Receiver<Option<String>>,
    meter: Arc<Meter>,
    /// What it has signed in with, if that ends.
    token: Mutex<Option<(TokenSource, Token)>>,
}

impl Session {
    /// Connects, within [`CONNECT_TIMEOUT`].
    pub(super) async fn open(address: &Address, options: &Options, name: &str) -> Result<Self, BrokerFault> {
        let sign_in = SignIn::of(address, options);
        let tls = sign_in::tls(options)?;
        let token = match &options.token {
            Some(source) => Some((source.clone(), source.read().await?)),
            None => None,
        };
        let uri = sign_in.uri(address, token.as_ref().map(|(_, token)| token));
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let meter = Arc::new(Meter::default());
        let connecting = wire::connect(uri, properties, tls, options.body_bytes_max, &meter);
        let connection = match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(fault::of_connect(address, sign_in, &error)),
            Err(_) => return Err(fault::of_silence(address, CONNECT_TIMEOUT.as_secs())),
        };
        let (lost, _) = watch::channel(None);
        let (tell_blocked, blocked) = watch::channel(None);
        // One listener: the client's listeners share one queue, so a second would take events from this one.
        let events = Box::pin(connection.events_listener());
        let status = connection.status().clone();
        tokio::spawn(follow(events, status, address.clone(), lost.clone(), tell_blocked));
        Ok(Self { address: address.clone(), connection, lost, blocked, meter, token: Mutex::new(token) })
    }

    /// Where it goes.
    pub(super) const fn address(&self) -> &Address {
        &self.address
    }

    /// A fresh channel. Whatever the broker refuses closes the channel it was asked on, so risky questions get their own.
    pub(super) async fn channel(&self) -> Result<Channel, Error> {
        answered(BrokerStep::OpeningChannel, self.connection.create_channel()).await
    }

    /// Waits until the connection is gone, and says why.
    pub(super) async fn until_lost(&self) -> BrokerFault {
        let mut lost = self.lost.subscribe();
        let fault = lost.wait_for(Option::is_some).await.ok().and_then(|fault| fault.clone());
        fault.unwrap_or_else(|| BrokerFault::new(BrokerCause::ConnectionDropped, None))
    }

    /// Whether the connection is gone.
    pub(super) fn is_lost(&self) -> bool {
        // The status is set before anybody hears of it; the reason follows.
        self.lost.borrow().is_some() || !self.connection.status().connected()
    }

    /// Gives the connection up because the broker no longer answers on it.
    pub(super) fn abandon(&self, error: &Error) {
        let before = Box::new(error.fault());
        let fault = BrokerFault::new(BrokerCause::ConnectionGivenUp { before }, None);
        self.lost.send_if_modified(|lost| lost.is_none() && lost.replace(fault).is_none());
    }

    /// Why the broker takes no messages on this connection for the moment, if so.
    pub(super) fn blocked(&self) -> watch::Receiver<Option<String>> {
        self.blocked.clone()
    }

    /// What is delivered on this connection and not taken over yet.
    pub(super) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// Gives RabbitMQ a new token before the one it has ends, again and again; never ends before the session does.
    pub(super) async fn renew_tokens(&self, clock: &Clock) {
        let Some((source, mut token)) = self.token.lock().await.take() else { return std::future::pending().await };
        loop {
            tokio::time::sleep(token.renew_in(clock.now())).await;
            let new = match source.read().await {
                Ok(new) if new.expose() == token.expose() => continue,
                Ok(new) => new,
                Err(fault) => {
                    tracing::warn!(broker = %self.address, "{fault}; asking again before the present one ends");
                    continue;
                }
            };
            let update = self.connection.update_secret(new.expose().into(), "the token is renewed".into());
            match answered(BrokerStep::RenewingToken, update).await {
                Ok(()) => tracing::debug!(broker = %self.address, "gave RabbitMQ a new token"),
                // RabbitMQ then closes the connection, and the next one begins with a token read anew.
                Err(error) => tracing::warn!(broker = %self.address, "{error}"),
            }
            token = new;
        }
    }

    /// Closes the connection politely. To be called before the runtime ends.
    pub(super) async fn close(&self) {
        // An error here means that it is closed already, or a channel still is closing; there is nothing to do about it.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.connection.close(200, "OK".into())).await;
    }
}

/// Follows a connection until it is lost.
async fn follow(
    mut events: impl Stream<Item = Event> + Unpin,
    status: ConnectionStatus,
    address: Address,
    lost: watch::Sender<Option<BrokerFault>>,
    blocked: watch::Sender<Option<String>>,
) {
    let mut last_error = None;
    let mut ended = lost.subscribe();
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::ConnectionBlocked(reason)) => { blocked.send_replace(Some(reason)); }
                Some(Event::ConnectionUnblocked) => { blocked.send_replace(None); }
                // A channel's error arrives here too; only the status tells whose it was.
                Some(Event::Error(error)) => last_error = Some(error),
                Some(_) => {}
                None => break,
            },
            _ = ended.wait_for(Option::is_some) => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if !status.connected() {
            break;
        }
    }
    let fault = match last_error {
        Some(error) => fault::of_loss(&address, &error),
        None => BrokerFault::new(BrokerCause::ConnectionEnded { address: address.to_string() }, None),
    };
    lost.send_if_modified(|lost| lost.is_none() && lost.replace(fault).is_none());
}

/// Whether something that could be the broker answers at all, without the client.
///
/// The client has a thread per connection, and one that waits for a handshake cannot be taken back: after one silent
/// try, the next are made with this until something answers.
pub(super) async fn probe(address: &Address) -> Result<(), BrokerFault> {
    let answer = async {
        let mut stream = tokio::net::TcpStream::connect((address.host(), address.port())).await?;
        if !address.tls() {
            stream.write_all(b"AMQP\x00\x00\x09\x01").await?;
            stream.read_u8().await?;
        }
        Ok::<(), std::io::Error>(())
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, answer).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(fault::of_connect(address, SignIn::Password, &lapin::Error::from(error))),
        Err(_) => Err(fault::of_silence(address, CONNECT_TIMEOUT.as_secs())),
    }
}
