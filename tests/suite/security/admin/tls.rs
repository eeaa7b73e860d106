//! Real handshakes: without a client's certificate, with one of another authority, with one whose time is over.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use paceline::admin::Access;
use paceline::settings::{self, Settings};
use paceline::wiring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::super::super::harness::admin::{Served, TOKEN, access, status};

const SETTINGS: &str = "[admin]\ntls_cert = \"server.pem\"\ntls_key = \"server.key\"\nclient_ca = \"ca.pem\"\n";

/// Authorities `ca` and `other`, and certificates by them.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        for authority in ["ca", "other"] {
            let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
            files.openssl(&format!(
                "req -x509 {key} -subj /CN={authority} -keyout {authority}.key -out {authority}.pem"
            ));
        }
        for (name, authority, days) in [
            ("server", "ca", 2),
            ("renewed", "ca", 2),
            ("good", "ca", 2),
            ("foreign", "other", 2),
            ("expired", "ca", -1),
        ] {
            files.issue(name, authority, days);
        }
        files
    }

    fn issue(&self, name: &str, authority: &str, days: i32) {
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        self.openssl(&format!("req {key} -subj /CN={name} -keyout {name}.key -out {name}.csr"));
        std::fs::write(self.path("ext"), "subjectAltName=DNS:localhost\n").unwrap();
        let by = format!("-CA {authority}.pem -CAkey {authority}.key -CAcreateserial");
        self.openssl(&format!("x509 -req -in {name}.csr {by} -days {days} -extfile ext -out {name}.pem"));
        std::fs::set_permissions(self.path(&format!("{name}.key")), PermissionsExt::from_mode(0o600)).unwrap();
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(self.0.path()).output();
        let output = output.expect("this test needs the openssl command");
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// The settings of a text, in which files stand by their names.
    fn settings(&self, text: &str) -> Result<Settings, String> {
        let file = self.path("paceline.toml");
        let folder = self.0.path().display();
        let text = text.replace("= \"", &format!("= \"{folder}/"));
        std::fs::write(&file, text).unwrap();
        settings::load(Some(&file), std::iter::empty()).map_err(|faults| faults.to_string())
    }

    fn access(&self, text: &str) -> Access {
        let tls = wiring::admin_access(&self.settings(text).unwrap()).tls;
        assert!(tls.is_some());
        Access { tls, ..access() }
    }

    fn certificate(path: &Path) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(path).unwrap()
    }

    /// Asks over TLS, with this certificate; nothing, if there is no connection. Also the server's certificate.
    async fn ask(&self, served: &Served, client: Option<&str>, headers: &str) -> (String, Option<Vec<u8>>) {
        let mut roots = RootCertStore::empty();
        roots.add(Self::certificate(&self.path("ca.pem"))).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots);
        let config = match client {
            Some(name) => {
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
                let chain = vec![Self::certificate(&self.path(&format!("{name}.pem")))];
                config.with_client_auth_cert(chain, key).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        let name = ServerName::try_from("localhost").unwrap();
        let Ok(mut stream) = TlsConnector::from(Arc::new(config)).connect(name, served.connect().await).await else {
            return (String::new(), None);
        };
        let shown = stream.get_ref().1.peer_certificates().map(|chain| chain[0].to_vec());
        let request = format!("GET /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n");
        let mut answer = Vec::new();
        // With TLS 1.3 a client learns only now that its certificate is refused.
        if stream.write_all(request.as_bytes()).await.is_ok() {
            let _ = stream.read_to_end(&mut answer).await;
        }
        (String::from_utf8_lossy(&answer).into_owned(), shown)
    }
}

#[tokio::test]
async fn only_clients_with_a_certificate_of_the_authority_are_answered() {
    let files = Files::new();
    let served = Served::new(&Access { reads_openly: false, ..files.access(SETTINGS) }).await;
    let right = format!("Authorization: Bearer {TOKEN}\r\n");
    for client in [None, Some("foreign"), Some("expired")] {
        let (answer, _) = files.ask(&served, client, &right).await;
        assert_eq!(answer, "", "{client:?}");
    }
    let (answer, _) = files.ask(&served, Some("good"), &right).await;
    assert_eq!(status(&answer), 200, "{answer}");
    // The same guard stands behind it.
    for (headers, wanted) in [
        (String::new(), 401),
        (format!("{right}Origin: http://localhost\r\n"), 403),
        (format!("{right}Origin: https://localhost\r\n"), 200),
        (format!("{right}Sec-Fetch-Site: cross-site\r\n"), 403),
        (format!("{right}Host: localhost\r\n"), 400),
    ] {
        let (answer, _) = files.ask(&served, Some("good"), &headers).await;
        assert_eq!(status(&answer), wanted, "{headers}: {answer}");
    }
    // Who speaks plain HTTP is told nothing.
    let plain = served.ask("GET", "/healthz", &[]).await;
    assert!(!plain.contains("HTTP/1.1"), "{plain}");
    served.end().await;
}

