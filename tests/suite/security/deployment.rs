//! What the unit and the containers may do: nothing that the worker does not need.

use crate::harness::{file as text, root};
use std::process::Command;

use yaml_rust2::{Yaml, YamlLoader};

/// As `systemd-analyze security` rates it: 0 is confined, 10 is open.
const EXPOSURE_MAX: f64 = 2.0;

#[test]
fn the_unit_holds_no_right_that_the_worker_does_not_need() {
    let unit = text("contrib/systemd/paceline.service");
    for line in [
        "User=paceline",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "LimitCORE=0",
        "UMask=0077",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "PrivateUsers=yes",
        "ProtectKernelTunables=yes",
        "ProtectKernelModules=yes",
        "ProtectControlGroups=yes",
        "RestrictNamespaces=yes",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "MemoryDenyWriteExecute=yes",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line} is missing");
    }
    let path = root().join("contrib/systemd/paceline.service");
    let analyze = Command::new("systemd-analyze").args(["security", "--offline=true", "--no-pager"]).arg(path).output();
    // Elsewhere than on such a system the lines above are all that can be looked at.
    let Ok(analyzed) = analyze else { return };
    let said = String::from_utf8_lossy(&analyzed.stdout);
    let Some((_, rating)) = said.split_once("Overall exposure level for paceline.service: ") else { return };
    let rating: f64 = rating.split_whitespace().next().unwrap().parse().unwrap();
    assert!(rating < EXPOSURE_MAX, "{said}");
    assert!(unit.contains(&format!("rates this {rating}.")), "the unit's own comment says otherwise: {rating}");
}

#[test]
fn both_manuals_show_the_unit_as_it_is() {
    let unit = text("contrib/systemd/paceline.service");
    for manual in ["docs/running.md", "docs/zh-CN/running.md"] {
        assert!(text(manual).contains(&format!("```ini\n{unit}```\n")), "{manual} shows another unit");
    }
}

/// A value of a service, its own or merged into it.
fn value<'y>(service: &'y Yaml, key: &str) -> &'y Yaml {
    let own = &service[key];
    if own.is_badvalue() { &service["<<"][key] } else { own }
}

fn texts(list: &Yaml) -> Vec<&str> {
    list.as_vec().map(|items| items.iter().filter_map(Yaml::as_str).collect()).unwrap_or_default()
}

#[test]
fn every_container_is_confined_and_reached_from_this_machine_alone() {
    let file = text("docker-compose.yml");
    let documents = YamlLoader::load_from_str(&file).unwrap();
    let services = documents[0]["services"].as_hash().unwrap();
    let names: Vec<&str> = services.keys().filter_map(Yaml::as_str).collect();
    assert_eq!(names, ["rabbitmq", "worker", "postgres", "replica", "simulator", "rehearsal"]);
    for (name, service) in services {
        let name = name.as_str().unwrap();
        assert_eq!(value(service, "read_only").as_bool(), Some(true), "{name}");
        assert_eq!(texts(value(service, "cap_drop")), ["ALL"], "{name}");
        assert!(value(service, "cap_add").is_badvalue() && value(service, "privileged").is_badvalue(), "{name}");
        assert_eq!(texts(value(service, "security_opt")), ["no-new-privileges:true"], "{name}");
        assert!(value(service, "pids_limit").as_i64().is_some_and(|limit| limit <= 1024), "{name}");
        assert!(value(service, "mem_limit").as_str().is_some(), "{name}");
        assert_eq!(value(service, "mem_limit"), value(service, "memswap_limit"), "{name}: it may swap secrets out");
        let ports = texts(&service["ports"]);
        assert!(ports.iter().all(|port| port.starts_with("127.0.0.1:")), "{name}: {ports:?}");
        let mode = service["network_mode"].as_str().unwrap_or_default();
        assert!(mode.is_empty() || mode == "service:simulator", "{name}: {mode}");
        assert!(!texts(&service["volumes"]).iter().any(|volume| volume.contains("docker.sock")), "{name}");
        // What is built here has no version; what comes from elsewhere is never whatever is newest.
        let image = service["image"].as_str().unwrap();
        let is_built = !service["build"].is_badvalue();
        let tag = image.trim_end_matches('}').rsplit_once(':').map_or("", |(_, tag)| tag);
        assert!(is_built || tag.starts_with(|first: char| first.is_ascii_digit()) && tag.contains('.'), "{image}");
    }
    // A container that is root at first would have to hold capabilities to become somebody else.
    for name in ["rabbitmq", "postgres"] {
        assert_eq!(services[&Yaml::from_str(name)]["user"].as_str(), Some(name));
    }
    let dockerfile = text("Dockerfile");
    assert!(dockerfile.contains("\nUSER paceline\n"), "the image runs as another user");
}

#[test]
fn the_containers_of_a_fleet_are_three_workers_on_one_database() {
    let file = text("docker-compose.yml");
    let documents = YamlLoader::load_from_str(&file).unwrap();
    let (services, secrets) = (&documents[0]["services"], documents[0]["secrets"].as_hash().unwrap());
    let fleet = ["postgres", "replica"].map(|name| texts(&services[name]["profiles"]));
    assert_eq!(fleet, [["cluster"], ["cluster"]]);
    let replica = &services["replica"];
    assert_eq!(replica["deploy"]["replicas"].as_i64(), Some(3));
    assert!(replica["ports"].is_badvalue(), "three cannot have one port of the machine");
    let wanted = texts(&replica["secrets"]);
    assert!(wanted.iter().all(|name| secrets.contains_key(&Yaml::from_str(name))), "{wanted:?}");
    for manual in ["docs/running.md", "docs/zh-CN/running.md"] {
        let manual = text(manual);
        assert!(manual.contains("docker compose --profile cluster up -d"), "it is not in the manual");
        assert!(wanted.iter().all(|name| manual.contains(&format!(">secrets/{name}"))), "a secret is not made");
    }
}

#[test]
fn the_manual_of_the_live_set_up_uses_no_default_password() {
    for manual in ["docs/running.md", "docs/zh-CN/running.md"] {
        let manual = text(manual);
        assert!(!manual.contains("guest:guest"), "a password that everybody knows");
        assert!(manual.contains("RABBITMQ_PASSWORD=%s") && manual.contains("openssl rand -hex 24"), "none is made");
    }
    let said = text(".gitignore");
    assert!([".env", "secrets/"].iter().all(|name| said.lines().any(|line| line == *name)), "{said}");
}
