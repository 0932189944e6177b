//! How tools spell a text when they print it inside something else.

use std::iter;

/// The text as it is, and quoted and escaped in every usual way: it never gets shorter.
pub(super) fn written(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let json = JSON.iter().map(|style| style.spell(text));
    let twice = JSON[0].spell(&JSON[0].spell(text));
    let percent = PERCENT.iter().flat_map(|style| [style.spell(text, false), style.spell(text, true)]);
    let xml = XML.iter().map(|entities| replace(text, entities));
    let quotes = QUOTES.iter().map(|pairs| replace(text, pairs));
    let shell = [printf_q(text), ansi_c(text, false), ansi_c(text, true)];
    let literal = [repr(text, false), repr(text, true)];
    iter::once(text.to_vec())
        .chain(json)
        .chain([twice])
        .chain(percent)
        .chain(xml)
        .chain(quotes)
        .chain(shell)
        .chain(literal)
}

/// The text in another alphabet, where its bytes cannot be recognised. Of Base64 text also the part that is certain when
/// there are other bytes before and after the text.
pub(super) fn encoded(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let hex = ["0123456789abcdef", "0123456789ABCDEF"].map(|digits| hex(text, digits.as_bytes()));
    let base64 = [BASE64, BASE64_URL].into_iter().flat_map(move |alphabet| {
        let whole = base64_whole(text, alphabet);
        let padded = [whole.as_slice(), &b"=="[..(4 - whole.len() % 4) % 4]].concat();
        (0..3).map(move |before| base64_certain(text, before, alphabet)).chain([whole, padded])
    });
    hex.into_iter().chain(base64).chain(utf_16(text))
}

/// A way to write a JSON string.
struct Json {
    /// Signs written as `\u` and their number, besides those that JSON demands.
    numbered: &'static str,
    /// Whether all but ASCII is, too.
    ascii: bool,
    /// Whether their digits are upper case.
    upper: bool,
    /// Whether a solidus becomes `\/`.
    solidus: bool,
}

const JSON: &[Json] = &[
    Json { numbered: "", ascii: false, upper: false, solidus: false },
    Json { numbered: "", ascii: false, upper: false, solidus: true },
    // Python
    Json { numbered: "", ascii: true, upper: false, solidus: false },
    // PHP
    Json { numbered: "", ascii: true, upper: false, solidus: true },
    // Go
    Json { numbered: "<>&", ascii: false, upper: false, solidus: false },
    // PowerShell
    Json { numbered: "<>&'", ascii: false, upper: false, solidus: false },
    // .NET
    Json { numbered: "\"<>&'+`\x7f", ascii: true, upper: true, solidus: false },
    // Safe to put into a page or a script
    Json { numbered: "\"<>&'+/", ascii: false, upper: false, solidus: false },
];

impl Json {
    fn spell(&self, text: &[u8]) -> Vec<u8> {
        let mut spelled = Vec::with_capacity(text.len() + 8);
        for chunk in text.utf8_chunks() {
            for sign in chunk.valid().chars() {
                self.spell_char(sign, &mut spelled);
            }
            spelled.extend_from_slice(chunk.invalid());
        }
        spelled
    }

    fn spell_char(&self, sign: char, spelled: &mut Vec<u8>) {
        let short = match sign {
            _ if self.numbered.contains(sign) || (self.ascii && !sign.is_ascii()) => None,
            '"' => Some("\\\""),
            '\\' => Some("\\\\"),
            '/' if self.solidus => Some("\\/"),
            '\n' => Some("\\n"),
            '\r' => Some("\\r"),
            '\t' => Some("\\t"),
            '\u{8}' => Some("\\b"),
            '\u{c}' => Some("\\f"),
            '\0'..' ' => None,
            _ => return spelled.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes()),
        };
        if let Some(short) = short {
            return spelled.extend_from_slice(short.as_bytes());
        }
        for unit in sign.encode_utf16(&mut [0; 2]) {
            let number = if self.upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
            spelled.extend_from_slice(number.as_bytes());
        }
    }
}

/// A way to write a text into an address.
struct Percent {
    /// Signs kept besides letters and digits.
    kept: &'static str,
    /// Whether a blank becomes `+`.
    plus: bool,
}

const PERCENT: &[Percent] = &[
    // RFC 3986, with and without keeping paths
    Percent { kept: "-._~", plus: false },
    Percent { kept: "-._~/", plus: false },
    // Python's quote_plus, HTML forms
    Percent { kept: "-._~", plus: true },
    Percent { kept: "-._*", plus: true },
    // JavaScript's encodeURIComponent and encodeURI
    Percent { kept: "-._~!'()*", plus: false },
    Percent { kept: "-._~!'()*;,/?:@&=+$#", plus: false },
];

