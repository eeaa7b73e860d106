use super::*;

fn token(claims: &str) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
}

fn program(script: &str) -> TokenSource {
    TokenSource::Program(["sh", "-c", script].map(str::to_owned).to_vec())
}

#[test]
fn a_token_is_renewed_when_two_thirds_of_its_time_are_over() {
    let now = Timestamp::from_unix_seconds(1_000);
    let in_of = |claims: &str| Token::of(&token(claims)).unwrap().renew_in(now);
    assert_eq!(in_of("{\"exp\":1900}"), Duration::from_secs(600));
    assert_eq!(in_of("{\"exp\":1900.5}"), Duration::from_secs(600));
    assert_eq!(in_of("{\"exp\":1001}"), RENEW_MIN);
    assert_eq!(in_of("{\"exp\":900}"), RENEW_MIN, "one that has ended");
    for without in ["{}", "{\"exp\":\"soon\"}", "no json"] {
        assert_eq!(in_of(without), LOOK_AGAIN, "{without}");
    }
    assert_eq!(Token::of("opaque").unwrap().renew_in(now), LOOK_AGAIN);
}

#[test]
fn what_is_no_token_is_refused_and_not_shown() {
    for text in ["", "\n", "two words", "Error: hunter2 is wrong"] {
        let why = Token::of(text).err().unwrap().to_string();
        assert!(why.contains("expected one line with a token") && !why.contains("hunter2"), "{why}");
    }
    assert_eq!(Token::of(" opaque\r\n").unwrap().expose(), "opaque");
}

#[tokio::test]
async fn a_program_gives_a_token_or_its_failure_is_named() {
    assert_eq!(program("echo opaque").read().await.unwrap().expose(), "opaque");
    let fault = program("echo hunter2; exit 3").read().await.err().unwrap().to_string();
    assert!(fault.contains("exit status: 3") && fault.contains("broker.token_command"), "{fault}");
    assert!(!fault.contains("hunter2"), "{fault}");
    let missing = TokenSource::Program(vec!["/no/such/program".to_owned()]);
    let fault = missing.read().await.err().unwrap().to_string();
    assert!(fault.contains("\"/no/such/program\" cannot be started"), "{fault}");
}

#[tokio::test]
async fn a_program_that_prints_nothing_is_killed() {
    let command = ["sleep", "600"].map(str::to_owned);
    let why = run(&command, Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(why.to_string(), "\"sleep\" printed nothing within 0.1 s");
}

#[tokio::test]
async fn a_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "opaque\n").unwrap();
    let source = TokenSource::File(file.clone());
    let allow = |mode| std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    allow(0o644);
    let fault = source.read().await.err().unwrap().to_string();
    assert!(fault.contains("can be read by other users") && fault.contains("broker.token_file"), "{fault}");
    allow(0o600);
    assert_eq!(source.read().await.unwrap().expose(), "opaque");
}

#[test]
fn a_certificate_signs_in_where_the_address_names_no_user() {
    let certificate = Some(Certificate { cert: "c".into(), key: "k".into() });
    let options = Options { certificate, ..Options::default() };
    let read = |url: &str| Address::parse(&url.into()).unwrap();
    let [alone, named] = [read("amqps://mq"), read("amqps://hr:pw@mq")];
    assert_eq!(SignIn::of(&alone, &options), SignIn::Certificate);
    assert_eq!(SignIn::Certificate.uri(&alone, None).query.auth_mechanism, Some(SASLMechanism::External));
    assert_eq!(SignIn::of(&named, &options), SignIn::Password);
    let token = Token::of("opaque").unwrap();
    let uri = SignIn::Token.uri(&alone, Some(&token));
    assert_eq!((uri.authority.userinfo.username.as_str(), uri.authority.userinfo.password.as_str()), ("", "opaque"));
    assert_eq!(SignIn::Token.uri(&named, Some(&token)).authority.userinfo.username, "hr");
}
