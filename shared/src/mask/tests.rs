use std::{iter, ops::Range, sync::Arc};

use proptest::{collection::vec, prelude::*};

use super::*;

const AWS_SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const PASSWORD: &str = "p$ss'w\"ord\\ <é&/+>";
const PEM: &str = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7bq\nZvH2+0Xy/31kYbT9aQd\n-----END KEY-----\n";

fn masker(values: &[&str]) -> Masker {
    let mut secrets = Secrets::new();
    for value in values {
        assert_eq!(secrets.insert(value.as_bytes()), Inserted::Masked, "{value}");
    }
    Masker::compile(&secrets)
}

/// Of exactly these needles, with nothing derived.
fn bare(needles: &[&[u8]]) -> Masker {
    let needles: BTreeSet<Vec<u8>> = needles.iter().map(|needle| needle.to_vec()).collect();
    Masker { automaton: Automaton::new(&needles.into_iter().collect::<Vec<_>>()), plain: 0 }
}

fn stream(masker: Masker, pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = MaskStream::new(Arc::new(masker));
    let mut out = Vec::new();
    for piece in pieces {
        stream.push(piece, &mut out);
    }
    stream.finish(&mut out);
    out
}

/// What masking means, in the slowest way: every occurrence, those that share a byte together.
fn oracle(needles: &[&[u8]], text: &[u8]) -> Vec<u8> {
    paint(occurrences(needles, text), text)
}

fn occurrences(needles: &[&[u8]], text: &[u8]) -> Vec<Range<usize>> {
    let places = |needle: &&[u8]| {
        let length = needle.len();
        let found = (0..text.len()).filter(|&at| text[at..].starts_with(needle)).collect::<Vec<_>>();
        found.into_iter().map(move |at| at..at + length)
    };
    needles.iter().flat_map(places).collect()
}