impl Percent {
    fn spell(&self, text: &[u8], upper: bool) -> Vec<u8> {
        respell(text, |byte| match byte {
            b' ' if self.plus => Some("+".into()),
            _ if byte.is_ascii_alphanumeric() || self.kept.as_bytes().contains(&byte) => None,
            _ if upper => Some(format!("%{byte:02X}")),
            _ => Some(format!("%{byte:02x}")),
        })
    }
}

type Replacements = [(u8, &'static str)];

/// As text, as an attribute, and as Go, Python and .NET write attributes.
const XML: &[&Replacements] = &[
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;")],
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&quot;")],
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&quot;"), (b'\'', "&apos;")],
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&#34;"), (b'\'', "&#39;")],
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&quot;"), (b'\'', "&#x27;")],
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&quot;"), (b'\'', "&#39;")],
];

const QUOTES: &[&Replacements] = &[
    // Between a shell's single quotes: bash's trace, Python's shlex
    &[(b'\'', "'\\''")],
    &[(b'\'', "'\"'\"'")],
    // Between its double quotes
    &[(b'\\', "\\\\"), (b'"', "\\\""), (b'$', "\\$"), (b'`', "\\`")],
    // SQL, YAML and PowerShell; CSV and PowerShell
    &[(b'\'', "''")],
    &[(b'"', "\"\"")],
];

fn replace(text: &[u8], pairs: &Replacements) -> Vec<u8> {
    respell(text, |byte| pairs.iter().find(|(sign, _)| *sign == byte).map(|(_, spelled)| (*spelled).into()))
}

/// As bash's `printf %q` writes a text without control characters.
fn printf_q(text: &[u8]) -> Vec<u8> {
    let mut before = None;
    respell(text, |byte| {
        let special = match byte {
            b'#' => before.is_none(),
            b'~' => matches!(before, None | Some(b':' | b'=')),
            _ => b" \t'\"\\|&;()<>!{}*[]?^$`,".contains(&byte),
        };
        before = Some(byte);
        special.then(|| format!("\\{}", char::from(byte)))
    })
}

/// Between `$'` and `'`, as bash writes a text with control characters; in the C locale other than ASCII too.
fn ansi_c(text: &[u8], ascii: bool) -> Vec<u8> {
    respell(text, |byte| {
        Some(match byte {
            b'\'' => "\\'".into(),
            b'\\' => "\\\\".into(),
            b'\n' => "\\n".into(),
            b'\r' => "\\r".into(),
            b'\t' => "\\t".into(),
            0x07 => "\\a".into(),
            0x08 => "\\b".into(),
            0x0b => "\\v".into(),
            0x0c => "\\f".into(),
            0x1b => "\\E".into(),
            0..0x20 | 0x7f => format!("\\{byte:03o}"),
            0x80.. if ascii => format!("\\{byte:03o}"),
            _ => return None,
        })
    })
}

/// Between the quotes of a literal, as Python's `repr` writes it: a single quote is escaped when
/// both kinds of quotes are in the text.
fn repr(text: &[u8], quote: bool) -> Vec<u8> {
    respell(text, |byte| {
        Some(match byte {
            b'\\' => "\\\\".into(),
            b'\n' => "\\n".into(),
            b'\r' => "\\r".into(),
            b'\t' => "\\t".into(),
            b'\'' if quote => "\\'".into(),
            0..0x20 | 0x7f => format!("\\x{byte:02x}"),
            _ => return None,
        })
    })
}

fn respell(text: &[u8], mut spelled: impl FnMut(u8) -> Option<String>) -> Vec<u8> {
    let mut all = Vec::with_capacity(text.len() + 8);
    for &byte in text {
        match spelled(byte) {
            Some(spelled) => all.extend_from_slice(spelled.as_bytes()),
            None => all.push(byte),
        }
    }
    all
}

fn hex(text: &[u8], digits: &[u8]) -> Vec<u8> {
    text.iter().flat_map(|&byte| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]).collect()
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Without padding.
fn base64_whole(text: &[u8], alphabet: &[u8; 64]) -> Vec<u8> {
    (0..(text.len() * 8).div_ceil(6)).map(|at| alphabet[sextet(text, at)]).collect()
}

/// The characters that only the text decides, when so many bytes stand before it in its group of three.
fn base64_certain(text: &[u8], before: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let shifted = [&[0; 2][..before], text].concat();
    let first = (before * 8).div_ceil(6);
    let end = shifted.len() * 8 / 6;
    (first..end).map(|at| alphabet[sextet(&shifted, at)]).collect()
}

fn sextet(bytes: &[u8], at: usize) -> usize {
    let (byte, bit) = (at * 6 / 8, at * 6 % 8);
    let next = bytes.get(byte + 1).copied().unwrap_or(0);
    let pair = usize::from(u16::from_be_bytes([bytes[byte], next]));
    pair >> (10 - bit) & 63
}

/// As Windows writes files, low byte first.
fn utf_16(text: &[u8]) -> Option<Vec<u8>> {
    Some(str::from_utf8(text).ok()?.encode_utf16().flat_map(u16::to_le_bytes).collect())
}
