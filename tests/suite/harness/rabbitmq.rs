//! A private RabbitMQ node that a test may stop, freeze and starve: own port, home and data, on loopback only.
//!
//! Tests that leave the broker alone use the one that `PACELINE_TEST_AMQP_URL` names instead.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tempfile::TempDir;

use super::until;

/// Where the tests' broker is.
pub(crate) fn shared_url() -> String {
    std::env::var("PACELINE_TEST_AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".to_owned())
}

/// A node of one's own; killed when dropped.
pub(crate) struct Node {
    home: TempDir,
    port: u16,
    dist_port: u16,
    name: String,
    child: Option<Child>,
}

impl Node {
    /// Starts a node and waits until it accepts connections (about 10 s).
    pub(crate) async fn start() -> Self {
        Self::start_with("", |_, _| String::new()).await
    }

    /// Starts a node that speaks TLS only, with a certificate for `localhost` from an authority nobody knows.
    pub(crate) async fn start_tls() -> Self {
        Self::start_with("", |home, port| tls_config(home, port) + "ssl_options.verify = verify_none\n").await
    }

    /// Starts a node that speaks TLS only, and lets in only the user `worker`, by a certificate of its authority.
    pub(crate) async fn start_mutual_tls() -> Self {
        let node = Self::start_with("rabbitmq_auth_mechanism_ssl", |home, port| {
            tls_config(home, port)
                + "ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n\
                   auth_mechanisms.1 = EXTERNAL\nssl_cert_login_from = common_name\n"
        })
        .await;
        node.control(&["add_user", "worker", "nobody-signs-in-with-it"]);
        node.control(&["set_permissions", "worker", ".*", ".*", ".*"]);
        node
    }

    /// Starts a node that also lets in whoever has a token of [`Self::token`].
    pub(crate) async fn start_oauth2() -> Self {
        Self::start_with("rabbitmq_auth_backend_oauth2", |home, _| {
            openssl(home, "genrsa -out token.key 2048");
            openssl(home, "rsa -in token.key -pubout -out token.pub");
            format!(
                "auth_backends.1 = rabbit_auth_backend_oauth2\nauth_backends.2 = rabbit_auth_backend_internal\n\
                 auth_oauth2.resource_server_id = rabbitmq\nauth_oauth2.default_key = ours\n\
                 auth_oauth2.signing_keys.ours = {}\n",
                home.join("token.pub").display()
            )
        })
        .await
    }

    /// A token with every right that ends at this Unix time, and another one each time.
    pub(crate) fn token(&self, ends_at_s: i64) -> String {
        let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let header = part(serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": "ours"}));
        let rights = ["configure", "read", "write"].map(|right| format!("rabbitmq.{right}:*/*"));
        let id = format!("{:016x}", fastrand::u64(..));
        let claims = serde_json::json!({"aud": ["rabbitmq"], "scope": rights, "exp": ends_at_s, "jti": id});
        let signed = format!("{header}.{}", part(claims));
        let home = self.home.path();
        fs::write(home.join("signed"), &signed).unwrap();
        openssl(home, "dgst -sha256 -sign token.key -out signature signed");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(fs::read(home.join("signature")).unwrap()))
    }

