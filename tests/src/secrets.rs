/// How a secret is in a text, if it is: as it is, or as Rust and JSON print bytes.
pub fn leak(text: &str, secret: &str) -> Option<&'static str> {
    let list: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    if text.contains(secret) {
        Some("as text")
    } else if text.contains(&list.join(", ")) || text.contains(&list.join(",")) {
        Some("as a list of bytes")
    } else if text.to_lowercase().contains(&hex) {
        Some("in hexadecimal digits")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_in_every_form() {
        assert_eq!(leak("a put of mark!", "mark"), Some("as text"));
        assert_eq!(
            leak(&format!("{:?}", b"a mark".to_vec()), "mark"),
            Some("as a list of bytes")
        );
        assert_eq!(leak("6D61726B", "mark"), Some("in hexadecimal digits"));
        assert_eq!(leak("nothing", "mark"), None);
    }
}