fn paint(mut hits: Vec<Range<usize>>, text: &[u8]) -> Vec<u8> {
    hits.sort_by_key(|hit| hit.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for hit in hits {
        match merged.last_mut() {
            Some(last) if hit.start < last.end => last.end = last.end.max(hit.end),
            _ => merged.push(hit),
        }
    }
    let mut masked = Vec::new();
    let mut at = 0;
    for hit in merged {
        masked.extend_from_slice(&text[at..hit.start]);
        masked.extend_from_slice(MASK.as_bytes());
        at = hit.end;
    }
    masked.extend_from_slice(&text[at..]);
    masked
}

/// Two letters make needles overlap with themselves and each other all the time.
fn letters(length: Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![3 => Just(b'a'), 2 => Just(b'b'), 1 => Just(b'c')], length)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_cut_of_a_stream_gives_what_the_slowest_way_gives(
        needles in vec(letters(4..12), 1..8),
        text in letters(0..120),
        mut cuts in vec(0usize..120, 0..12),
    ) {
        let needles: Vec<&[u8]> = needles.iter().map(Vec::as_slice).collect();
        cuts.retain(|&cut| cut <= text.len());
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();

        let expected = oracle(&needles, &text);
        prop_assert_eq!(bare(&needles).mask(&text), &expected[..]);
        prop_assert_eq!(stream(bare(&needles), &pieces), &expected[..]);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        prop_assert_eq!(stream(bare(&needles), &bytes), &expected[..]);
    }

    #[test]
    fn what_is_held_back_is_the_longest_beginning_of_a_needle_that_the_text_ends_with(
        needles in vec(letters(4..12), 1..8),
        text in letters(0..60),
    ) {
        let needles: Vec<&[u8]> = needles.iter().map(Vec::as_slice).collect();
        let mut stream = MaskStream::new(Arc::new(bare(&needles)));
        stream.push(&text, &mut Vec::new());
        let longest = (0..=text.len()).rev().find(|&length| {
            let end = &text[text.len() - length..];
            length == 0 || needles.iter().any(|needle| needle.starts_with(end))
        });
        prop_assert_eq!(Some(stream.held()), longest);
    }

    #[test]
    fn after_a_switch_what_was_found_stays_and_what_is_held_is_looked_at_again(
        early in vec(letters(4..12), 1..5),
        late in vec(letters(4..12), 1..5),
        text in letters(0..60),
        switch_at in 0usize..60,
    ) {
        let early: Vec<&[u8]> = early.iter().map(Vec::as_slice).collect();
        let late: Vec<&[u8]> = late.iter().map(Vec::as_slice).collect();
        let (before, after) = text.split_at(switch_at.min(text.len()));
        let mut stream = MaskStream::new(Arc::new(bare(&early)));
        let mut out = Vec::new();
        stream.push(before, &mut out);
        let out_already = before.len() - stream.held();
        stream.switch(Arc::new(bare(&late)));
        stream.push(after, &mut out);
        stream.finish(&mut out);

        let mut hits = occurrences(&late, &text);
        hits.retain(|hit| hit.start >= out_already);
        hits.extend(occurrences(&early, before));
        prop_assert_eq!(out, paint(hits, &text));
    }

    #[test]
    fn colours_in_a_text_make_no_difference_to_what_is_found_in_any_cut(
        needles in vec(letters(4..10), 1..6),
        pieces in vec((letters(0..8), colour()), 0..12),
        mut cuts in vec(0usize..200, 0..12),
    ) {
        let needles: Vec<&[u8]> = needles.iter().map(Vec::as_slice).collect();
        let (mut text, mut plain, mut origin) = (Vec::new(), Vec::new(), Vec::new());
        for (letters, colour) in &pieces {
            for &letter in letters {
                origin.push(text.len());
                text.push(letter);
                plain.push(letter);
            }
            text.extend_from_slice(colour.as_bytes());
        }
        // Found in the text without colours, and painted over with those within.
        let raw = |hit: Range<usize>| origin[hit.start]..origin[hit.end - 1] + 1;
        let mut hits: Vec<Range<usize>> = occurrences(&needles, &plain).into_iter().map(raw).collect();
        hits.extend(occurrences(&needles, &text));
        let expected = paint(hits, &text);
        cuts.retain(|&cut| cut <= text.len());
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        prop_assert_eq!(stream(bare(&needles), &pieces), &expected[..]);
        prop_assert_eq!(stream(bare(&needles), &text.chunks(1).collect::<Vec<_>>()), &expected[..]);
        prop_assert_eq!(bare(&needles).mask(&text), &expected[..]);
    }

    #[test]
    fn a_long_secret_that_is_wrapped_is_found_in_any_cut(
        width in 8usize..80,
        ending in prop_oneof![Just("\n"), Just("\r\n")],
        before in "[ -~]{0,20}",
        after in "[ -~]{0,20}",
        mut cuts in vec(0usize..300, 0..12),
    ) {
        let secret = base64(&(0..90u8).map(|number| number.wrapping_mul(37)).collect::<Vec<_>>());
        let whole = [before.as_bytes(), &secret, after.as_bytes()].concat();
        let text = whole.chunks(width).collect::<Vec<_>>().join(ending.as_bytes());
        cuts.retain(|&cut| cut <= text.len());
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        let masked = stream(masker(&[std::str::from_utf8(&secret).unwrap()]), &pieces);
        prop_assert_eq!(&masked, &masker(&[std::str::from_utf8(&secret).unwrap()]).mask(&text));
        // Where fewer than eight of its bytes stand on the first line, those stay; the rest is its longest part on lines.
        let first = width - before.len() % width;
        if first >= 8 || first == width {
            let visible = masked.iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
            let around = before.bytes().chain(after.bytes()).filter(u8::is_ascii_alphanumeric).count();
            prop_assert!(visible <= around, "{}", String::from_utf8_lossy(&masked));
        }
    }

    #[test]
    fn base64_is_found_wherever_the_secret_stands_in_the_encoded_text(
        secret in vec(33u8..127, 8..40),
        before in vec(any::<u8>(), 0..9),
        after in vec(any::<u8>(), 0..9),
    ) {
        let encoded = base64(&[&before[..], &secret, &after].concat());
        let mut secrets = Secrets::new();
        secrets.insert(&secret);
        let masked = Masker::compile(&secrets).mask(&encoded);
        // At most one character at each border is decided by the secret together with its neighbours.
        let visible = masked.iter().filter(|byte| **byte != b'*').count();
        let around = (before.len() + after.len()) * 8 / 6 + 4 + 2;
        prop_assert!(visible <= around, "{}", String::from_utf8_lossy(&masked));
    }
}

/// What terminals are sent between letters; mostly nothing.
fn colour() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        3 => Just(""),
        2 => Just("\x1b[01;31m\x1b[K"),
        1 => Just("\x1b[m"),
        1 => Just("\x1b(B"),
    ]
}

