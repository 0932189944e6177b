//! What kind of thing a file is, by its name.

/// What S3 takes for objects that nobody described.
const UNKNOWN: &str = "application/octet-stream";

/// The media type of a file or key with that name.
pub(crate) fn media_type(name: &str) -> &'static str {
    mime_guess::from_path(name).first_raw().unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_browsers_need_to_know() {
        for (name, expected) in [
            ("index.html", "text/html"),
            ("assets/site.css", "text/css"),
            ("app.js", "text/javascript"),
            ("app.mjs", "application/javascript"),
            ("data.json", "application/json"),
            ("logo.SVG", "image/svg+xml"),
            ("photo.webp", "image/webp"),
            ("font.woff2", "font/woff2"),
            ("module.wasm", "application/wasm"),
            ("a.b/LICENSE", UNKNOWN),
            (".htaccess", UNKNOWN),
        ] {
            assert_eq!(media_type(name), expected, "{name}");
        }
    }
}
