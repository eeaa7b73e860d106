//! What `contrib` gives to those who deploy: units, a backup, a chart. Each is tried with the tool it is for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use yaml_rust2::{Yaml, YamlLoader};

use crate::commands::Place;
use crate::harness::{file as text, root};

const CHART: &str = "contrib/helm/paceline";

fn yaml(text: &str) -> Vec<Yaml> {
    YamlLoader::load_from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn systemd_takes_every_unit() {
    let folder = tempfile::tempdir().unwrap();
    let mut units = Vec::new();
    for entry in fs::read_dir(root().join("contrib/systemd")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none() {
            continue;
        }
        // Where the units look for them, neither program need be installed here.
        let unit = fs::read_to_string(&path).unwrap();
        let unit =
            unit.replace("/usr/local/bin/paceline-backup", "/bin/true").replace("/usr/local/bin/paceline", "/bin/true");
        let copy = folder.path().join(path.file_name().unwrap());
        fs::write(&copy, unit).unwrap();
        units.push(copy);
    }
    assert_eq!(units.len(), 3, "{units:?}");
    match Command::new("systemd-analyze").arg("verify").args(&units).output() {
        Ok(verified) => {
            let said = String::from_utf8_lossy(&verified.stderr);
            assert!(verified.status.success() && said.is_empty(), "{said}");
        }
        Err(error) => eprintln!("the units were not verified: systemd-analyze: {error}"),
    }
}

#[test]
fn a_backup_is_whole_and_the_oldest_ones_go() {
    let place = Place::new(&[]);
    let [ledger, folder] = ["paceline.db", "backups"].map(|name| place.path().join(name));
    fs::create_dir(&folder).unwrap();
    let backup = || -> Output {
        let mut command = Command::new(root().join("contrib/systemd/paceline-backup"));
        command.arg(&ledger).arg(&folder).arg("2").output().unwrap()
    };
    let kept = || {
        let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    };
    let missing = backup();
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(!missing.status.success() && said.contains("there is no ledger"), "{said}");
    assert!(kept().is_empty() && !ledger.exists(), "it made an empty ledger");

    let sql = |file: &Path, sql: &str| {
        let done = Command::new("sqlite3").arg(file).arg(sql).output().expect("this test needs the sqlite3 command");
        String::from_utf8(done.stdout).unwrap()
    };
    sql(&ledger, "PRAGMA journal_mode = WAL; CREATE TABLE jobs (id TEXT); INSERT INTO jobs VALUES ('a')");
    for old in ["paceline-20200101T000000Z.db", "paceline-20200102T000000Z.db", "other.db"] {
        fs::write(folder.join(old), "old").unwrap();
    }
    let made = backup();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let kept = kept();
    let names: Vec<_> = kept.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert!(names.len() == 3 && names[0] == "other.db" && names[1] == "paceline-20200102T000000Z.db", "{names:?}");
    assert_eq!(sql(&kept[2], "SELECT id FROM jobs"), "a\n");
    assert_eq!(fs::metadata(&kept[2]).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_charts_settings_load_and_its_files_are_the_repositorys() {
    let chart = &yaml(&text(&format!("{CHART}/Chart.yaml")))[0];
    assert_eq!(chart["appVersion"].as_str(), Some(env!("CARGO_PKG_VERSION")));
    for (own, of) in
        [("alerts.yml", "config/prometheus/alerts.yml"), ("dashboard.json", "config/grafana/paceline.json")]
    {
        let path = root().join(CHART).join("files").join(own);
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink(), "{own} is a copy, which will differ some day");
        assert_eq!(fs::canonicalize(path).unwrap(), fs::canonicalize(root().join(of)).unwrap());
    }
    let values = &yaml(&text(&format!("{CHART}/values.yaml")))[0];
    let place = Place::new(&[]);
    let settings = values["settings"].as_str().unwrap();
    let settings = settings.replace("/run/secrets/paceline", place.path().to_str().unwrap());
    fs::write(place.path().join("paceline.toml"), settings).unwrap();
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for (name, secret) in [("ledger_key", key), ("broker_urls", "amqps://u:p@a\namqps://u:p@b\n"), ("acme_secret", "s")]
    {
        let path = place.path().join(name);
        fs::write(&path, secret).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let variables = [
        ("PACELINE_ADMIN__LISTEN", "0.0.0.0:9464"),
        ("PACELINE_ADMIN__TOKEN", "0123456789abcdef"),
        ("PACELINE_ENGINE__DRAIN_MS", "30000"),
        ("PACELINE_STORE__URL", "sqlite://paceline.db"),
    ];
    let checked = place.run_with(&["check", "--offline"], &variables);
    assert_eq!(checked.code, Some(0), "{}{}", checked.out, checked.err);
    // What the templates set is what was tried here.
    let pod = text(&format!("{CHART}/templates/_pod.tpl"));
    let set: Vec<_> = pod.lines().filter_map(|line| line.trim().strip_prefix("- name: PACELINE_")).collect();
    assert_eq!(set, ["STORE__URL", "ADMIN__LISTEN", "ADMIN__TOKEN", "ENGINE__DRAIN_MS"]);
    for wanted in [
        "runAsNonRoot: true",
        "readOnlyRootFilesystem: true",
        "drop: [ALL]",
        "path: /healthz",
        "path: /readyz",
        "add (int .Values.drainSeconds) 15",
    ] {
        assert!(pod.contains(wanted), "{wanted}");
    }
}

/// Runs helm on the chart; `None` where there is none.
#[expect(clippy::print_stderr, reason = "a test that does less than it could says so")]
fn helm(arguments: &[&str], values: &str) -> Option<Output> {
    let chart = root().join(CHART);
    let mut command = Command::new("helm");
    command.arg(arguments[0]).args(&arguments[1..]).arg(chart);
    if !values.is_empty() {
        command.args(["--set", values]);
    }
    match command.output() {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("the chart was not rendered, its structure alone was looked at: helm: {error}");
            None
        }
    }
}

/// The chart's objects with these values.
fn rendered(values: &str) -> Option<Vec<Yaml>> {
    let output = helm(&["template", "jobs"], values)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(yaml(&String::from_utf8(output.stdout).unwrap()))
}

fn of_kind<'y>(objects: &'y [Yaml], kind: &str) -> Option<&'y Yaml> {
    objects.iter().find(|object| object["kind"].as_str() == Some(kind))
}

