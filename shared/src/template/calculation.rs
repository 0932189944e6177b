//! `#{calc …}`: decimal numbers, names of variables, `+ - * /` and parentheses.

use std::rc::Rc;

use rust_decimal::Decimal;

use super::TemplateError;
use crate::limits;

/// Why nothing came of it.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Trouble {
    /// A name without a value.
    Undefined(String),
    /// The end of a sentence.
    Fault(String),
}

/// What a name stands for.
type Lookup<'l> = &'l mut dyn FnMut(&str) -> Result<Option<Rc<str>>, TemplateError>;

/// Calculates. Names are letters, digits, `_`, `.` and what is in brackets; any other name stands in `{…}`.
///
/// # Errors
/// Those of the lookup.
pub(super) fn calculate(source: &str, lookup: Lookup<'_>) -> Result<Result<String, Trouble>, TemplateError> {
    let mut calculation = Calculation { source, at: 0, depth: 0, lookup };
    let result = calculation.sum().and_then(|number| calculation.end().map(|()| number));
    match result {
        Ok(number) => Ok(Ok(number.normalize().to_string())),
        Err(Stop::Trouble(trouble)) => Ok(Err(trouble)),
        Err(Stop::Template(error)) => Err(error),
    }
}

struct Calculation<'s, 'l> {
    source: &'s str,
    at: usize,
    depth: usize,
    lookup: Lookup<'l>,
}

enum Stop {
    Trouble(Trouble),
    Template(TemplateError),
}

impl Calculation<'_, '_> {
    fn sum(&mut self) -> Result<Decimal, Stop> {
        let mut left = self.product()?;
        while let Some(sign) = self.one_of("+-") {
            let right = self.product()?;
            let result = if sign == '+' { left.checked_add(right) } else { left.checked_sub(right) };
            left = result.ok_or_else(too_large)?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Decimal, Stop> {
        let mut left = self.factor()?;
        while let Some(sign) = self.one_of("*/") {
            let right = self.factor()?;
            left = if sign == '*' {
                left.checked_mul(right).ok_or_else(too_large)?
            } else if right.is_zero() {
                return Err(fault("it divides by zero"));
            } else {
                left.checked_div(right).ok_or_else(too_large)?
            };
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Decimal, Stop> {
        if self.one_of("-").is_some() {
            return self.nested(Self::factor).map(|number| -number);
        }
        if self.one_of("(").is_some() {
            let number = self.nested(Self::sum)?;
            return self.one_of(")").map(|_| number).ok_or_else(|| fault("a parenthesis is not closed"));
        }
        if self.one_of("{").is_some() {
            let rest = &self.source[self.at..];
            let length = rest.find('}').ok_or_else(|| fault("a { is not closed"))?;
            self.at += length + 1;
            return self.variable(rest[..length].trim());
        }
        self.word()
    }

    fn word(&mut self) -> Result<Decimal, Stop> {
        let rest = &self.source[self.at..];
        let mut depth = 0usize;
        let end = rest.find(|sign: char| {
            match sign {
                '[' => depth += 1,
                ']' if depth > 0 => {
                    depth -= 1;
                    return false;
                }
                _ => {}
            }
            depth == 0 && !(sign.is_alphanumeric() || sign == '_' || sign == '.')
        });
        let word = &rest[..end.unwrap_or(rest.len())];
        self.at += word.len();
        match word {
            "" => Err(fault("a number or a name is missing in it")),
            _ if word.starts_with(|sign: char| sign.is_ascii_digit()) => {
                word.parse().map_err(|_| fault(&format!("\"{word}\" is no number")))
            }
            _ => self.variable(word),
        }
    }

    fn variable(&mut self, name: &str) -> Result<Decimal, Stop> {
        let value = (self.lookup)(name).map_err(Stop::Template)?;
        let value = value.ok_or_else(|| Stop::Trouble(Trouble::Undefined(name.into())))?;
        value.trim().parse().map_err(|_| fault(&format!("the value of \"{name}\" is no number")))
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<Decimal, Stop>) -> Result<Decimal, Stop> {
        if self.depth == limits::EXPRESSION_DEPTH {
            return Err(fault(&format!("it is nested more than {} deep", limits::EXPRESSION_DEPTH)));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn one_of(&mut self, signs: &str) -> Option<char> {
        let rest = &self.source[self.at..];
        let trimmed = rest.trim_start();
        let sign = trimmed.chars().next().filter(|sign| signs.contains(*sign));
        self.at += rest.len() - trimmed.len() + sign.map_or(0, char::len_utf8);
        sign
    }

    fn end(&mut self) -> Result<(), Stop> {
        let rest = self.source[self.at..].trim();
        if rest.is_empty() { Ok(()) } else { Err(fault(&format!("\"{rest}\" cannot stand there"))) }
    }
}

fn fault(why: &str) -> Stop {
    Stop::Trouble(Trouble::Fault(why.into()))
}

fn too_large() -> Stop {
    fault("the result has more than 28 digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(source: &str) -> Result<String, Trouble> {
        calculate(source, &mut |name| {
            Ok(match name {
                "a" | "A[1].b" | "a-b" => Some("4".into()),
                "text" => Some("four".into()),
                _ => None,
            })
        })
        .expect("no lookup fails")
    }

    #[test]
    fn numbers_and_names_are_calculated_as_in_school() {
        for (source, expected) in [
            ("1 + 2*3", "7"),
            ("(1+2) * 3", "9"),
            ("0.1 + 0.2", "0.3"),
            ("10 - 4 - 3", "3"),
            ("7/2", "3.5"),
            ("-a + -(2)", "-6"),
            ("A[1].b*{a-b}", "16"),
            (" 2.50 ", "2.5"),
        ] {
            assert_eq!(result(source), Ok(expected.into()), "{source}");
        }
    }

    #[test]
    fn what_cannot_be_calculated_says_why() {
        let fault = |why: &str| Err(Trouble::Fault(why.into()));
        assert_eq!(result("nobody + 1"), Err(Trouble::Undefined("nobody".into())));
        assert_eq!(result("text * 2"), fault("the value of \"text\" is no number"));
        assert_eq!(result("1 +"), fault("a number or a name is missing in it"));
        assert_eq!(result("1 2"), fault("\"2\" cannot stand there"));
        assert_eq!(result("1/0"), fault("it divides by zero"));
        assert_eq!(result("(1"), fault("a parenthesis is not closed"));
        assert_eq!(result("{a"), fault("a { is not closed"));
        assert_eq!(result("1.2.3"), fault("\"1.2.3\" is no number"));
        assert_eq!(result(&"9".repeat(28).replace('9', "9*9").repeat(2)), fault("the result has more than 28 digits"));
        assert_eq!(result(&"(".repeat(10_000)), fault("it is nested more than 64 deep"));
    }
}
