//! Ids of the documented shapes, unique and the same for the same seed.

use serde_json::Value;

/// Makes ids.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    random: fastrand::Rng,
    count: u64,
}

impl Ids {
    /// Ids of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed ^ 0x1d5), count: 0 }
    }

    /// Hexadecimal digits, unique: the last twelve count. `digits` is raised to 16.
    pub(crate) fn hex(&mut self, digits: usize) -> String {
        self.count += 1;
        let mut text = String::with_capacity(digits.max(16));
        while text.len() + 12 < digits.max(16) {
            let four = format!("{:04x}", self.random.u16(..));
            let room = digits.max(16) - 12 - text.len();
            text.push_str(&four[..room.min(4)]);
        }
        text + &format!("{:012x}", self.count)
    }

    /// An id shaped like the documented example: what stands before the last `_` or `/` and from the `@` on is kept, and
    /// letters before a number.
    pub(crate) fn like(&mut self, example: &Value) -> Value {
        let Some(example) = example.as_str() else {
            self.count += 1;
            return Value::from(1_000_000 + self.count);
        };
        let (name, domain) = example.split_at(example.find('@').unwrap_or(example.len()));
        let kept = name.rfind(['_', '/']).map_or(0, |at| at + 1);
        let number = name[kept..].trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
        if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
            self.count += 1;
            let letters = &name[..name.len() - number.len()];
            return Value::String(format!("{letters}{}{:08}", self.random.u8(1..=9), self.count));
        }
        let digits = self.hex(name.len() - kept);
        Value::String(format!("{}{digits}{domain}", &name[..kept]))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_look_like_their_examples() {
        let mut ids = Ids::new(1);
        let mut like = |example: &str| ids.like(&Value::from(example)).as_str().unwrap().to_owned();
        let room = like("omm_4de32cf10a4358788ff4e09e37ebbf9b");
        assert!(room.starts_with("omm_") && room.len() == 36, "{room}");
        let calendar = like("feishu.cn_xxxxxxxxxx@group.calendar.feishu.cn");
        assert!(calendar.starts_with("feishu.cn_") && calendar.ends_with("@group.calendar.feishu.cn"), "{calendar}");
        assert!(like("https://example.cn/xxx").starts_with("https://example.cn/"));
        assert_eq!(like("XXXXXXXXX").len(), 16);
        let (display, code) = (like("LM134742334"), like("123456789"));
        assert!(display.starts_with("LM") && display.len() == 11, "{display}");
        assert!(code.len() == 9 && code.parse::<u32>().is_ok() && display[2..] != code, "{code}");
        assert!(ids.like(&Value::from(7)).is_u64());
    }

    #[test]
    fn ids_are_unique_and_repeat_with_the_seed() {
        let make = |seed| {
            let mut ids = Ids::new(seed);
            (0..2_000).map(|_| ids.hex(32)).collect::<Vec<_>>()
        };
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
        assert_eq!(make(1).iter().collect::<HashSet<_>>().len(), 2_000);
    }
}