const FLEET: &str = "store.kind=postgres,replicas=3";
const SCALED: &str =
    "store.kind=postgres,autoscaling.enabled=true,autoscaling.domains=5,autoscaling.prometheus=http://prometheus:9090";

#[test]
fn a_chart_on_sqlite_is_one_worker_with_a_volume_of_its_own() {
    let Some(objects) = rendered("drainSeconds=60,startupSeconds=300") else { return };
    let set = &of_kind(&objects, "StatefulSet").unwrap()["spec"];
    assert_eq!(set["replicas"].as_i64(), Some(1));
    assert_eq!(set["volumeClaimTemplates"][0]["spec"]["accessModes"][0].as_str(), Some("ReadWriteOncePod"));
    let pod = &set["template"]["spec"];
    assert_eq!(pod["terminationGracePeriodSeconds"].as_i64(), Some(75));
    let worker = &pod["containers"][0];
    assert_eq!(worker["startupProbe"]["failureThreshold"].as_i64(), Some(60));
    let drain =
        worker["env"].as_vec().unwrap().iter().find(|one| one["name"].as_str() == Some("PACELINE_ENGINE__DRAIN_MS"));
    assert_eq!(drain.unwrap()["value"].as_str(), Some("60000"));
    assert!(of_kind(&objects, "PodDisruptionBudget").is_some() && of_kind(&objects, "Deployment").is_none());
    for (template, kind) in [("serviceMonitor", "ServiceMonitor"), ("alerts", "PrometheusRule")] {
        assert!(of_kind(&objects, kind).is_none(), "{kind} without being asked for");
        let objects = rendered(&format!("{template}.enabled=true")).unwrap();
        assert!(of_kind(&objects, kind).is_some(), "{kind}");
    }
    let objects = rendered("alerts.enabled=true,dashboard.enabled=true").unwrap();
    let groups = &of_kind(&objects, "PrometheusRule").unwrap()["spec"]["groups"];
    assert_eq!(groups, &yaml(&text("config/prometheus/alerts.yml"))[0]["groups"]);
    let is_dashboard = |object: &&Yaml| !object["data"]["paceline.json"].is_badvalue();
    let dashboard = objects.iter().find(is_dashboard).unwrap()["data"]["paceline.json"].as_str().unwrap();
    let [given, own] = [dashboard, &text("config/grafana/paceline.json")]
        .map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
    assert_eq!(given, own);
}

#[test]
fn a_chart_on_postgres_has_replicas_and_scales_by_unfinished_jobs_alone() {
    let Some(objects) = rendered(FLEET) else { return };
    let deployment = &of_kind(&objects, "Deployment").unwrap()["spec"];
    assert_eq!(deployment["replicas"].as_i64(), Some(3));
    assert!(of_kind(&objects, "StatefulSet").is_none() && of_kind(&objects, "ScaledObject").is_none());
    let objects = rendered(SCALED).unwrap();
    assert!(of_kind(&objects, "Deployment").unwrap()["spec"]["replicas"].is_badvalue(), "two would set the number");
    let scaler = &of_kind(&objects, "ScaledObject").unwrap()["spec"];
    assert_eq!((scaler["minReplicaCount"].as_i64(), scaler["maxReplicaCount"].as_i64()), (Some(1), Some(3)));
    let triggers = scaler["triggers"].as_vec().unwrap();
    assert_eq!(triggers.len(), 1);
    let query = triggers[0]["metadata"]["query"].as_str().unwrap();
    assert!(query.contains("paceline_jobs_unfinished"), "{query}");
}

#[test]
fn a_chart_that_would_do_harm_is_refused_in_words() {
    let Some(linted) = helm(&["lint", "--strict"], "") else { return };
    assert!(linted.status.success(), "{}", String::from_utf8_lossy(&linted.stdout));
    for (values, wanted) in [
        ("replicas=2", "replicas: expected 1 with store.kind sqlite"),
        ("store.kind=mysql", "store.kind: expected sqlite or postgres"),
        ("secret=", "secret: expected the name of a Secret"),
        ("autoscaling.enabled=true", "autoscaling.enabled: expected false with store.kind sqlite"),
        (
            &format!("{SCALED},autoscaling.domains=2"),
            "autoscaling.maxReplicas: expected at most autoscaling.domains (2)",
        ),
        (&format!("{SCALED},autoscaling.domains=0"), "autoscaling.domains: expected the number of quota domains"),
        (&format!("{SCALED},autoscaling.minReplicas=0"), "autoscaling.minReplicas: expected at least 1"),
        (&format!("{SCALED},autoscaling.prometheus="), "autoscaling.prometheus: expected Prometheus' address"),
    ] {
        let refused = helm(&["template", "jobs"], values).unwrap();
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains(wanted), "{values}: {said}");
    }
}
