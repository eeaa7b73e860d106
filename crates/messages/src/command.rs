//! Commands as a person types them.

/// Resumes an app, or of it the tenant and the method that are not empty.
pub fn resume(app: &str, tenant: &str, method: &str) -> String {
    let option = |name: &str, value: &str| {
        if value.is_empty() { String::new() } else { format!(" --{name} {}", as_argument(value)) }
    };
    format!("paceline resume {}{}{}", as_argument(app), option("tenant", tenant), option("method", method))
}

/// Redrives the dead letters of a method, or those of one code alone.
pub fn redrive(app: &str, method: &str, code: Option<i64>) -> String {
    let code = code.map(|code| format!(" --code {code}")).unwrap_or_default();
    format!("paceline dead redrive --app {} --method {}{code}", as_argument(app), as_argument(method))
}

/// As a shell takes it for one argument.
fn as_argument(text: &str) -> String {
    let is_bare = |char: char| char.is_alphanumeric() || "-_./:@".contains(char);
    if !text.is_empty() && text.chars().all(is_bare) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_safe_to_paste() {
        assert_eq!(resume("acme", "a b'c", ""), r"paceline resume acme --tenant 'a b'\''c'");
        assert_eq!(redrive("acme", "a.b", Some(7)), "paceline dead redrive --app acme --method a.b --code 7");
        assert_eq!(redrive("a b", "a.b", None), "paceline dead redrive --app 'a b' --method a.b");
    }
}