#[test]
fn a_secret_is_found_through_colours_and_wrapped_lines() {
    let found = masker(&[AWS_SECRET, "supersecret"]);
    for (text, expected) in [
        ("a super\x1b[01;31m\x1b[Ksecret\x1b[m\x1b[K b", "a ********\x1b[m\x1b[K b"),
        ("s\x1b[1mupersecre\x1b[0mt", "********"),
        ("wJalrXUtnFEMI\n/K7MDENG+bPxRf\r\niCYEXAMPLEKEY.", "********."),
        ("super\x1b[31mman", "super\x1b[31mman"),
        ("supersec\n\nret", "supersec\n\nret"),
        ("super\nsecret", "super\nsecret"),
        ("super\x1b\x01secret", "super\x1b\x01secret"),
        ("ss\x1b[1mupersecret.", "s********."),
    ] {
        assert_eq!(found.mask_str(text), expected, "{text:?}");
    }
    let wrapped = base64(&[&[b'x'; 50], AWS_SECRET.as_bytes(), &[b'y'; 30]].concat());
    let lines = wrapped.chunks(76).collect::<Vec<_>>().join(&b'\n');
    let masked = found.mask(&lines);
    assert!(masked.len() < lines.len() - 40, "{}", String::from_utf8_lossy(&masked));
}

#[test]
fn a_long_secret_is_found_without_its_last_characters() {
    let cut = &AWS_SECRET[..AWS_SECRET.len() - 1];
    assert_eq!(masker(&[AWS_SECRET]).mask_str(&format!("{cut} {AWS_SECRET}")), "******** ********");
    assert_eq!(masker(&["supersecret"]).mask_str("supersecre"), "supersecre", "a word like others");
}

#[test]
fn floods_of_newlines_and_colours_are_not_held_back() {
    let mut stream = MaskStream::new(Arc::new(masker(&["line one\nline two", "supersecret"])));
    let mut out = Vec::new();
    for flood in ["line one\n", "\n", "\r", "supersec\x1b[1m", "\x1b[1m", "\x1b[111111111111", "\x1b"] {
        for _ in 0..10_000 {
            stream.push(flood.as_bytes(), &mut out);
            assert!(stream.held() <= limits::NEEDLE_BYTES + limits::INTERRUPTION_BYTES, "{flood:?}: {}", stream.held());
        }
    }
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = Vec::new();
    for group in bytes.chunks(3) {
        let number = group.iter().chain(&[0, 0]).take(3).fold(0usize, |number, &byte| number << 8 | usize::from(byte));
        for at in 0..4 {
            encoded.push(if at <= group.len() { ALPHABET[number >> (18 - 6 * at) & 63] } else { b'=' });
        }
    }
    encoded
}

#[test]
fn a_secret_becomes_eight_stars() {
    let masker = masker(&[AWS_SECRET]);
    assert_eq!(masker.mask_str(&format!("key={AWS_SECRET}, done")), "key=********, done");
    assert_eq!(masker.mask_str("nothing to see"), "nothing to see");
}

#[test]
fn a_secret_cut_anywhere_is_found() {
    let text = format!("a {AWS_SECRET} b");
    for cut in 0..=text.len() {
        let (one, two) = text.as_bytes().split_at(cut);
        assert_eq!(stream(masker(&[AWS_SECRET]), &[one, two]), b"a ******** b", "cut at {cut}");
    }
}

#[test]
fn plain_text_is_delayed_only_by_what_may_begin_a_secret() {
    let mut stream = MaskStream::new(Arc::new(masker(&["supersecret"])));
    let mut out = Vec::new();
    stream.push(b"hello sup", &mut out);
    assert_eq!(out, b"hello ");
    assert_eq!(stream.held(), 3);
    stream.push(b"per", &mut out);
    assert_eq!(out, b"hello supper");
    stream.finish(&mut out);
    assert_eq!(out, b"hello supper");
}

#[test]
fn a_secret_at_the_very_end_is_masked_and_half_a_secret_is_let_go() {
    assert_eq!(stream(masker(&["supersecret"]), &[b"x supersecret"]), b"x ********");
    assert_eq!(stream(masker(&["supersecret"]), &[b"x supersec"]), b"x supersec");
}

