//! Texts as other formats write them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pulldown_cmark::{Options, Parser, html::push_html};

use super::{Answer, Call};

pub(super) fn html(call: &Call<'_>) -> Answer {
    respell(call, |sign| match sign {
        '/' => Some("&#x2F;".into()),
        _ => xml_entity(sign),
    })
}

pub(super) fn xml(call: &Call<'_>) -> Answer {
    respell(call, xml_entity)
}

fn xml_entity(sign: char) -> Option<String> {
    let entity = match sign {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '"' => "&quot;",
        '\'' => "&apos;",
        _ => return None,
    };
    Some(entity.into())
}

/// Between the quotes of a JSON string (RFC 8259, section 7).
pub(super) fn json(call: &Call<'_>) -> Answer {
    respell(call, |sign| match sign {
        '"' => Some("\\\"".into()),
        '\\' | '\r' | '\n' | '\t' => backslash(sign),
        _ if (sign as u32) < 0x20 => Some(unit(sign as u16)),
        _ => None,
    })
}

/// Between single quotes (YAML 1.2, section 7.3.2): a line break is a blank there, and two of them are one.
pub(super) fn yaml_single_quoted(call: &Call<'_>) -> Answer {
    let text = call.only_text()?;
    let mut spelled = String::with_capacity(text.len() + 8);
    let mut in_break = false;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n']).trim_end_matches('\r');
        let ending = &line[content.len()..];
        if !content.is_empty() {
            in_break = false;
        }
        spelled.push_str(&content.replace('\'', "''"));
        if !ending.is_empty() && !in_break {
            spelled.push_str(ending);
            in_break = true;
        }
        spelled.push_str(ending);
    }
    Ok(spelled)
}

/// Between double quotes (YAML 1.2, section 7.3.1).
pub(super) fn yaml_double_quoted(call: &Call<'_>) -> Answer {
    respell(call, |sign| match sign {
        '"' => Some("\\\"".into()),
        '\\' | '\r' | '\n' | '\t' => backslash(sign),
        ' '..='~' => None,
        _ => Some(units(sign)),
    })
}

/// As a key of a Java properties file.
pub(super) fn properties_key(call: &Call<'_>) -> Answer {
    respell(call, |sign| match sign {
        ' ' | ':' | '=' => Some(format!("\\{sign}")),
        _ => property(sign),
    })
}

/// As a value of a Java properties file.
pub(super) fn properties_value(call: &Call<'_>) -> Answer {
    let text = call.only_text()?;
    let (blank, rest) = text.strip_prefix(' ').map_or(("", text), |rest| ("\\ ", rest));
    Ok(blank.to_owned() + &respelled(rest, property))
}

fn property(sign: char) -> Option<String> {
    match sign {
        '\\' | '\r' | '\n' | '\t' => backslash(sign),
        '\0'..'\u{ff}' => None,
        _ => Some(units(sign)),
    }
}

/// What may stand in a whole address besides letters and digits (RFC 3986, sections 2.2 and 2.3).
const ADDRESS: &AsciiSet = &DATA
    .remove(b':')
    .remove(b'/')
    .remove(b'?')
    .remove(b'#')
    .remove(b'[')
    .remove(b']')
    .remove(b'@')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=');

/// What may stand in a part of an address besides letters and digits (RFC 3986, section 2.3).
const DATA: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) fn uri(call: &Call<'_>) -> Answer {
    Ok(utf8_percent_encode(call.only_text()?, ADDRESS).to_string())
}

pub(super) fn uri_data(call: &Call<'_>) -> Answer {
    Ok(utf8_percent_encode(call.only_text()?, DATA).to_string())
}

pub(super) fn markdown(call: &Call<'_>) -> Answer {
    let text = call.only_text()?.trim();
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut html = String::with_capacity(text.len() * 2);
    push_html(&mut html, Parser::new_ext(text, options));
    Ok(html)
}

fn respell(call: &Call<'_>, spelled: impl Fn(char) -> Option<String>) -> Answer {
    Ok(respelled(call.only_text()?, spelled))
}

fn respelled(text: &str, spelled: impl Fn(char) -> Option<String>) -> String {
    let mut all = String::with_capacity(text.len() + 8);
    for sign in text.chars() {
        match spelled(sign) {
            Some(spelled) => all.push_str(&spelled),
            None => all.push(sign),
        }
    }
    all
}

fn backslash(sign: char) -> Option<String> {
    let letter = match sign {
        '\r' => 'r',
        '\n' => 'n',
        '\t' => 't',
        _ => sign,
    };
    Some(format!("\\{letter}"))
}

fn units(sign: char) -> String {
    sign.encode_utf16(&mut [0; 2]).iter().map(|unit_| unit(*unit_)).collect()
}

fn unit(unit: u16) -> String {
    format!("\\u{unit:04x}")
}
