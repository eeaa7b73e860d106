//! One HTTP call over reqwest and rustls: no retry, no redirect, a capped body, and no URL in any message.

use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::tls::TlsInfo;
use reqwest::{Body, Client, ClientBuilder, Method, Proxy, Url, redirect, retry};

use super::names::SystemNames;
use super::proxy::{Proxies, Used};
use super::timely::{Timely, TooLate};
use paceline_domain::messages::Cause;
use paceline_domain::outcome::{Answer, Reply, speaks_of_limits};
use paceline_domain::reset::Reset;
use paceline_domain::time::Timestamp;
use paceline_ports::clock::Clock;
use paceline_ports::{Request, Transport};

/// What every body is.
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// How calls are carried.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Connecting, TLS included, may take this long.
    pub connect_timeout: Duration,
    /// Longer replies are not read: the call counts as lost.
    pub reply_bytes_max: usize,
    /// Idle connections are closed after this time, before the platform does it in the middle of a request.
    pub pool_idle: Duration,
    /// Further certificate authorities, PEM.
    pub ca_pem: Option<String>,
    /// Whether answers carry the server's certificate, for whoever looks at it.
    pub tells_certificate: bool,
}

/// The HTTP client.
pub struct HttpTransport {
    client: Client,
    clock: Clock,
    proxies: Arc<Proxies>,
    reply_bytes_max: usize,
    latest: Mutex<Option<Url>>,
}

impl HttpTransport {
    /// A client with its own connection pool.
    ///
    /// # Errors
    /// A sentence about the certificate file or the TLS set-up.
    pub fn new(options: &HttpOptions) -> Result<Self, String> {
        let proxies = Arc::new(Proxies::of_environment());
        let client = client_by(options, &proxies)?;
        let clock = Clock::system();
        Ok(Self { client, clock, proxies, reply_bytes_max: options.reply_bytes_max, latest: Mutex::default() })
    }
}

/// What connects and speaks TLS.
///
/// # Errors
/// A sentence about the certificate file or the TLS set-up.
pub fn client(options: &HttpOptions) -> Result<Client, String> {
    client_by(options, &Arc::new(Proxies::of_environment()))
}

fn client_by(options: &HttpOptions, proxies: &Arc<Proxies>) -> Result<Client, String> {
    // A second call in one process finds the provider installed: that is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = proxied(Client::builder(), proxies)
        .user_agent(concat!("paceline/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .dns_resolver(Arc::new(SystemNames))
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(options.pool_idle)
        .tls_info(options.tells_certificate)
        .tcp_nodelay(true);
    if let Some(pem) = &options.ca_pem {
        let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
            .map_err(|_| "http.ca_file: expected certificates in PEM".to_owned())?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| format!("the HTTP client cannot start: {}", innermost(&error)))
}

/// With proxies, the client parses each call's address once more to choose one; without, it need not.
fn proxied(builder: ClientBuilder, proxies: &Arc<Proxies>) -> ClientBuilder {
    if proxies.are_none() {
        return builder.no_proxy();
    }
    let proxies = Arc::clone(proxies);
    builder.proxy(Proxy::custom(move |url| proxies.address_of(url)))
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Reply {
        let Ok(method) = request.http_method.parse::<Method>() else {
            return Reply::NotSent(Cause::UnknownHttpMethod);
        };
        let Some(url) = self.address(&request.url) else { return Reply::NotSent(Cause::RequestNotBuilt) };
        let mut builder = self.client.request(method, url).timeout(request.timeout);
        if let Some(authorization) = &request.authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        if let Some(body) = request.body {
            let body = Timely::new(body, self.clock.clone(), self.clock.mono() + request.timeout);
            builder = builder.header(CONTENT_TYPE, JSON).body(Body::wrap(body));
        }
        let response = match builder.send().await {
            Ok(response) => response,
            Err(error) => return failed(&error, self.proxies.of(&request.url)),
        };
        let status = response.status().as_u16();
        let headers = response.headers();
        let log_id = texts(headers, &request.log_id_header).next().map(str::to_owned);
        let date = texts(headers, DATE.as_str()).next().and_then(Timestamp::parse_http);
        let resets = texts(headers, &request.reset_header).chain(texts(headers, RETRY_AFTER.as_str()));
        let reset = Reset::read(resets, date);
        let limits = limits(headers);
        let tls = response.extensions().get::<TlsInfo>();
        let certificate = tls.and_then(TlsInfo::peer_certificate).map(Bytes::copy_from_slice);
        match self.read(response).await {
            Ok(body) => Reply::Answered(Answer { status, reset, log_id, body, limits, date, certificate }),
            Err(reply) => reply,
        }
    }
}

impl HttpTransport {
    /// An address, parsed. Mostly it is that of the call before.
    fn address(&self, address: &str) -> Option<Url> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.as_ref().is_none_or(|latest| latest.as_str() != address) {
            *latest = Some(address.parse().ok()?);
        }
        latest.clone()
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Bytes, Reply> {
        let mut body = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > self.reply_bytes_max => {
                    return Err(Reply::Lost(Cause::ReplyTooLong { bytes_max: self.reply_bytes_max }));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body.freeze()),
                Err(error) => return Err(failed(&error, None)),
            }
        }
    }
}

/// Sorts failures into surely not sent and maybe applied. The error's own text is not used: it may hold the URL, and
/// WeCom's URLs hold the access token.
fn failed(error: &reqwest::Error, proxy: Option<Used>) -> Reply {
    if error.is_builder() {
        return Reply::NotSent(Cause::RequestNotBuilt);
    }
    if error.is_connect() {
        let why = paceline_host::connect::reason(error, innermost(error));
        return Reply::NotSent(match proxy {
            Some(Used { variable, address }) => {
                Cause::NoConnectionThroughProxy { proxy: address.clone(), variable: variable.to_string(), why }
            }
            None => Cause::NoConnection { why },
        });
    }
    if error.is_timeout() || is_too_late(error) {
        return Reply::Lost(Cause::TimedOut);
    }
    Reply::Lost(Cause::ReplyCut { words: innermost(error) })
}

/// Whether the request was not written, because its time was over.
pub(crate) fn is_too_late(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.is::<TooLate>() {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// The innermost cause: what the operating system or TLS said, without the URL that outer layers add.
pub fn innermost(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = None;
    while let Some(inner) = cause {
        text = Some(inner.to_string());
        cause = inner.source();
    }
    text.unwrap_or_else(|| "no cause given".to_owned())
}

/// The headers that speak of a rate limit, whatever the platform calls them.
fn limits(headers: &HeaderMap) -> Vec<(String, String)> {
    let named = headers.iter().filter(|(name, _)| speaks_of_limits(name.as_str()));
    named.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))).collect()
}

/// Every value of a header that is text; none for no name.
fn texts<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}
