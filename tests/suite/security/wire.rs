//! What leaves for a platform, and for nobody else: an authority that nobody knows, and an answer that leads elsewhere.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use paceline::domain::outcome::Reply;
use paceline::engine::ports::Request;
use paceline::{settings, wiring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::harness::rabbitmq::issue_certificates;

const SECRET: &str = "Bearer hunter2";

fn request(url: String) -> Request {
    Request {
        http_method: "POST".to_owned(),
        url,
        authorization: Some(SECRET.to_owned()),
        body: Some("{}".into()),
        log_id_header: "x-log-id".to_owned(),
        reset_header: "x-reset".to_owned(),
        timeout: Duration::from_secs(10),
    }
}

async fn send(url: String, variables: &[(&str, &str)]) -> Reply {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings = settings::load(None, variables).unwrap();
    wiring::transport(&settings).unwrap().send(request(url)).await
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (platform, elsewhere) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = elsewhere.local_addr().unwrap();
    let url = format!("http://{}/open-apis/x", platform.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = platform.accept().unwrap();
        let mut head = [0; 4096];
        let read = stream.read(&mut head).unwrap();
        let answer =
            format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{address}/\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&head[..read]).into_owned()
    });
    let Reply::Answered(answer) = send(url, &[]).await else { panic!("it is no answer") };
    assert_eq!(answer.status, 307);
    assert!(serving.join().unwrap().contains(SECRET), "the platform itself was asked");
    // Whoever is connected to it waits in the line, whether anybody takes it or not.
    elsewhere.set_nonblocking(true).unwrap();
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

/// A server with a certificate for `localhost`; what it was told after the handshake, or why there was none.
fn serve(listener: TcpListener, config: Arc<ServerConfig>) -> std::thread::JoinHandle<Result<String, String>> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut tls = ServerConnection::new(config).unwrap();
        let mut tls = rustls::Stream::new(&mut tls, &mut stream);
        let mut head = [0; 4096];
        let read = tls.read(&mut head).map_err(|error| error.to_string())?;
        let _ = tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
        Ok(String::from_utf8_lossy(&head[..read]).into_owned())
    })
}

#[tokio::test]
async fn a_platform_of_an_unknown_authority_or_another_name_is_told_nothing() {
    let folder = tempfile::tempdir().unwrap();
    issue_certificates(folder.path());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate = CertificateDer::from_pem_file(folder.path().join("node.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.path().join("node.key")).unwrap();
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).map(Arc::new).unwrap();
    let ca = folder.path().join("ca.pem");
    let trusted = [("PACELINE_HTTP__CA_FILE", ca.to_str().unwrap())];
    for (host, variables, is_told) in
        [("localhost", &[][..], false), ("127.0.0.1", &trusted[..], false), ("localhost", &trusted[..], true)]
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{host}:{}/open-apis/x", listener.local_addr().unwrap().port());
        let serving = serve(listener, Arc::clone(&config));
        let reply = send(url, variables).await;
        let told = serving.join().unwrap();
        assert_eq!(matches!(reply, Reply::Answered(_)), is_told, "{host}: {reply:?}");
        assert_eq!(told.is_ok_and(|head| head.contains(SECRET)), is_told, "{host}");
    }
}
