//! What can be one segment of an address: a parameter that stands there must not lead the call elsewhere.

/// Whether a value would change the path around it. `.` and `..` are steps for whoever reads an address, however they are
/// encoded, and an empty segment is dropped by many servers. Blanks around them count for nothing, as some trim them.
pub fn leads_elsewhere(value: &str) -> bool {
    matches!(value.trim(), "" | "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_nothing_lead_elsewhere_and_dots_in_a_name_do_not() {
        for step in ["", " ", ".", "..", " .. ", "\t.\n", "\u{3000}..\u{a0}"] {
            assert!(leads_elsewhere(step), "{step:?}");
        }
        for id in ["...", "a.b", "..a", "%2e%2e", "../x", "feishu.cn_x@group.calendar.feishu.cn", "0"] {
            assert!(!leads_elsewhere(id), "{id:?}");
        }
    }
}
