//! `key=value` on the command line.

use std::collections::HashMap;

/// Reads `key=value`; only the first `=` counts.
///
/// # Errors
/// A sentence for clap to show.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("write it as key=value".to_owned()),
    }
}

/// The pairs as a map.
///
/// # Errors
/// The key that stands there twice.
pub(super) fn map(pairs: Vec<(String, String)>) -> Result<HashMap<String, String>, String> {
    let mut map = HashMap::with_capacity(pairs.len());
    for (key, value) in pairs {
        if map.insert(key.clone(), value).is_some() {
            return Err(key);
        }
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_equals_sign_counts() {
        assert_eq!(pair("a b=c=d"), Ok(("a b".into(), "c=d".into())));
        assert_eq!(pair("a="), Ok(("a".into(), String::new())));
        assert!(pair("=a").is_err() && pair("a").is_err());
    }

    #[test]
    fn a_key_given_twice_is_noticed() {
        let twice = vec![("k".to_owned(), "1".to_owned()), ("k".to_owned(), "2".to_owned())];
        assert_eq!(map(twice), Err("k".to_owned()));
    }
}
