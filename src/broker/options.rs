//! What the broker's part needs of the settings.

use std::path::PathBuf;

use secrecy::SecretString;

use super::address::Address;

/// The longest name AMQP can carry.
const NAME_BYTES_MAX: usize = 255;

/// Where the broker is, what its queues are called, and how much is held at once.
#[derive(Clone, Debug)]
pub struct Options {
    /// `amqp://user:password@host:port/vhost`, or `amqps://…`.
    pub url: SecretString,
    /// PEM file with a certificate authority to be trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The queue that jobs come from.
    pub jobs_queue: String,
    /// The queue bound to every result; empty declares none.
    pub results_queue: String,
    /// The topic exchange that results go to.
    pub results_exchange: String,
    /// The queue of dead letters.
    pub dead_queue: String,
    /// Messages held unacknowledged until the ledger has them, at most.
    pub prefetch: u16,
    /// Messages published and not yet confirmed, at most.
    pub in_flight_max: usize,
    /// A longer body is a dead letter, in bytes.
    pub body_bytes_max: usize,
    /// Jobs not yet ended above which the rest stays in the broker.
    pub pending_max: usize,
}

impl Options {
    /// The documented defaults at this address.
    pub fn at(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            ca_file: None,
            jobs_queue: "paceline.jobs".to_owned(),
            results_queue: "paceline.results".to_owned(),
            results_exchange: "paceline.results".to_owned(),
            dead_queue: "paceline.dead".to_owned(),
            prefetch: 500,
            in_flight_max: 512,
            body_bytes_max: 1024 * 1024,
            pending_max: 100_000,
        }
    }

    /// Everything wrong with them, each as `field: what was expected`; empty if nothing is.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Err(fault) = Address::parse(&self.url) {
            faults.push(format!("broker.url: {fault}"));
        }
        let names = [
            ("jobs_queue", &self.jobs_queue, false),
            ("results_queue", &self.results_queue, true),
            ("results_exchange", &self.results_exchange, false),
            ("dead_queue", &self.dead_queue, false),
        ];
        for (field, name, may_be_empty) in names {
            if let Some(fault) = fault_of_name(name, may_be_empty) {
                faults.push(format!("broker.{field}: {fault}"));
            }
        }
        let queues = [&self.jobs_queue, &self.results_queue, &self.dead_queue];
        if queues.iter().enumerate().any(|(at, name)| !name.is_empty() && queues[..at].contains(name)) {
            faults.push("broker: jobs_queue, results_queue and dead_queue must differ".to_owned());
        }
        let numbers = [
            ("prefetch", usize::from(self.prefetch)),
            ("in_flight_max", self.in_flight_max),
            ("body_bytes_max", self.body_bytes_max),
            ("pending_max", self.pending_max),
        ];
        faults.extend(
            numbers
                .iter()
                .filter(|(_, number)| *number == 0)
                .map(|(field, _)| format!("broker.{field}: expected at least 1, got 0")),
        );
        faults
    }
}

fn fault_of_name(name: &str, may_be_empty: bool) -> Option<String> {
    if name.is_empty() && !may_be_empty {
        return Some("expected a name, got \"\"".to_owned());
    }
    if name.len() > NAME_BYTES_MAX {
        return Some(format!("expected at most {NAME_BYTES_MAX} bytes, got {}", name.len()));
    }
    name.starts_with("amq.").then(|| format!("expected a name that RabbitMQ does not keep for itself, got {name:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(Options::at("amqp://guest:guest@127.0.0.1:5672/%2f").faults(), Vec::<String>::new());
    }

    #[test]
    fn an_empty_results_queue_declares_none_and_other_names_are_needed() {
        let mut options = Options::at("amqp://h");
        options.results_queue = String::new();
        assert_eq!(options.faults(), Vec::<String>::new());
        options.jobs_queue = String::new();
        options.results_exchange = "amq.topic".to_owned();
        options.dead_queue = "d".repeat(256);
        options.prefetch = 0;
        let faults = options.faults().join("\n");
        for field in ["jobs_queue", "results_exchange", "dead_queue", "prefetch"] {
            assert!(faults.contains(&format!("broker.{field}: ")), "{faults}");
        }
        assert_eq!(faults.lines().count(), 4, "{faults}");
    }

    #[test]
    fn a_name_may_have_255_bytes() {
        let mut options = Options::at("amqp://h");
        options.jobs_queue = "q".repeat(255);
        assert_eq!(options.faults(), Vec::<String>::new());
    }

    #[test]
    fn one_queue_cannot_be_two_things() {
        let mut options = Options::at("amqp://h");
        options.dead_queue = options.jobs_queue.clone();
        assert!(options.faults()[0].contains("must differ"), "{:?}", options.faults());
    }
}