#[test]
fn after_the_end_a_stream_begins_anew() {
    let mut stream = MaskStream::new(Arc::new(masker(&["supersecret"])));
    let mut out = Vec::new();
    stream.push(b"super", &mut out);
    stream.finish(&mut out);
    stream.push(b"secret", &mut out);
    stream.finish(&mut out);
    assert_eq!(out, b"supersecret");
}

#[test]
fn overlapping_secrets_become_one_mask_and_touching_ones_two() {
    assert_eq!(bare(&[b"abcd", b"cdef"]).mask(b"-abcdef-"), b"-********-");
    assert_eq!(bare(&[b"abcd", b"efgh"]).mask(b"-abcdefgh-"), b"-****************-");
    assert_eq!(bare(&[b"abcd", b"abcdefgh"]).mask(b"-abcdefgh-abcdef-"), b"-********-********ef-");
}

#[test]
fn a_secret_that_overlaps_with_itself_is_found_after_a_false_start() {
    assert_eq!(stream(bare(&[b"aaab"]), &[b"aa", b"aab"]), b"a********");
    assert_eq!(stream(bare(&[b"abab"]), &[b"ab", b"ababab", b"a"]), b"********a");
}

#[test]
fn an_endless_hit_is_not_held_back() {
    let mut stream = MaskStream::new(Arc::new(bare(&[b"aaaa"])));
    let mut out = Vec::new();
    for _ in 0..1_000 {
        stream.push(b"aaaaaaaaaa", &mut out);
        assert!(stream.held() <= 4);
    }
    stream.finish(&mut out);
    assert_eq!(out, b"********");
}

#[test]
fn a_secret_added_while_it_is_being_written_is_found() {
    let mut stream = MaskStream::new(Arc::new(bare(&[b"supersonic"])));
    let mut out = Vec::new();
    stream.push(b"a super", &mut out);
    stream.switch(Arc::new(bare(&[b"supersonic", b"supersecret"])));
    stream.push(b"secret", &mut out);
    stream.finish(&mut out);
    assert_eq!(out, b"a ********");
}

#[test]
fn a_hit_whose_mask_is_out_gets_no_second_one_after_a_switch() {
    let mut stream = MaskStream::new(Arc::new(bare(&[b"abcdabcx", b"abcd"])));
    let mut out = Vec::new();
    stream.push(b"-abcdabc", &mut out);
    stream.switch(Arc::new(bare(&[b"abcd"])));
    stream.push(b"d-", &mut out);
    stream.finish(&mut out);
    assert_eq!(out, b"-****************-");
}

#[test]
fn hits_of_both_maskers_in_what_is_held_stay_apart() {
    let mut stream = MaskStream::new(Arc::new(bare(&[b"abcd-efgh-ijkl", b"abcd"])));
    let mut out = Vec::new();
    stream.push(b"abcd-efgh-", &mut out);
    stream.switch(Arc::new(bare(&[b"efgh"])));
    stream.finish(&mut out);
    assert_eq!(out, b"********-********-");
}

#[test]
fn without_secrets_bytes_pass_as_they_are() {
    let mut stream = MaskStream::new(Arc::new(Masker::compile(&Secrets::new())));
    let mut out = Vec::new();
    stream.push(b"anything\0\xff", &mut out);
    assert_eq!(out, b"anything\0\xff");
    assert_eq!(stream.held(), 0);
}

#[test]
fn short_and_blank_values_are_not_masked_and_said_to_be_so() {
    let mut secrets = Secrets::new();
    for value in ["", "abc", "äöü", "      ", "\n\n\n\n"] {
        assert_eq!(secrets.insert(value.as_bytes()), Inserted::TooShort, "{value:?}");
    }
    assert_eq!(secrets.insert(b"abcd"), Inserted::Masked);
    assert_eq!(secrets.insert(b"abcd"), Inserted::Masked);
    assert_eq!(secrets.len(), 1);
    assert_eq!(Masker::compile(&secrets).mask_str("abc abcd"), "abc ********");
}

#[test]
fn encoded_texts_shorter_than_eight_characters_are_left_alone() {
    // Base64 of "abcd" at its three places has five or six characters: too many innocent texts hold those.
    assert_eq!(masker(&["abcd"]).mask_str("YWJjZ hYmNk"), "YWJjZ hYmNk");
    assert_eq!(masker(&["abcd"]).mask_str("61626364"), "********");
}