#[tokio::test]
async fn half_a_handshake_keeps_nobody_out() {
    let files = Files::new();
    let served = Served::new(&files.access(&SETTINGS.replace("client_ca = \"ca.pem\"\n", ""))).await;
    let mut half = Vec::new();
    for n in 0..130 {
        let mut stream = served.connect().await;
        // Nothing, or the beginning of a ClientHello.
        stream.write_all(if n % 2 == 0 { b"" } else { b"\x16\x03\x01\x02" }).await.unwrap();
        half.push(stream);
    }
    let (answer, _) = files.ask(&served, None, "").await;
    assert_eq!(status(&answer), 200, "{answer}");
    drop(half);
    served.end().await;
}

#[tokio::test]
async fn a_reload_takes_the_new_certificate_and_the_new_authority() {
    let files = Files::new();
    let served = Served::new(&files.access(SETTINGS)).await;
    let der = |name: &str| Some(Files::certificate(&files.path(name)).to_vec());
    assert_eq!(files.ask(&served, Some("good"), "").await.1, der("server.pem"));
    let before = files.settings(SETTINGS).unwrap();
    for ending in ["pem", "key"] {
        std::fs::copy(files.path(&format!("renewed.{ending}")), files.path(&format!("server.{ending}"))).unwrap();
    }
    std::fs::copy(files.path("other.pem"), files.path("ca2.pem")).unwrap();
    let text = SETTINGS.replace("\"ca.pem\"", "\"ca2.pem\"");
    served.door().let_in(&files.access(&text));
    let (answer, shown) = files.ask(&served, Some("foreign"), "").await;
    assert_eq!((status(&answer), shown), (200, der("renewed.pem")), "{answer}");
    assert_eq!(files.ask(&served, Some("good"), "").await.0, "", "its authority is not let in any more");
    let changed = settings::changes(&before, &files.settings(&text).unwrap());
    let keys: Vec<_> = changed.at_once.iter().map(|(key, ..)| *key).collect();
    assert_eq!(keys, ["admin.tls_cert", "admin.client_ca"], "{changed:?}");
    served.end().await;
}

#[test]
fn a_key_that_others_can_read_and_what_does_not_fit_are_refused_and_not_shown() {
    let files = Files::new();
    let secret = std::fs::read_to_string(files.path("server.key")).unwrap();
    let line = secret.lines().nth(1).unwrap();
    std::fs::write(files.path("none.pem"), line).unwrap();
    std::fs::set_permissions(files.path("none.pem"), PermissionsExt::from_mode(0o600)).unwrap();
    for (text, why) in [
        ("[admin]\ntls_cert = \"server.pem\"\n", "admin.tls_cert: expected admin.tls_key as well"),
        ("[admin]\ntls_key = \"server.key\"\n", "admin.tls_key: expected admin.tls_cert as well"),
        ("[admin]\nclient_ca = \"ca.pem\"\n", "admin.client_ca: expected admin.tls_cert as well"),
        ("[admin]\ntls_cert = \"server.pem\"\ntls_key = \"good.key\"\n", "admin.tls_key: expected the key of"),
        ("[admin]\ntls_cert = \"server.pem\"\ntls_key = \"none.pem\"\n", "admin.tls_key: expected a private key"),
        ("[admin]\ntls_cert = \"none.pem\"\ntls_key = \"server.key\"\n", "admin.tls_cert: expected certificates"),
        ("[admin]\ntls_cert = \"nowhere.pem\"\ntls_key = \"server.key\"\n", "admin.tls_cert: "),
    ] {
        let faults = files.settings(text).unwrap_err();
        assert!(faults.contains(why) && !faults.contains(line), "{text}: {faults}");
    }
    std::fs::set_permissions(files.path("server.key"), PermissionsExt::from_mode(0o644)).unwrap();
    let faults = files.settings(SETTINGS).unwrap_err();
    assert!(faults.contains("can be read by other users") && faults.contains("chmod 600"), "{faults}");
}