    /// A file in its home.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        let files = fs::read_dir(self.file("log")).unwrap().map(|entry| entry.unwrap().path());
        files.map(|file| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned()).collect()
    }

    /// The PEM file of the authority of a TLS node.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.home.path().join("ca.pem")
    }

    async fn start_with(plugin: &str, config: impl FnOnce(&Path, u16) -> String) -> Self {
        let home = tempfile::tempdir().unwrap();
        for folder in ["mnesia", "log"] {
            fs::create_dir(home.path().join(folder)).unwrap();
        }
        // A secret shared with nobody; erlang insists on the mode.
        let cookie = home.path().join(".erlang.cookie");
        fs::write(&cookie, format!("paceline{}", fastrand::u64(..))).unwrap();
        fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400)).unwrap();
        let (port, dist_port) = (free_port(), free_port());
        fs::write(home.path().join("empty"), "").unwrap();
        fs::write(home.path().join("enabled_plugins"), format!("[{plugin}].")).unwrap();
        fs::write(home.path().join("rabbitmq.conf"), config(home.path(), port)).unwrap();
        let name = format!("paceline-test-{port}@localhost");
        let mut node = Self { home, port, dist_port, name, child: None };
        node.boot().await;
        node
    }

    /// Its address over TLS.
    pub(crate) fn tls_url(&self) -> String {
        format!("amqps://guest:guest@localhost:{}/%2f", self.port)
    }

    /// Freezes it, or lets it go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.signal(if frozen { "STOP" } else { "CONT" });
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    /// Starts the node again after [`Self::stop`].
    pub(crate) async fn boot(&mut self) {
        let mut command = Command::new(script("rabbitmq-server"));
        self.environment(&mut command);
        // A group of its own, so that the shell and the runtime below it can be ended together.
        let child = command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.expect("RabbitMQ is needed for this test; scripts/test installs and starts it"));
        let (child, port) = (self.child.as_mut().unwrap(), self.port);
        until("the private RabbitMQ accepts connections", || {
            assert!(child.try_wait().unwrap().is_none(), "the private RabbitMQ ended while starting");
            TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), Duration::from_millis(200)).is_ok()
        })
        .await;
    }

    /// Stops the node as an operator would, and waits for its end.
    pub(crate) async fn stop(&mut self) {
        self.signal("TERM");
        let mut child = self.child.take().unwrap();
        until("the private RabbitMQ has ended", || child.try_wait().unwrap().is_some()).await;
    }

    /// Kills the node as a power cut would; [`Self::boot`] starts it again.
    pub(crate) async fn kill(&mut self) {
        self.signal("KILL");
        let mut child = self.child.take().unwrap();
        until("the private RabbitMQ is gone", || child.try_wait().unwrap().is_some()).await;
    }

    /// Its host and port.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Runs a `rabbitmqctl` command on the node.
    pub(crate) fn control(&self, arguments: &[&str]) {
        let mut command = Command::new(script("rabbitmqctl"));
        self.environment(&mut command);
        let output = command.arg("-n").arg(&self.name).args(arguments).output().unwrap();
        assert!(output.status.success(), "rabbitmqctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn environment(&self, command: &mut Command) {
        let home = self.home.path();
        let path = |name: &str| home.join(name).into_os_string();
        command
            .env("HOME", home)
            .env("RABBITMQ_NODENAME", &self.name)
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", self.dist_port.to_string())
            .env("RABBITMQ_MNESIA_BASE", path("mnesia"))
            .env("RABBITMQ_LOG_BASE", path("log"))
            .env("RABBITMQ_PID_FILE", path("pid"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins"))
            .env("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", path("empty"))
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}");
    }

    /// Signals the runtime itself, which the scripts leave running below a shell.
    fn signal(&self, signal: &str) {
        let pid = fs::read_to_string(self.home.path().join("pid")).unwrap();
        let done = Command::new("kill").arg(format!("-{signal}")).arg(pid.trim()).status().unwrap();
        assert!(done.success(), "kill -{signal} {pid}");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let group = format!("-{}", child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
            let _ = child.wait();
        }
    }
}

/// The script itself, without the distribution's wrapper that changes the user.
fn script(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/rabbitmq/lib").into_iter().flatten().flatten();
    let found = versions.map(|entry| entry.path().join("sbin").join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| Path::new(name).to_owned())
}

fn openssl(home: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(home).output();
    let output = output.expect("this test needs the openssl command");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A listener over TLS alone.
fn tls_config(home: &Path, port: u16) -> String {
    issue_certificates(home);
    let file = |name: &str| home.join(name).display().to_string();
    format!(
        "listeners.tcp = none\nlisteners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {}\n\
         ssl_options.certfile = {}\nssl_options.keyfile = {}\n",
        file("ca.pem"),
        file("node.pem"),
        file("node.key"),
    )
}

/// Makes an authority (`ca.pem`), a certificate of it for `localhost` (`node.pem`, `node.key`), and one for the client
/// `worker` (`worker.pem`, `worker.key`).
pub(crate) fn issue_certificates(home: &Path) {
    let openssl = |arguments: &str| openssl(home, arguments);
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {key} -days 2 -subj /CN=Test-CA -keyout ca.key -out ca.pem"));
    openssl(&format!("req {key} -subj /CN=localhost -keyout node.key -out node.csr"));
    fs::write(home.join("node.ext"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl("x509 -req -in node.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile node.ext -out node.pem");
    openssl(&format!("req {key} -subj /CN=worker -keyout worker.key -out worker.csr"));
    fs::write(home.join("worker.ext"), "extendedKeyUsage=clientAuth\n").unwrap();
    openssl(
        "x509 -req -in worker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile worker.ext -out worker.pem",
    );
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