/// Each as the named tool writes [`PASSWORD`].
#[test]
fn every_spelling_of_a_password_is_hidden() {
    let spellings: &[(&str, &str)] = &[
        ("raw", r#"p$ss'w"ord\ <é&/+>"#),
        ("python json.dumps", r#""p$ss'w\"ord\\ <\u00e9&/+>""#),
        ("jq", r#""p$ss'w\"ord\\ <é&/+>""#),
        ("php json_encode", r#""p$ss'w\"ord\\ <\u00e9&\/+>""#),
        ("go json.Marshal", r#""p$ss'w\"ord\\ \u003cé\u0026/+\u003e""#),
        ("PowerShell 5 ConvertTo-Json", r#""p$ss\u0027w\"ord\\ \u003cé\u0026/+\u003e""#),
        (".NET System.Text.Json", r#""p$ss\u0027w\u0022ord\\ \u003C\u00E9\u0026/\u002B\u003E""#),
        ("JSON in JSON", r#"{"a":"{\"b\":\"p$ss'w\\\"ord\\\\ <é&/+>\"}"}"#),
        ("python quote", "p%24ss%27w%22ord%5C%20%3C%C3%A9%26/%2B%3E"),
        ("python quote, safe=''", "p%24ss%27w%22ord%5C%20%3C%C3%A9%26%2F%2B%3E"),
        ("python quote_plus", "p%24ss%27w%22ord%5C+%3C%C3%A9%26%2F%2B%3E"),
        ("encodeURIComponent", "p%24ss'w%22ord%5C%20%3C%C3%A9%26%2F%2B%3E"),
        ("encodeURI", "p$ss'w%22ord%5C%20%3C%C3%A9&/+%3E"),
        ("lower-case percent", "p%24ss%27w%22ord%5c%20%3c%c3%a9%26%2f%2b%3e"),
        ("bash -x", r#"+ echo 'p$ss'\''w"ord\ <é&/+>'"#),
        ("bash printf %q", r#"p\$ss\'w\"ord\\\ \<é\&/+\>"#),
        ("bash printf %q, C locale", r#"$'p$ss\'w"ord\\ <\303\251&/+>'"#),
        ("between double quotes", r#""p\$ss'w\"ord\\ <é&/+>""#),
        ("python shlex.quote", r#"'p$ss'"'"'w"ord\ <é&/+>'"#),
        ("python repr", r#"'p$ss\'w"ord\\ <é&/+>'"#),
        ("SQL", r#"'p$ss''w"ord\ <é&/+>'"#),
        ("CSV", r#""p$ss'w""ord\ <é&/+>""#),
        ("XML text", r#"p$ss'w"ord\ &lt;é&amp;/+&gt;"#),
        ("XML attribute", r#"p$ss&apos;w&quot;ord\ &lt;é&amp;/+&gt;"#),
        ("go html", r#"p$ss&#39;w&#34;ord\ &lt;é&amp;/+&gt;"#),
        ("python html.escape", r#"p$ss&#x27;w&quot;ord\ &lt;é&amp;/+&gt;"#),
        ("xxd -p", "702473732777226f72645c203cc3a9262f2b3e"),
        ("hex, upper case", "702473732777226F72645C203CC3A9262F2B3E"),
        ("base64", "cCRzcyd3Im9yZFwgPMOpJi8rPg=="),
        ("base64, url-safe", "cCRzcyd3Im9yZFwgPMOpJi8rPg"),
    ];
    let masker = masker(&[PASSWORD]);
    for (tool, spelling) in spellings {
        let masked = masker.mask_str(spelling);
        assert!(masked.contains(MASK) && !masked.contains("ss") && !masked.contains("ord"), "{tool}: {masked}");
        assert!(masked.chars().filter(|char| char.is_alphanumeric()).count() <= 6, "{tool}: {masked}");
    }
}

#[test]
fn base64_for_addresses_is_hidden() {
    let masker = masker(&[">>>???>>>???"]);
    assert_eq!(masker.mask_str("Pj4+Pz8/Pj4+Pz8/ Pj4-Pz8_Pj4-Pz8_"), "******** ********");
}

#[test]
fn utf_16_is_hidden() {
    let text: Vec<u8> = "key: hunter2hunter2".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let expected: Vec<u8> = [&text[..10], MASK.as_bytes()].concat();
    assert_eq!(masker(&["hunter2hunter2"]).mask(&text), expected);
}

#[test]
fn control_characters_are_hidden_as_bash_python_and_json_write_them() {
    let masker = masker(&["one\u{1}two\u{1b}[three"]);
    assert_eq!(masker.mask_str(r"$'one\001two\E[three'"), "$'********'");
    assert_eq!(masker.mask_str(r"'one\x01two\x1b[three'"), "'********'");
    assert_eq!(masker.mask_str(r#""one\u0001two\u001b[three""#), r#""********""#);
}

#[test]
fn a_text_of_several_lines_is_hidden_in_every_layout() {
    let masker = masker(&[PEM]);
    let text = PEM.trim();
    for ending in ["\n", "\r\n", "\r\r\n", " ", "", "\\n", "\\r\\n", "\\\\n"] {
        let laid_out = text.replace('\n', ending);
        assert_eq!(masker.mask_str(&format!("<{laid_out}>")), "<********>", "{ending:?}");
    }
    let numbered: Vec<String> = text.lines().enumerate().map(|(at, line)| format!("{at}:   {line}")).collect();
    let masked = masker.mask_str(&numbered.join("\n"));
    assert_eq!(masked, "0:   ********\n1:   ********\n2:   ********\n3:   ********");
}

#[test]
fn braces_and_short_lines_of_a_document_are_not_secrets_of_their_own() {
    let masker = masker(&["{{{{{{{{\n  \"password\": \"hunter2hunter2\",\n  \"a\": 1\n}}}}}}}}"]);
    assert_eq!(masker.mask_str("{{{{{{{{ }}}}}}}} \"a\": 1"), "{{{{{{{{ }}}}}}}} \"a\": 1");
    assert_eq!(masker.mask_str("  \"password\": \"hunter2hunter2\","), "  ********");
}

#[test]
fn blanks_around_a_value_do_not_matter() {
    let masker = masker(&["  hunter2hunter2\n"]);
    assert_eq!(masker.mask_str("[hunter2hunter2]"), "[********]");
    assert_eq!(masker.mask_str("aHVudGVyMmh1bnRlcjI="), "********");
}

#[test]
fn a_long_value_is_one_mask_and_holds_back_no_more_than_a_piece() {
    let value = noise(20_000);
    let mut stream = MaskStream::new(Arc::new(masker(&[&value])));
    let mut out = Vec::new();
    stream.push(b"<", &mut out);
    for piece in value.as_bytes().chunks(1_000) {
        stream.push(piece, &mut out);
        assert!(stream.held() <= limits::NEEDLE_BYTES, "{}", stream.held());
    }
    stream.push(b">", &mut out);
    stream.finish(&mut out);
    assert_eq!(String::from_utf8_lossy(&out), "<********>");
}

/// Letters without any order.
fn noise(length: usize) -> String {
    let numbers = iter::successors(Some(1u64), |number| Some(number.wrapping_mul(6364136223846793005).wrapping_add(1)));
    numbers.take(length).map(|number| char::from(b'a' + (number >> 33) as u8 % 26)).collect()
}

#[test]
fn values_beyond_the_limit_are_masked_as_they_are_and_counted() {
    let large = noise(limits::SPELLED_BYTES);
    let masker = masker(&[&large, AWS_SECRET]);
    assert_eq!(masker.plain(), 1);
    assert_eq!(masker.mask_str(&format!("<{large}>")), "<********>");
    assert_eq!(masker.mask_str(AWS_SECRET), MASK);
    assert_eq!(masker.mask(&base64(AWS_SECRET.as_bytes())), MASK.as_bytes());
}

#[test]
fn bytes_that_are_not_text_are_hidden_too() {
    let mut secrets = Secrets::new();
    secrets.insert(b"\xff\xfe\x00\x80key");
    let masker = Masker::compile(&secrets);
    assert_eq!(masker.mask(b"a\xff\xfe\x00\x80keyb"), b"a********b");
    assert_eq!(masker.mask(b"fffe00806b6579"), MASK.as_bytes());
}

#[test]
fn debug_output_shows_counts_only() {
    let mut secrets = Secrets::new();
    secrets.insert(b"hunter2hunter2");
    let masker = Arc::new(Masker::compile(&secrets));
    let mut stream = MaskStream::new(Arc::clone(&masker));
    stream.push(b"hunter2", &mut Vec::new());
    let shown = format!("{secrets:?} {masker:?} {stream:?}");
    assert!(shown.contains("values: 1") && shown.contains("held: 7") && !shown.contains("unter"), "{shown}");
}
